#include "confinement.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../host/capabilities.h"

namespace caisson {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

constexpr unsigned kMostCapabilities = 64;

}  // namespace

Status keep_capabilities(std::span<const unsigned> kept) {
  Capabilities capabilities;
  if (const long got = capabilities.get(); got < 0) return failure(got, "capget");
  uint32_t mask[2] = {};
  for (const unsigned capability : kept)
    mask[capability / 32] |= 1u << capability % 32;
  for (unsigned capability = 0; capability < kMostCapabilities; ++capability) {
    if ((mask[capability / 32] >> capability % 32 & 1) != 0) continue;
    const long dropped = sys::call(__NR_prctl, PR_CAPBSET_DROP, capability);
    // A process without rights cannot drop any, nor get any; then, those that the kernel does not
    // have.
    if (dropped == -EPERM && capabilities.data[0].permitted == 0 &&
        capabilities.data[1].permitted == 0)
      break;
    if (dropped == -EINVAL) break;
    if (dropped < 0) return failure(dropped, "prctl PR_CAPBSET_DROP");
  }
  for (size_t i = 0; i < 2; ++i) {
    capabilities.data[i].permitted &= mask[i];
    capabilities.data[i].effective = capabilities.data[i].permitted;
    capabilities.data[i].inheritable = 0;
  }
  return check(capabilities.set(), "capset");
}

Status limit_resource(int resource, uint64_t most) {
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

Status load_filter(std::span<const uint32_t> allowed) {
  constexpr size_t kBehind = 6;  // instructions behind the list
  constexpr size_t kMost = 128;
  if (allowed.size() > kMost) return Error{EINVAL, "seccomp"};
  sock_filter filter[kMost + kBehind + 4];
  size_t size = 0;
  const auto add = [&](sock_filter instruction) { filter[size++] = instruction; };
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (size_t i = 0; i < allowed.size(); ++i)
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
                 static_cast<uint8_t>(allowed.size() - 1 - i + kBehind - 1), 0));
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

}  // namespace caisson
