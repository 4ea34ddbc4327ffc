#include "jail.h"

#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/replace_root.h"
#include "confinement.h"

namespace caisson {
namespace {

// A window of zstd is 128 MiB at most; of other archives a tenth of that is used.
constexpr uint64_t kMemory = 384 << 20;
constexpr uint64_t kOpenFiles = 2048;

constexpr uint32_t kAllowed[] = {
    __NR_read,           __NR_write,      __NR_pwrite64,
    __NR_close,          __NR_openat,     __NR_openat2,
    __NR_mkdirat,        __NR_mknodat,    __NR_linkat,
    __NR_symlinkat,      __NR_unlinkat,   __NR_fchown,
    __NR_fchownat,       __NR_fchmod,     __NR_fchmodat,
    __NR_utimensat,      __NR_fsetxattr,  __NR_lsetxattr,
    __NR_ftruncate,      __NR_lseek,      __NR_fallocate,
    __NR_getdents64,     __NR_fcntl,      __NR_statx,
    __NR_newfstatat,     __NR_fstat,      __NR_recvfrom,
    __NR_sendto,         __NR_brk,        __NR_munmap,
    __NR_mremap,         __NR_madvise,    __NR_futex,
    __NR_exit,           __NR_exit_group, __NR_rt_sigreturn,
    __NR_rt_sigprocmask, __NR_getrandom,  __NR_restart_syscall,
};

constexpr unsigned kJailCapabilities[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,
                                          CAP_FSETID, CAP_MKNOD,        CAP_SETFCAP};
constexpr unsigned kOutsideCapabilities[] = {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_KILL};

// The numbers of jail.h for them; everything else is closed.
Status arrange(const JailFds& fds) {
  constexpr int kAbove = 10;
  int high[4] = {fds.input, fds.report, fds.requests, fds.directories};
  const unsigned count = fds.directories < 0 ? 3 : 4;
  for (unsigned i = 0; i < count; ++i) {
    const long copy = sys::call(__NR_fcntl, high[i], F_DUPFD_CLOEXEC, kAbove);
    if (copy < 0) return failure(copy, "fcntl F_DUPFD");
    high[i] = static_cast<int>(copy);
  }
  for (unsigned i = 0; i < count; ++i)
    if (const long moved = sys::call(__NR_dup3, high[i], i, O_CLOEXEC); moved < 0)
      return failure(moved, "dup3");
  return check(sys::call(__NR_close_range, count, UINT32_MAX, 0), "close_range");
}

}  // namespace

Result<UniqueFd> clone_directory(int directory) {
  auto mount = clone_tree(directory, "", false);
  if (!mount.ok()) return mount.error();
  const Status limited = set_mount_attributes(
      mount.value().get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, false);
  if (!limited.ok()) return limited.error();
  return mount.take();
}

Status enter_jail(int mount, const JailFds& fds) {
  if (const long apart = sys::call(__NR_unshare, CLONE_NEWNS); apart < 0)
    return failure(apart, "unshare");
  if (Status entered = replace_root(mount); !entered.ok()) return entered;
  if (Status arranged = arrange(fds); !arranged.ok()) return arranged;
  sys::call(__NR_umask, 0);
  if (Status limited = limit_resource(RLIMIT_CORE, 0); !limited.ok()) return limited;
  if (Status limited = limit_resource(RLIMIT_MEMLOCK, 0); !limited.ok()) return limited;
  if (Status limited = limit_resource(RLIMIT_NOFILE, kOpenFiles); !limited.ok()) return limited;
  if (Status limited = limit_resource(RLIMIT_AS, kMemory); !limited.ok()) return limited;
  if (Status kept = keep_capabilities(kJailCapabilities); !kept.ok()) return kept;
  return give_up_privileges();
}

Status load_jail_filter() {
  return load_filter(kAllowed);
}

Status confine_outside() {
  if (Status limited = limit_resource(RLIMIT_CORE, 0); !limited.ok()) return limited;
  if (Status kept = keep_capabilities(kOutsideCapabilities); !kept.ok()) return kept;
  return give_up_privileges();
}

}  // namespace caisson
