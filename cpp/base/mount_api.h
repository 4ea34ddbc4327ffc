// The mount system calls of Linux 5.2 and later; glibc's <sys/mount.h> is not available to
// caisson-init.
#pragma once

#include "kernel.h"
#include "result.h"
#include "sys.h"
#include "unique_fd.h"

#ifndef MOUNT_ATTR_IDMAP
#error "kernel headers of 5.12 or later are needed"
#endif

namespace caisson {

inline Result<UniqueFd> own_fd(long result, const char* call, const char* object) {
  if (result < 0) return failure(result, call, object);
  return UniqueFd(static_cast<int>(result));
}

// A detached copy of the mount at `directory`/`path`.
inline Result<UniqueFd> clone_tree(int directory, const char* path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                         (path[0] == '\0' ? AT_EMPTY_PATH : 0u) | (recursive ? AT_RECURSIVE : 0u);
  return own_fd(sys::call(__NR_open_tree, directory, path, flags), "open_tree", path);
}

inline Status set_mount_attributes(int mount, uint64_t set, uint64_t clear, bool recursive,
                                   uint64_t propagation = 0, int userns = -1,
                                   const char* object = nullptr) {
  mount_attr attributes{};
  attributes.attr_set = set | (userns >= 0 ? MOUNT_ATTR_IDMAP : 0);
  attributes.attr_clr = clear;
  attributes.propagation = propagation;
  attributes.userns_fd = userns >= 0 ? static_cast<uint64_t>(userns) : 0;
  if (attributes.attr_set == 0 && clear == 0 && propagation == 0) return {};
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
  return check(sys::call(__NR_mount_setattr, mount, "", flags, &attributes, sizeof attributes),
               "mount_setattr", object);
}

inline Status attach_mount(int mount, int target, const char* object) {
  return check(sys::call(__NR_move_mount, mount, "", target, "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
               "move_mount", object);
}

// Sets "key=value,flag,…", as for mount(8), in a filesystem context. The kernel takes at most 255
// bytes of each key and value.
Status configure_filesystem(int context, const char* options, const char* type);

// Gives all files of a filesystem that is yet to be made one SELinux label. It is no part of the
// options, as commas separate its categories. None where `label` is null.
Status label_filesystem(int context, const char* label);

// A new instance of a filesystem, mounted nowhere. `options` as above, or null; `label` too.
Result<UniqueFd> make_filesystem(const char* type, const char* options, uint64_t attributes,
                                 const char* label = nullptr);

// Turns a configured filesystem context into a detached mount.
Result<UniqueFd> finish_filesystem(int context, uint64_t attributes, const char* type);

}  // namespace caisson
