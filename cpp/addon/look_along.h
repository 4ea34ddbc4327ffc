// What stands at paths of the host and above them, for the addon.
#pragma once

#include <napi.h>

namespace caisson {

// lookAlong(paths): for each path the file that it leads to, and all directories from there to the
// root: inode, type, permissions, owner and device number of each. Resolves to a Buffer, or to
// undefined where one of them is missing or cannot be looked at. Equal bytes say that nothing has
// changed that decides who can reach a file, and as whom. One job, however many directories
// there are.
Napi::Value look_along(const Napi::CallbackInfo& info);

}  // namespace caisson
