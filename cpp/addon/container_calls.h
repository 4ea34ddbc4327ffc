#pragma once

#include <napi.h>

namespace caisson {

// What JavaScript calls about containers: template, instantiate, launch, and all that takes a
// container. lib/native/binding.ts types it.
void add_container_calls(Napi::Env env, Napi::Object exports);

}  // namespace caisson
