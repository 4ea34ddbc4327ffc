#include <linux/sched.h>

#include <initializer_list>

#include "../base/mount_api.h"
#include "host_machine.h"

namespace caisson {

// Containers are cloned from a mount namespace that holds three mounts instead of the host's
// thousands: clone copies the table (3 ms for 5,000 mounts). It carries an unmasked proc and sysfs
// of its own, without which a user namespace may mount neither.
Status prepare_workplace(Workplace& workplace) {
  auto host_mounts =
      own_fd(sys::call(__NR_openat, AT_FDCWD, "/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC),
             "openat", "/proc/thread-self/ns/mnt");
  if (!host_mounts.ok()) return host_mounts.error();
  auto host_root = own_fd(sys::call(__NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC),
                          "openat", "/");
  if (!host_root.ok()) return host_root.error();
  if (const long made = sys::call(__NR_unshare, CLONE_FS | CLONE_NEWNS); made < 0)
    return failure(made, "unshare", "a mount namespace for the launcher");
  // The thread's own from here on; modes in programs are meant as they are.
  sys::call(__NR_umask, 0);
  const long isolated =
      sys::call(__NR_mount, "none", "/", nullptr, 0x44000 /* MS_REC|MS_PRIVATE */, nullptr);
  if (isolated < 0) return failure(isolated, "mount", "/");

  auto root = make_filesystem("tmpfs", "size=1m,mode=0755", MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
  if (!root.ok()) return root.error();
  const int fd = root.value().get();
  for (const char* name : {"proc", "sys", "root", "scratch", "stage", "layer"})
    if (const long made = sys::call(__NR_mkdirat, fd, name, 0755); made < 0)
      return failure(made, "mkdirat", name);
  const long attached = sys::call(__NR_move_mount, fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
  if (attached < 0) return failure(attached, "move_mount", "/");
  if (const long moved = sys::call(__NR_fchdir, fd); moved < 0)
    return failure(moved, "fchdir", "/");
  if (const long turned = sys::call(__NR_pivot_root, ".", "."); turned < 0)
    return failure(turned, "pivot_root", "/");
  if (const long gone = sys::call(__NR_umount2, ".", kDetach); gone < 0)
    return failure(gone, "umount2", "/");
  for (const char* type : {"proc", "sysfs"}) {
    auto mount = make_filesystem(type, nullptr, 0);
    if (!mount.ok()) return mount.error();
    const long placed = sys::call(__NR_move_mount, mount.value().get(), "", AT_FDCWD,
                                  equal(type, "proc") ? "/proc" : "/sys", MOVE_MOUNT_F_EMPTY_PATH);
    if (placed < 0) return failure(placed, "move_mount", type);
  }
  auto proc = own_fd(sys::call(__NR_openat, AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
                     "openat", "/proc");
  if (!proc.ok()) return proc.error();
  auto small =
      own_fd(sys::call(__NR_openat, AT_FDCWD, "/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC),
             "openat", "/proc/thread-self/ns/mnt");
  if (!small.ok()) return small.error();
  workplace.host_mounts = host_mounts.take();
  workplace.host_root = host_root.take();
  workplace.proc = proc.take();
  workplace.small_mounts = small.take();
  return enter_host_mounts(workplace);
}

Status enter_small_mounts(const Workplace& workplace) {
  return check(sys::call(__NR_setns, workplace.small_mounts.get(), CLONE_NEWNS), "setns",
               "the launcher's mount namespace");
}

Status enter_host_mounts(const Workplace& workplace) {
  if (const long entered = sys::call(__NR_setns, workplace.host_mounts.get(), CLONE_NEWNS);
      entered < 0)
    return failure(entered, "setns", "the host's mount namespace");
  // setns moves to the namespace's own root, which a chrooted Node does not see as its root.
  if (const long moved = sys::call(__NR_fchdir, workplace.host_root.get()); moved < 0)
    return failure(moved, "fchdir", "/");
  return check(sys::call(__NR_chroot, "."), "chroot", "/");
}

}  // namespace caisson
