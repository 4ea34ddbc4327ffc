#include "jail.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <initializer_list>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/replace_root.h"
#include "../host/capabilities.h"

namespace caisson {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

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
constexpr size_t kAllowedCount = sizeof kAllowed / sizeof *kAllowed;

constexpr unsigned kJailCapabilities[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,
                                          CAP_FSETID, CAP_MKNOD,        CAP_SETFCAP};
constexpr unsigned kOutsideCapabilities[] = {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_KILL};

constexpr unsigned kMostCapabilities = 64;

// Those of the list that this process has.
Status keep_capabilities(std::initializer_list<unsigned> kept) {
  Capabilities capabilities;
  if (const long got = capabilities.get(); got < 0) return failure(got, "capget");
  uint32_t mask[2] = {};
  for (const unsigned capability : kept)
    mask[capability / 32] |= 1u << capability % 32;
  for (unsigned capability = 0; capability < kMostCapabilities; ++capability) {
    if ((mask[capability / 32] >> capability % 32 & 1) != 0) continue;
    const long dropped = sys::call(__NR_prctl, PR_CAPBSET_DROP, capability);
    // Those that the kernel does not have.
    if (dropped < 0 && dropped != -EINVAL) return failure(dropped, "prctl PR_CAPBSET_DROP");
  }
  for (size_t i = 0; i < 2; ++i) {
    capabilities.data[i].permitted &= mask[i];
    capabilities.data[i].effective = capabilities.data[i].permitted;
    capabilities.data[i].inheritable = 0;
  }
  return check(capabilities.set(), "capset");
}

template <size_t N>
Status keep_only(const unsigned (&kept)[N]) {
  static_assert(N == 3 || N == 6);
  if constexpr (N == 3) return keep_capabilities({kept[0], kept[1], kept[2]});
  if constexpr (N == 6)
    return keep_capabilities({kept[0], kept[1], kept[2], kept[3], kept[4], kept[5]});
}

Status limit(int resource, uint64_t most) {
  rlimit now{};
  if (const long got = sys::call(__NR_prlimit64, 0, resource, nullptr, &now); got < 0)
    return failure(got, "prlimit");
  // Not above what there is: that needs a right.
  if (now.rlim_max < most) most = now.rlim_max;
  const rlimit limited{most, most};
  return check(sys::call(__NR_prlimit64, 0, resource, &limited, nullptr), "prlimit");
}

Status give_up_privileges() {
  if (const long set = sys::call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); set < 0)
    return failure(set, "prctl PR_SET_NO_NEW_PRIVS");
  return check(sys::call(__NR_prctl, PR_SET_DUMPABLE, 0), "prctl PR_SET_DUMPABLE");
}

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
  if (Status limited = limit(RLIMIT_CORE, 0); !limited.ok()) return limited;
  if (Status limited = limit(RLIMIT_MEMLOCK, 0); !limited.ok()) return limited;
  if (Status limited = limit(RLIMIT_NOFILE, kOpenFiles); !limited.ok()) return limited;
  if (Status limited = limit(RLIMIT_AS, kMemory); !limited.ok()) return limited;
  if (Status kept = keep_only(kJailCapabilities); !kept.ok()) return kept;
  return give_up_privileges();
}

Status load_jail_filter() {
  constexpr size_t kBehind = 6;  // instructions behind the list
  sock_filter filter[kAllowedCount + kBehind + 4];
  size_t size = 0;
  const auto add = [&](sock_filter instruction) { filter[size++] = instruction; };
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (size_t i = 0; i < kAllowedCount; ++i)
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAllowed[i],
                 static_cast<uint8_t>(kAllowedCount - 1 - i + kBehind - 1), 0));
  // Memory that is not executable; x86-64's numbers from 2^30 on are none of these.
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 1, 0));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mprotect, 0, 2));
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])));
  add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(size), filter};
  const long loaded =
      sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  // A kernel without filters has none for containers either.
  return loaded == -EINVAL || loaded == -ENOSYS ? Status() : check(loaded, "seccomp");
}

Status confine_outside() {
  if (Status limited = limit(RLIMIT_CORE, 0); !limited.ok()) return limited;
  if (Status kept = keep_only(kOutsideCapabilities); !kept.ok()) return kept;
  return give_up_privileges();
}

}  // namespace caisson
