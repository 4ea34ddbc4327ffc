// users.make: a user namespace that has no process, for its id maps alone.
#include <linux/prctl.h>
#include <linux/sched.h>

#include "../base/clone.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "host_machine.h"

namespace caisson::steps {
namespace {

// Lives in Node's memory until it is killed, and ends with Node: raw system calls only.
void wait_to_be_killed(void*) {
  sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  for (;;)
    sys::call(__NR_ppoll, nullptr, 0, nullptr, nullptr, 0);
}

Status write_map(HostMachine& machine, uint64_t pid, const char* name, Blob map) {
  auto file = open_of_process(machine, pid, name, O_WRONLY);
  if (!file.ok()) return file.error();
  return check(sys::call(__NR_write, file.value().get(), map.data, map.size), "write", name);
}

Result<UniqueFd> map_and_open(HostMachine& machine, uint64_t pid, Blob uids, Blob gids) {
  if (Status mapped = write_map(machine, pid, "uid_map", uids); !mapped.ok()) return mapped.error();
  if (Status mapped = write_map(machine, pid, "gid_map", gids); !mapped.ok()) return mapped.error();
  return open_of_process(machine, pid, "ns/user", O_RDONLY);
}

}  // namespace

// A mount is idmapped by the maps of a user namespace, and that is made by a process only: one that
// is gone when this returns.
Status users_make(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  int descriptor = -1;
  clone_args clone{};
  clone.flags = CLONE_NEWUSER | CLONE_VM | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  clone.pidfd = reinterpret_cast<uint64_t>(&descriptor);
  clone.stack = reinterpret_cast<uint64_t>(machine.workplace.stack);
  clone.stack_size = sizeof machine.workplace.stack;
  const long pid = clone_with_stack(&clone, wait_to_be_killed, nullptr);
  if (pid < 0) return failure(pid, "clone3", "a user namespace for a volume");
  const UniqueFd pidfd(descriptor);
  auto made =
      map_and_open(machine, static_cast<uint64_t>(pid), base.blob(step, 0), base.blob(step, 1));
  sys::call(__NR_pidfd_send_signal, descriptor, SIGKILL, nullptr, 0);
  // It runs on this thread's second stack, which the next step may need.
  const long reaped =
      sys::call(__NR_waitid, P_PIDFD, descriptor, nullptr, WEXITED | __WALL, nullptr);
  if (!made.ok()) return made.error();
  if (reaped < 0) return failure(reaped, "waitid", "a user namespace for a volume");
  base.fill(step, 0, made.value().release());
  return {};
}

}  // namespace caisson::steps
