#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "../base/kernel.h"
#include "container_steps.h"

namespace caisson {
Status drop_from_bounding_set(ContainerMachine& machine, uint64_t keep) {
  for (unsigned cap = 0; cap < 64; ++cap) {
    if (((machine.bounding & ~keep) >> cap & 1) == 0) continue;
    const long dropped = sys::call(__NR_prctl, PR_CAPBSET_DROP, cap);
    if (dropped == -EINVAL) break;  // past the kernel's last capability
    if (dropped < 0) return failure(dropped, "prctl PR_CAPBSET_DROP");
  }
  machine.bounding &= keep;
  return {};
}

namespace steps {

// Number 2 asks to keep the permitted capabilities over the change (a user other than root whose
// capabilities are set in a later step).
Status ids_set(Machine& machine, const Step& step) {
  if (const long kept = sys::call(__NR_prctl, PR_SET_KEEPCAPS, step.number[2]); kept < 0)
    return failure(kept, "prctl PR_SET_KEEPCAPS");
  const uint64_t uid = step.number[0], gid = step.number[1];
  if (const long set = sys::call(__NR_setresgid, gid, gid, gid); set < 0)
    return failure(set, "setresgid");
  if (const long set = sys::call(__NR_setresuid, uid, uid, uid); set < 0)
    return failure(set, "setresuid");
  // A change of identity clears both. Below pid 1 of ours the parent is not Node, and the program
  // shall not find a signal set.
  if (!container(machine).outlives_node) sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  return {};
}

Status groups_set(Machine& machine, const Step& step) {
  const Blob groups = machine.blob(step, 0);
  return check(sys::call(__NR_setgroups, groups.size / sizeof(uint32_t), groups.data), "setgroups");
}

Status caps_bound(Machine& machine, const Step& step) {
  return drop_from_bounding_set(container(machine), step.number[0]);
}

Status caps_set(Machine&, const Step& step) {
  const uint64_t effective = step.number[0], permitted = step.number[1],
                 inheritable = step.number[2], ambient = step.number[3];
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int i = 0; i < 2; ++i) {
    const int shift = 32 * i;
    data[i].effective = static_cast<uint32_t>(effective >> shift);
    data[i].permitted = static_cast<uint32_t>(permitted >> shift);
    data[i].inheritable = static_cast<uint32_t>(inheritable >> shift);
  }
  if (const long set = sys::call(__NR_capset, &header, data); set < 0)
    return failure(set, "capset");
  if (const long cleared = sys::call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
      cleared < 0)
    return failure(cleared, "prctl PR_CAP_AMBIENT_CLEAR_ALL");
  for (unsigned cap = 0; cap < 64; ++cap) {
    if ((ambient >> cap & 1) == 0) continue;
    const long raised = sys::call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
    if (raised < 0) return failure(raised, "prctl PR_CAP_AMBIENT_RAISE");
  }
  return {};
}

Status nnp_set(Machine&, const Step&) {
  return check(sys::call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1), "prctl PR_SET_NO_NEW_PRIVS");
}

Status seccomp_load(Machine& machine, const Step& step) {
  const Blob filter = machine.blob(step, 0);
  const size_t count = filter.size / sizeof(sock_filter);
  if (count == 0 || count > 65535 || filter.size % sizeof(sock_filter) != 0)
    return Error{EINVAL, "seccomp", "the filter's length"};
  if (Status sealed = seal(container(machine)); !sealed.ok()) return sealed;
  sock_fprog program{static_cast<unsigned short>(count),
                     const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(filter.data))};
  return check(sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, step.number[0], &program),
               "seccomp");
}

Status rlimit_set(Machine&, const Step& step) {
  struct {
    uint64_t soft, hard;
  } limit{step.number[1], step.number[2]};
  return check(sys::call(__NR_prlimit64, 0, step.number[0], &limit, nullptr), "prlimit64");
}

}  // namespace steps
}  // namespace caisson
