#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include <initializer_list>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "host_machine.h"

namespace caisson {
namespace {

constexpr const char* kOwnMounts = "/proc/thread-self/ns/mnt";

Result<UniqueFd> open_plain(const char* path, int flags) {
  return own_fd(sys::call(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC), "openat", path);
}

// The thread leaves the file system context that it shares with the others behind.
Status leave_the_others(Workplace& workplace) {
  auto mounts = open_plain(kOwnMounts, O_RDONLY);
  if (!mounts.ok()) return mounts.error();
  auto root = open_plain("/", O_PATH | O_DIRECTORY);
  if (!root.ok()) return root.error();
  if (const long made = sys::call(__NR_unshare, CLONE_FS); made < 0)
    return failure(made, "unshare", "a root directory for the launcher");
  // The thread's own from here on; modes in programs are meant as they are.
  sys::call(__NR_umask, 0);
  workplace.host_mounts = mounts.take();
  workplace.host_root = root.take();
  return {};
}

// A fresh instance, or, where the host's pid and network namespaces are not ours, its own as it is.
Result<UniqueFd> kernel_filesystem(Rights rights, const char* type, const char* path) {
  return rights == Rights::kAll ? make_filesystem(type, nullptr, 0)
                                : clone_tree(AT_FDCWD, path, true);
}

Status build_small_mounts(Workplace& workplace) {
  // What a chrooted Node calls its root may not be a mount; the namespace's own root is.
  const long plain = sys::call(__NR_setns, workplace.host_mounts.get(), CLONE_NEWNS);
  if (plain < 0) return failure(plain, "setns", "the host's mount namespace");
  if (const long made = sys::call(__NR_unshare, CLONE_NEWNS); made < 0)
    return failure(made, "unshare", "a mount namespace for the launcher");
  const long isolated = sys::call(__NR_mount, "none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (isolated < 0) return failure(isolated, "mount", "/");

  auto proc_mount = kernel_filesystem(workplace.rights, "proc", "/proc");
  if (!proc_mount.ok()) return proc_mount.error();
  auto sys_mount = kernel_filesystem(workplace.rights, "sysfs", "/sys");
  if (!sys_mount.ok()) return sys_mount.error();

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
  if (const long gone = sys::call(__NR_umount2, ".", kDetachMount); gone < 0)
    return failure(gone, "umount2", "/");
  for (const bool is_proc : {true, false}) {
    const int mount = (is_proc ? proc_mount : sys_mount).value().get();
    const char* place = is_proc ? "/proc" : "/sys";
    const long placed =
        sys::call(__NR_move_mount, mount, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH);
    if (placed < 0) return failure(placed, "move_mount", place);
  }
  auto proc = open_plain("/proc", O_PATH | O_DIRECTORY);
  if (!proc.ok()) return proc.error();
  auto small = open_plain(kOwnMounts, O_RDONLY);
  if (!small.ok()) return small.error();
  workplace.proc = proc.take();
  workplace.small_mounts = small.take();
  return {};
}

// A thread passes on to its clones, and so to containers, what it has inherited from the process
// that started this program: a scheduling class, a niceness, CPUs, the slack of its timers. A
// container must not have any of it. A niceness that an unprivileged user may not lower stays.
Status reset_inherited() {
  constexpr uint64_t kDefaultSlack = 50'000;  // ns; of the machine's first process
  // Without randomization of addresses attacks are easier (ADDR_NO_RANDOMIZE).
  if (const long set = sys::call(__NR_personality, 0); set < 0) return failure(set, "personality");
  const int priority = 0;
  sys::call(__NR_sched_setscheduler, 0, SCHED_NORMAL, &priority);
  sys::call(__NR_setpriority, PRIO_PROCESS, 0, 0);
  sys::call(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
  // The kernel leaves of these what the cgroup allows.
  unsigned char processors[1024];
  __builtin_memset(processors, 0xff, sizeof processors);
  sys::call(__NR_sched_setaffinity, 0, sizeof processors, processors);
  sys::call(__NR_set_mempolicy, MPOL_DEFAULT, nullptr, 0);
  sys::call(__NR_prctl, PR_SET_TIMERSLACK, kDefaultSlack);
  return {};
}

}  // namespace

// Containers are cloned from a mount namespace that holds three mounts instead of the host's
// thousands: clone copies the table (3 ms for 5,000 mounts). It carries an unmasked proc and sysfs
// of its own, without which a user namespace may mount neither. In a user namespace those are the
// host's, so that it depends on these whether a container can have its own.
Status prepare_workplace(Workplace& workplace) {
  if (!workplace.reset) {
    if (Status reset = reset_inherited(); !reset.ok()) return reset;
    workplace.reset = true;
  }
  if (workplace.rights == Rights::kNone) {
    if (workplace.proc.valid()) return {};
    auto proc = open_plain("/proc", O_PATH | O_DIRECTORY);
    if (!proc.ok()) return proc.error();
    workplace.proc = proc.take();
    return {};
  }
  if (!workplace.host_root.valid())
    if (Status left = leave_the_others(workplace); !left.ok()) return left;
  Status made;
  if (!workplace.small_mounts.valid()) {
    workplace.away = true;
    made = build_small_mounts(workplace);
  }
  if (!workplace.away) return made;
  Status back = enter_host_mounts(workplace);
  return made.ok() ? back : made;
}

Status enter_small_mounts(Workplace& workplace) {
  if (workplace.rights == Rights::kNone) return {};
  workplace.away = true;
  return check(sys::call(__NR_setns, workplace.small_mounts.get(), CLONE_NEWNS), "setns",
               "the launcher's mount namespace");
}

Status enter_host_mounts(Workplace& workplace) {
  if (workplace.rights == Rights::kNone) return {};
  if (const long entered = sys::call(__NR_setns, workplace.host_mounts.get(), CLONE_NEWNS);
      entered < 0)
    return failure(entered, "setns", "the host's mount namespace");
  // setns moves to the namespace's own root, which a chrooted Node does not see as its root.
  if (const long moved = sys::call(__NR_fchdir, workplace.host_root.get()); moved < 0)
    return failure(moved, "fchdir", "/");
  if (const long turned = sys::call(__NR_chroot, "."); turned < 0)
    return failure(turned, "chroot", "/");
  workplace.away = false;
  return {};
}

}  // namespace caisson
