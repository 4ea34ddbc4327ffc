#pragma once

#include <napi.h>

namespace caisson {

// treeSize(path) → a promise of the bytes of all regular files below a directory; 0 of a missing
// one. A file with several names counts once. What cannot be opened, or is moved meanwhile, is left
// out. treeSize(path, type, directory): of a directory in the file system of that type that the
// file `path` contains, whether or not it is mounted.
Napi::Value tree_size(const Napi::CallbackInfo& info);

}  // namespace caisson
