#include "replace_root.h"

#include "kernel.h"
#include "mount_api.h"

namespace caisson {

Status replace_root(int mount) {
  // What is mounted from here on is not for the host, where most mounts are shared.
  const long apart = sys::call(__NR_mount, "none", "/", nullptr, MS_REC | MS_SLAVE, nullptr);
  if (apart < 0) return failure(apart, "mount", "/");
  auto here = own_fd(sys::call(__NR_openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC),
                     "openat", ".");
  if (!here.ok()) return here.error();
  if (Status attached = attach_mount(mount, here.value().get(), "."); !attached.ok())
    return attached;
  if (const long moved = sys::call(__NR_fchdir, mount); moved < 0)
    return failure(moved, "fchdir", "/");
  // The root of an initramfs cannot be replaced.
  const long turned = sys::call(__NR_pivot_root, ".", ".");
  if (turned == -EINVAL) {
    if (const long entered = sys::call(__NR_chroot, "."); entered < 0)
      return failure(entered, "chroot", "/");
  } else if (turned < 0) {
    return failure(turned, "pivot_root", "/");
  } else if (const long gone = sys::call(__NR_umount2, ".", kDetachMount); gone < 0) {
    return failure(gone, "umount2", "/");
  }
  return check(sys::call(__NR_chdir, "/"), "chdir", "/");
}

}  // namespace caisson
