#include <linux/prctl.h>

#include "../base/kernel.h"
#include "../base/link.h"
#include "../base/mount_api.h"
#include "../steps/resolve.h"
#include "container_steps.h"

namespace caisson::steps {
// Joining a v1 cgroup by writing "0" to its `tasks` file: a single thread that moves itself needs
// no lock over all thread groups (kernel/cgroup: cgroup_procs_write_start), which a write of
// another's pid, or to cgroup.procs, waits milliseconds for.
Status cgroup_enter(Machine& machine, const Step& step) {
  const long written = sys::call(__NR_write, machine.slot(step, 0), "0", 1);
  machine.empty(step, 0);
  return check(written, "write", "tasks");
}

Status ns_join(Machine& machine, const Step& step) {
  const long joined = sys::call(__NR_setns, machine.slot(step, 0), step.number[0]);
  if (joined < 0) return failure(joined, "setns");
  machine.empty(step, 0);
  // As after every change of identity, which a user namespace would be.
  if (!container(machine).outlives_node) sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  return {};
}

Status ns_unshare(Machine&, const Step& step) {
  return check(sys::call(__NR_unshare, step.number[0]), "unshare");
}

Status host_name(Machine& machine, const Step& step) {
  const Blob name = machine.blob(step, 0);
  return check(sys::call(__NR_sethostname, name.data, name.size), "sethostname", name.data);
}

Status domain_name(Machine& machine, const Step& step) {
  const Blob name = machine.blob(step, 0);
  return check(sys::call(__NR_setdomainname, name.data, name.size), "setdomainname", name.data);
}

Status link_up(Machine& machine, const Step& step) {
  return set_link_up(machine.text(step, 0));
}

namespace {

Status write_sysctl(int proc, const char* key, const char* value) {
  Text<512> path;
  path.add("sys/").add(key);
  if (path.truncated()) return failure(-ENAMETOOLONG, "openat2", key);
  auto file = open_below(proc, path.c_str(), O_WRONLY, Follow::kNoLinks);
  if (!file.ok()) return Error{file.error().number, file.error().call, key};
  return check(sys::call(__NR_write, file.value().get(), value, length(value)), "write", key);
}

}  // namespace

// Through a procfs that this start has mounted, by the descriptor of that mount: nothing that the
// image or a volume puts over /proc can redirect it (CVE-2025-52881). Slot 0 is the container's
// own, before anything in it is hidden. Where there is none, one is made for this step, which takes
// ten times as long: the kernel waits for all processors before a mount goes. As in sysctl.d(5), a
// key that begins with `-` is one whose failure does not matter.
Status sysctl_write(Machine& machine, const Step& step) {
  const Blob list = machine.blob(step, 0);
  const int mounted = machine.slot(step, 0);
  Result<UniqueFd> own = UniqueFd();
  if (mounted < 0) own = make_filesystem("proc", nullptr, 0);
  for (uint32_t at = 0; at < list.size;) {
    const char* key = list.data + at;
    const char* value = key + length(key) + 1;
    at = static_cast<uint32_t>(value + length(value) + 1 - list.data);
    if (at > list.size) return failure(-EINVAL, "write", "a list of settings");
    const bool matters = *key != '-';
    if (!matters) ++key;
    const Status written = own.ok()
                               ? write_sysctl(mounted < 0 ? own.value().get() : mounted, key, value)
                               : Status{Error{own.error().number, own.error().call, key}};
    if (matters && !written.ok()) return written;
  }
  return {};
}

}  // namespace caisson::steps
