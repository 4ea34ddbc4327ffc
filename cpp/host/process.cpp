// clone, ids.map, ns.open, oom.set, release, fsids.set
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/mount_api.h"
#include "../base/spin_lock.h"
#include "../program/control.h"
#include "capabilities.h"
#include "host_machine.h"
#include "spawn.h"

namespace caisson {
namespace {

constexpr int kInvalid = 22, kNameTooLong = 36;

}  // namespace

Result<UniqueFd> open_of_child(HostMachine& machine, const char* name, int flags) {
  Text<64> path;
  path.add(static_cast<uint64_t>(machine.pid)).add("/").add(name);
  if (path.truncated()) return failure(-kNameTooLong, "openat", machine.keep(path.c_str()));
  return own_fd(
      sys::call(__NR_openat, machine.workplace.proc.get(), path.c_str(), flags | O_CLOEXEC),
      "openat", machine.keep(path.c_str()));
}

namespace {

Status write_of_child(HostMachine& machine, const char* name, const char* value, size_t size) {
  auto file = open_of_child(machine, name, O_WRONLY);
  if (!file.ok()) return file.error();
  return check(sys::call(__NR_write, file.value().get(), value, size), "write", name);
}

// Sets the thread's file system ids, keeping its capabilities effective. Thread credentials are per
// thread, but changing them clears `dumpable` for the whole process: put back what was there, one
// thread at a time, or one would take for the process's own what another has just cleared.
Status set_fsids(uint64_t uid, uint64_t gid) {
  static SpinLock one_at_a_time;
  const SpinGuard lock(one_at_a_time);
  const long dumpable = sys::call(__NR_prctl, PR_GET_DUMPABLE);
  sys::call(__NR_setfsgid, gid);
  sys::call(__NR_setfsuid, uid);
  Capabilities capabilities;
  if (const long got = capabilities.get(); got < 0) return failure(got, "capget");
  for (auto& half : capabilities.data)
    half.effective = half.permitted;
  if (const long set = capabilities.set(); set < 0) return failure(set, "capset");
  if (dumpable == 1) sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  // setfsuid(2) reports no error: ask again.
  if (sys::call(__NR_setfsuid, -1) != static_cast<long>(uid)) return failure(-1, "setfsuid");
  if (sys::call(__NR_setfsgid, -1) != static_cast<long>(gid)) return failure(-1, "setfsgid");
  return {};
}

}  // namespace

Status restore_fsids(HostMachine& machine) {
  if (!machine.fsids_changed) return {};
  machine.fsids_changed = false;
  return set_fsids(static_cast<uint64_t>(sys::call(__NR_geteuid)),
                   static_cast<uint64_t>(sys::call(__NR_getegid)));
}

namespace steps {

Status clone(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  int pair[2];
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) return failure(paired, "socketpair");
  machine.control.reset(pair[0]);
  UniqueFd childs_end(pair[1]);
  // Node's end is read by its event loop.
  const long set = sys::call(__NR_fcntl, pair[0], F_SETFL, O_RDWR | O_NONBLOCK);
  if (set < 0) return failure(set, "fcntl F_SETFL");

  Text<16> page_number, control_number;
  page_number.add(static_cast<uint64_t>(machine.page_fd));
  control_number.add(static_cast<uint64_t>(childs_end.get()));
  const char* const arguments[] = {"caisson-init", "init", page_number.c_str(),
                                   control_number.c_str(), nullptr};
  const uint64_t namespaces = step.number[0];
  InitProcess process{arguments,
                      machine.init_fd,
                      {machine.page_fd, childs_end.get(), -1, -1},
                      (namespaces & CLONE_NEWUSER) != 0};
  if (Status entered = enter_small_mounts(machine.workplace); !entered.ok()) return entered;
  auto pid = spawn_init(process, namespaces, machine.slot(step, 0), machine.workplace.stack,
                        sizeof machine.workplace.stack, machine.pidfd);
  Status left = enter_host_mounts(machine.workplace);
  if (!pid.ok()) return pid.error();
  machine.pid = pid.value();
  return left;
}

Status ids_map(Machine& base, const Step& step) {
  const Blob uids = base.blob(step, 0), gids = base.blob(step, 1);
  HostMachine& machine = host(base);
  if (step.number[0] != 0) {
    // Who may not map groups freely must give up setgroups first (CVE-2014-8989).
    if (Status denied = write_of_child(machine, "setgroups", "deny", 4); !denied.ok())
      return denied;
  }
  if (Status mapped = write_of_child(machine, "uid_map", uids.data, uids.size); !mapped.ok())
    return mapped;
  return write_of_child(machine, "gid_map", gids.data, gids.size);
}

Status ns_open(Machine& base, const Step& step) {
  Text<64> name;
  name.add("ns/").add(base.text(step, 0));
  auto opened = open_of_child(host(base), name.c_str(), O_RDONLY);
  if (!opened.ok()) return opened.error();
  base.fill(step, 0, opened.value().release());
  return {};
}

Status oom_set(Machine& base, const Step& step) {
  Text<24> value;
  const uint64_t score = step.number[0];
  const bool negative = static_cast<int64_t>(score) < 0;
  value.add(negative ? "-" : "").add(negative ? 0 - score : score);
  return write_of_child(host(base), "oom_score_adj", value.c_str(), value.size());
}

Status release(Machine& base, const Step& step) {
  const Blob list = base.blob(step, 0);
  ReleaseMessage message{};
  int fds[kMaxSlots];
  for (uint32_t at = 0; at + 1 < list.size; at += 2) {
    uint16_t slot;
    __builtin_memcpy(&slot, list.data + at, sizeof slot);
    if (slot >= base.program.slots() || message.count == kMaxSlots || base.slots[slot] < 0)
      return Error{kInvalid, "sendmsg", "the list of slots"};
    message.slot[message.count] = slot;
    fds[message.count++] = base.slots[slot];
  }
  const size_t size = sizeof message.count + message.count * sizeof message.slot[0];
  return send_message(host(base).control.get(), &message, size, fds, message.count);
}

Status fsids_set(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  machine.fsids_changed = true;
  return set_fsids(step.number[0], step.number[1]);
}

}  // namespace steps
}  // namespace caisson
