#include "confine.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <initializer_list>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/replace_root.h"
#include "../host/capabilities.h"

namespace caisson {
namespace {

// One that systemd's list of uids (UIDS-GIDS.md) calls unused, and no file belongs to. Where this
// user namespace does not have it, the one that stands for all such users; or none of them.
constexpr int kUsers[] = {1'879'048'245, 65'534};

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

constexpr uint32_t kAllowed[] = {
    __NR_recvfrom,  __NR_sendto,        __NR_recvmsg,   __NR_epoll_pwait,
    __NR_epoll_ctl, __NR_close,         __NR_connect,   __NR_accept4,
    __NR_getrandom, __NR_clock_gettime, __NR_nanosleep, __NR_exit_group,
};
constexpr size_t kAllowedCount = sizeof kAllowed / sizeof *kAllowed;

Status enter_empty_root() {
  auto empty =
      make_filesystem("tmpfs", "mode=0555,nr_inodes=1,size=4k",
                      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  return empty.ok() ? replace_root(empty.value().get()) : Status(empty.error());
}

Status drop_user() {
  if (const long set = sys::call(__NR_setgroups, 0, nullptr); set < 0 && set != -EPERM)
    return failure(set, "setgroups");
  for (const int user : kUsers) {
    const long group_set = sys::call(__NR_setresgid, user, user, user);
    if (group_set == -EINVAL) continue;
    if (group_set < 0) return failure(group_set, "setresgid");
    const long user_set = sys::call(__NR_setresuid, user, user, user);
    if (user_set == -EINVAL) continue;
    if (user_set < 0) return failure(user_set, "setresuid");
    break;
  }
  Capabilities none;
  return check(none.set(), "capset");
}

// The last word of `socket` has flags, which the kernel checks.
Status load_filter() {
  sock_filter filter[kAllowedCount + 11];
  size_t size = 0;
  const auto add = [&](sock_filter instruction) { filter[size++] = instruction; };
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  // To the end, which allows it: behind what is left of this list, and the five for `socket`.
  for (size_t i = 0; i < kAllowedCount; ++i)
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAllowed[i],
                 static_cast<uint8_t>(kAllowedCount - 1 - i + 5), 0));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3));
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(size), filter};
  const long loaded = sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
  // A kernel without filters has none for containers either.
  return loaded == -EINVAL || loaded == -ENOSYS ? Status() : check(loaded, "seccomp");
}

Status limit(int resource) {
  const rlimit none{0, 0};
  return check(sys::call(__NR_prlimit64, 0, resource, &none, nullptr), "prlimit");
}

}  // namespace

Status confine_worker() {
  if (Status emptied = enter_empty_root(); !emptied.ok()) return emptied;
  for (const int resource : {RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_MEMLOCK})
    if (Status limited = limit(resource); !limited.ok()) return limited;
  if (Status dropped = drop_user(); !dropped.ok()) return dropped;
  // A change of the user has reset both.
  if (const long set = sys::call(__NR_prctl, PR_SET_DUMPABLE, 0); set < 0)
    return failure(set, "prctl PR_SET_DUMPABLE");
  if (const long set = sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL); set < 0)
    return failure(set, "prctl PR_SET_PDEATHSIG");
  if (const long set = sys::call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1); set < 0)
    return failure(set, "prctl PR_SET_NO_NEW_PRIVS");
  return load_filter();
}

}  // namespace caisson
