// A small file of a container's root, for the addon.
#pragma once

#include <napi.h>

namespace caisson {

// readBelow(roots, path, limit): a file inside a container's root, resolved there: below one
// directory, or below the merged layers of an overlay, of which the first is on top. Resolves to a
// Buffer, or to the errno that says why there is none (steps/regular_file.h).
Napi::Value read_below(const Napi::CallbackInfo& info);

}  // namespace caisson
