#pragma once

#include <napi.h>

namespace caisson {

// layouts(), in debug builds → what C++ and TypeScript both write by hand: the instructions, where
// the fields of structs are, and the numbers of enumerators. test/integration/layouts.test.ts
// compares them with their twins; nothing else asks.
Napi::Value layouts(const Napi::CallbackInfo& info);

}  // namespace caisson
