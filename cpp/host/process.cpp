// process.open, clone, ids.map, ns.open, oom.set, release, fsids.set
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/spin_lock.h"
#include "../program/control.h"
#include "../steps/start_time.h"
#include "capabilities.h"
#include "host_machine.h"
#include "spawn.h"

namespace caisson {
Result<UniqueFd> open_of_process(HostMachine& machine, uint64_t pid, const char* name, int flags) {
  Text<64> path;
  path.add(pid).add("/").add(name);
  if (path.truncated()) return failure(-ENAMETOOLONG, "openat", machine.keep(path.c_str()));
  return own_fd(
      sys::call(__NR_openat, machine.workplace.proc.get(), path.c_str(), flags | O_CLOEXEC),
      "openat", machine.keep(path.c_str()));
}

Result<UniqueFd> open_of_child(HostMachine& machine, const char* name, int flags) {
  // vfork's wait ends a moment before the child has memory of its own (fs/exec.c, exec_mmap). Until
  // then it looks like its parent, which no process in a user namespace may open: the host's root
  // alone has rights over memory that was made outside. Its first timestamp says that it has come
  // further.
  if (machine.workplace.rights == Rights::kOwnUserNamespace)
    static_cast<void>(await_child(machine, machine.page->start[1]));
  return open_of_process(machine, static_cast<uint64_t>(machine.pid), name, flags);
}

namespace {

Status write_of_child(HostMachine& machine, const char* name, const char* value, size_t size) {
  auto file = open_of_child(machine, name, O_WRONLY);
  if (!file.ok()) return file.error();
  return check(sys::call(__NR_write, file.value().get(), value, size), "write", name);
}

SpinLock one_at_a_time;

// Changes ids of this thread, keeping its capabilities effective. Thread credentials are per
// thread, but changing them clears `dumpable` for the whole process: put back what was there, one
// thread at a time, or one would take for the process's own what another has just cleared.
template <class Change>
Status change_ids(Change change) {
  const ScopedSpinLock lock(one_at_a_time);
  const long dumpable = sys::call(__NR_prctl, PR_GET_DUMPABLE);
  Status changed = change();
  Capabilities capabilities;
  if (const long got = capabilities.get(); got < 0) return failure(got, "capget");
  for (auto& word : capabilities.data)
    word.effective = word.permitted;
  if (const long set = capabilities.set(); set < 0) return failure(set, "capset");
  if (dumpable == 1) sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  return changed;
}

Status set_fsids(uint64_t uid, uint64_t gid) {
  Status changed = change_ids([&] {
    sys::call(__NR_setfsgid, gid);
    sys::call(__NR_setfsuid, uid);
    return Status();
  });
  if (!changed.ok()) return changed;
  // setfsuid(2) reports no error: ask again.
  if (sys::call(__NR_setfsuid, -1) != static_cast<long>(uid)) return failure(-1, "setfsuid");
  if (sys::call(__NR_setfsgid, -1) != static_cast<long>(gid)) return failure(-1, "setfsgid");
  return {};
}

// The calling thread as another user, for as long as this lives. A user namespace belongs to the
// user who makes it, and that user's limits count everything that is used of inotify instances,
// namespaces and the like inside (namespaces(7), /proc/sys/user). The real user has to be the same,
// or exec(2) takes it for a set-user-id program and drops the ambient capabilities.
class AsUser {
 public:
  Status become(uint64_t uid) {
    const long got = sys::call(__NR_getresuid, &real_, &effective_, &saved_);
    if (got < 0) return failure(got, "getresuid");
    // With the old user as the saved one, the permitted capabilities stay.
    Status changed = change_ids(
        [&] { return check(sys::call(__NR_setresuid, uid, uid, effective_), "setresuid"); });
    changed_ = changed.ok();
    return changed;
  }
  Status restore() {
    if (!changed_) return {};
    changed_ = false;
    return change_ids(
        [&] { return check(sys::call(__NR_setresuid, real_, effective_, saved_), "setresuid"); });
  }

 private:
  uint32_t real_ = 0, effective_ = 0, saved_ = 0;
  bool changed_ = false;
};

// The calling thread in another network namespace, for as long as this lives: what it clones begins
// there. A process in a user namespace of its own could not join it later.
class OtherNetwork {
 public:
  ~OtherNetwork() { static_cast<void>(leave()); }
  Status enter(int network) {
    auto own = own_fd(sys::call(__NR_openat, AT_FDCWD, kOwn, O_RDONLY | O_CLOEXEC), "openat", kOwn);
    if (!own.ok()) return own.error();
    const long joined = sys::call(__NR_setns, network, CLONE_NEWNET);
    if (joined < 0) return failure(joined, "setns", "the network namespace");
    own_ = own.take();
    return {};
  }
  Status leave() {
    if (!own_.valid()) return {};
    const UniqueFd own = static_cast<UniqueFd&&>(own_);
    return check(sys::call(__NR_setns, own.get(), CLONE_NEWNET), "setns", kOwn);
  }

 private:
  static constexpr const char* kOwn = "/proc/thread-self/ns/net";
  UniqueFd own_;
};

// What a container's memory would have for its core dumps, as a child inherits it (core(5)).
bool has_default_coredump_filter(Workplace& workplace) {
  UniqueFd& filter = workplace.coredump_filter;
  if (!filter.valid()) {
    const long opened =
        sys::call(__NR_openat, workplace.proc.get(), "self/coredump_filter", O_RDONLY | O_CLOEXEC);
    if (opened == -ENOENT) return true;  // a kernel without core dumps
    if (opened < 0) return false;
    filter.reset(static_cast<int>(opened));
  }
  constexpr char kDefault[] = "00000033\n";
  char value[sizeof kDefault] = {};
  sys::call(__NR_pread64, filter.get(), value, sizeof value - 1, 0);
  return equal(value, kDefault);
}

// The owner of a user namespace has all rights in it. A process that gives that away needs this
// capability to open the namespaces of the process in there.
bool may_give_away() {
  Capabilities capabilities;
  return capabilities.get() >= 0 && capabilities.permitted(CAP_SYS_PTRACE);
}

}  // namespace

Status restore_fsids(HostMachine& machine) {
  if (machine.groups_dropped) {
    const Workplace& place = machine.workplace;
    if (const long set = sys::call(__NR_setgroups, place.group_count, place.groups); set < 0)
      return failure(set, "setgroups");
    machine.groups_dropped = false;
  }
  if (!machine.fsids_changed) return {};
  machine.fsids_changed = false;
  return set_fsids(static_cast<uint64_t>(sys::call(__NR_geteuid)),
                   static_cast<uint64_t>(sys::call(__NR_getegid)));
}

Status become_nobody(HostMachine& machine) {
  constexpr uint64_t kNobody = 0xffff'fffe;  // the largest id: no file is expected to have it
  Workplace& place = machine.workplace;
  place.group_count =
      sys::call(__NR_getgroups, sizeof place.groups / sizeof place.groups[0], place.groups);
  if (place.group_count < 0) return failure(place.group_count, "getgroups");
  const ScopedSpinLock lock(one_at_a_time);
  const long dumpable = sys::call(__NR_prctl, PR_GET_DUMPABLE);
  // Of this thread alone, as it is without a libc.
  if (const long set = sys::call(__NR_setgroups, 0, nullptr); set < 0)
    return failure(set, "setgroups");
  machine.groups_dropped = true;
  machine.fsids_changed = true;
  sys::call(__NR_setfsgid, kNobody);
  // From 0 to another: the kernel takes the capabilities over files from the effective set
  // (capabilities(7)).
  sys::call(__NR_setfsuid, kNobody);
  if (dumpable == 1) sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  if (sys::call(__NR_setfsuid, -1) != static_cast<long>(kNobody)) return failure(-1, "setfsuid");
  if (sys::call(__NR_setfsgid, -1) != static_cast<long>(kNobody)) return failure(-1, "setfsgid");
  Capabilities capabilities;
  if (const long got = capabilities.get(); got < 0) return failure(got, "capget");
  constexpr uint32_t kOverFiles = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
  if ((capabilities.data[0].effective & kOverFiles) != 0) return failure(-1, "setfsuid");
  return {};
}

namespace {

Result<uint64_t> start_time(HostMachine& machine, uint64_t pid) {
  auto file = open_of_process(machine, pid, "stat", O_RDONLY);
  if (!file.ok()) return failure(-ESRCH, "openat", machine.detail);
  auto read = read_start_time(file.value().get());
  if (!read.ok()) return Error{read.error().number, "read", machine.detail};
  return read;
}

// The child that has been cloned stays outside, and tells of the one that it has cloned inside:
// from here on the latter is the child, unless the former keeps it. Neither can be frozen with the
// container before that.
Status follow(HostMachine& machine) {
  const bool keeps = machine.life.valid();
  UniqueFd outside;
  UniqueFd& first = keeps ? machine.pidfd : outside;
  UniqueFd& second = keeps ? machine.program_pidfd : machine.pidfd;
  if (!keeps) outside = static_cast<UniqueFd&&>(machine.pidfd);
  pollfd waiting[] = {{machine.control.get(), POLLIN, 0}, {first.get(), POLLIN, 0}};
  sys::call(__NR_ppoll, waiting, 2, nullptr, nullptr, 0);
  ClonedMessage message{};
  int fds[kMaxPassedFds];
  auto received = receive_message(machine.control.get(), &message, sizeof message, fds);
  const long reaped =
      keeps ? 0 : sys::call(__NR_waitid, P_PIDFD, first.get(), nullptr, WEXITED | __WALL, nullptr);
  // It has been killed.
  if (!received.ok()) return Error{received.error().number, "recvmsg", "the process outside"};
  const Received& got = received.value();
  if (got.fd_count == 1) second.reset(fds[0]);
  if (got.size != sizeof message || message.magic != kClonedMagic ||
      message.call >= sizeof kClonedCalls / sizeof kClonedCalls[0])
    return Error{EINVAL, "recvmsg", "the process outside"};
  if (message.pid < 0) return failure(message.pid, kClonedCalls[message.call]);
  machine.pid = message.pid;
  return check(reaped, "waitid", "the process outside");
}

}  // namespace

Status send_release(int control, const ReleaseMessage& message, const int* fds) {
  const size_t size = sizeof message.count + message.count * sizeof message.slot[0];
  return send_message(control, &message, size, fds, message.count);
}

namespace {

// From here on the child ends with Node, whatever it makes of itself: the kernel forgets about a
// process that changes its user (prctl(2), PR_SET_PDEATHSIG). A exec supervisor does that for its
// own.
Status note_child(HostMachine& machine) {
  if (machine.journal.file < 0 || machine.detached || machine.life.valid()) return {};
  const auto pid = static_cast<uint64_t>(machine.pid);
  auto started = start_time(machine, pid);
  if (!started.ok()) return started.error();
  const JournalledProcess process{pid, started.value()};
  return check(sys::call(__NR_pwrite64, machine.journal.file, &process, sizeof process,
                         machine.journal.offset),
               "pwrite64", "the cleanup helper's journal");
}

}  // namespace

namespace steps {

// The pid may be another process's by now: what counts is the one that has it while the descriptor
// is open.
Status process_open(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const uint64_t pid = step.number[0];
  auto pidfd = own_fd(sys::call(__NR_pidfd_open, pid, 0), "pidfd_open", nullptr);
  if (!pidfd.ok()) return pidfd.error();
  auto started = start_time(machine, pid);
  if (!started.ok()) return started.error();
  if (started.value() != step.number[1]) return failure(-ESRCH, "pidfd_open");
  base.fill(step, 0, pidfd.value().release());
  machine.opened_slot = step.slot[0];
  machine.opened_pid = pid;
  return {};
}

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

  const int cgroup = machine.slot(step, 0), target = machine.slot(step, 1);
  machine.joined = step.slot[1] >= 0;
  machine.detached = step.number[1] == kDetached;
  UniqueFd exec_supervisors_end;
  if (step.number[1] == kLeavable) {
    const long connected =
        sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    if (connected < 0) return failure(connected, "socketpair");
    machine.life.reset(pair[0]);
    exec_supervisors_end.reset(pair[1]);
  }
  const uint64_t namespaces = step.number[0];
  const uint64_t created = machine.joined ? step.number[2] : namespaces;
  machine.shares_pids = (created & CLONE_NEWPID) == 0;
  Text<24> page_number, control_number, target_number, cgroup_number, namespaces_number,
      created_number, life_number;
  page_number.add(static_cast<uint64_t>(machine.page_fd));
  control_number.add(static_cast<uint64_t>(childs_end.get()));
  const char* arguments[] = {"caisson-init",
                             "init",
                             page_number.c_str(),
                             control_number.c_str(),
                             nullptr,
                             nullptr,
                             nullptr,
                             nullptr,
                             nullptr,
                             nullptr};
  NewProcess process{arguments,
                     machine.init_fd,
                     {machine.page_fd, childs_end.get(), -1, -1, exec_supervisors_end.get()},
                     !machine.joined && (namespaces & CLONE_NEWUSER) != 0 ? step.number[3] : 0};
  if (machine.joined) {
    arguments[1] = "join";
    arguments[4] = target_number.add(static_cast<uint64_t>(target)).c_str();
    if (cgroup >= 0) cgroup_number.add(static_cast<uint64_t>(cgroup));
    arguments[5] = cgroup < 0 ? "-" : cgroup_number.c_str();
    arguments[6] = namespaces_number.add(namespaces).c_str();
    arguments[7] = created_number.add(created).c_str();
    if (machine.detached) arguments[8] = "detached";
    if (step.number[1] == kOutside) arguments[8] = "outside";
    if (exec_supervisors_end.valid())
      arguments[8] = life_number.add(static_cast<uint64_t>(exec_supervisors_end.get())).c_str();
    process.keep[2] = target;
    process.keep[3] = cgroup;
  }
  OtherNetwork network;
  if (const int other = machine.slot(step, 2); other >= 0)
    if (Status joined = network.enter(other); !joined.ok()) return joined;
  if (Status entered = enter_small_mounts(machine.workplace); !entered.ok()) return entered;
  machine.page->resets_coredump_filter = has_default_coredump_filter(machine.workplace) ? 0 : 1;
  AsUser owner;
  const uint64_t owner_id = machine.joined ? 0 : step.number[2];
  if (owner_id != 0 && may_give_away())
    if (Status became = owner.become(owner_id); !became.ok()) return became;
  auto pid = spawn(process, machine.joined ? 0 : namespaces, machine.joined ? -1 : cgroup,
                   machine.workplace.stack, sizeof machine.workplace.stack, machine.pidfd);
  Status restored = owner.restore();
  Status returned = network.leave();
  Status left = enter_host_mounts(machine.workplace);
  if (!pid.ok()) return pid.error();
  machine.pid = pid.value();
  if (!restored.ok()) return restored;
  if (!returned.ok()) return returned;
  if (!left.ok()) return left;
  if (machine.joined) {
    childs_end.reset();
    exec_supervisors_end.reset();
  }
  if (machine.joined && step.number[1] != kOutside) {
    if (Status followed = follow(machine); !followed.ok()) return followed;
  }
  return note_child(machine);
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
  HostMachine& machine = host(base);
  const int process = base.slot(step, 1);
  // Before these steps of the container phase, its namespace is another one: that of this thread.
  if (const uint64_t steps = step.number[0]; steps > 0) {
    if (steps > machine.program.count(Phase::kContainer)) return Error{EINVAL, "openat"};
    if (!await_child(machine, machine.page->end[1][steps - 1]))
      return failure(-ESRCH, "openat", machine.keep(name.c_str()));
  }
  // Of a process that has just been opened, or of the child.
  if (process >= 0 && step.slot[1] != machine.opened_slot)
    return Error{EINVAL, "openat", "a process that is not the last"};
  auto opened = process < 0 ? open_of_child(machine, name.c_str(), O_RDONLY)
                            : open_of_process(machine, machine.opened_pid, name.c_str(), O_RDONLY);
  if (!opened.ok()) return opened.error();
  // As long as the process is there, no other has its pid.
  if (process >= 0)
    if (const long there = sys::call(__NR_pidfd_send_signal, process, 0, nullptr, 0); there < 0)
      return failure(there, "pidfd_send_signal", machine.keep(name.c_str()));
  base.fill(step, 0, opened.value().release());
  return {};
}

// A file that is a namespace of that type, and nothing else: it is looked at before it is opened.
Status ns_file(Machine& base, const Step& step) {
  const char* path = base.text(step, 0);
  auto named = own_fd(sys::call(__NR_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC), "openat", path);
  if (!named.ok()) return named.error();
  struct statfs where {};
  if (const long got = sys::call(__NR_fstatfs, named.value().get(), &where); got < 0)
    return failure(got, "fstatfs", path);
  if (where.f_type != NSFS_MAGIC) return failure(-EINVAL, "fstatfs", path);
  Text<32> link;
  link.add("self/fd/").add(static_cast<uint64_t>(named.value().get()));
  auto opened = own_fd(
      sys::call(__NR_openat, host(base).workplace.proc.get(), link.c_str(), O_RDONLY | O_CLOEXEC),
      "openat", path);
  if (!opened.ok()) return opened.error();
  const long type = sys::call(__NR_ioctl, opened.value().get(), NS_GET_NSTYPE);
  if (type < 0) return failure(type, "ioctl NS_GET_NSTYPE", path);
  if (static_cast<uint64_t>(type) != step.number[0])
    return failure(-EINVAL, "ioctl NS_GET_NSTYPE", path);
  base.fill(step, 0, opened.value().release());
  return {};
}

Status oom_set(Machine& base, const Step& step) {
  Text<24> value;
  const uint64_t score = step.number[0];
  const bool negative = static_cast<int64_t>(score) < 0;
  value.add(negative ? "-" : "").add(negative ? 0 - score : score);
  Status written = write_of_child(host(base), "oom_score_adj", value.c_str(), value.size());
  const bool as_far_as_allowed = step.number[1] != 0;
  if (!written.ok() && as_far_as_allowed && written.error().number == EACCES) return {};
  return written;
}

// A hard limit of the child above this process's own, which it could not raise in a user namespace
// of its own. It sets the limit itself later: a low one would be in the way of what it does before.
Status rlimit_raise(Machine& base, const Step& step) {
  struct {
    uint64_t soft, hard;
  } limit{};
  const uint64_t resource = step.number[0], wanted = step.number[1];
  if (const long got = sys::call(__NR_prlimit64, 0, resource, nullptr, &limit); got < 0)
    return failure(got, "prlimit64");
  if (limit.hard >= wanted) return {};
  limit.hard = wanted;
  return check(sys::call(__NR_prlimit64, host(base).pid, resource, &limit, nullptr), "prlimit64");
}

Status release(Machine& base, const Step& step) {
  const Blob list = base.blob(step, 0);
  ReleaseMessage message{};
  int fds[kMaxSlots];
  for (uint32_t at = 0; at + 1 < list.size; at += 2) {
    uint16_t slot;
    __builtin_memcpy(&slot, list.data + at, sizeof slot);
    if (slot >= base.program.slots() || message.count == kMaxSlots || base.slots[slot] < 0)
      return Error{EINVAL, "sendmsg", "the list of slots"};
    message.slot[message.count] = slot;
    fds[message.count++] = base.slots[slot];
  }
  HostMachine& machine = host(base);
  if (step.number[0] == 0) return send_release(machine.control.get(), message, fds);
  for (size_t i = 0; i < message.count; ++i) {
    auto copy =
        own_fd(sys::call(__NR_fcntl, fds[i], F_DUPFD_CLOEXEC, 3), "fcntl F_DUPFD_CLOEXEC", nullptr);
    if (!copy.ok()) return copy.error();
    machine.later_fds[i] = copy.take();
  }
  machine.later = message;
  machine.waits = true;
  // Told once the container phase has come as far as that.
  if (const uint64_t steps = step.number[1]; steps > 0) {
    if (steps > machine.program.count(Phase::kContainer)) return Error{EINVAL, "sendmsg"};
    if (!await_child(machine, machine.page->end[1][steps - 1]))
      return failure(machine.canceller.cancels() ? -ECANCELED : -ESRCH, "sendmsg");
  }
  return {};
}

Status fsids_set(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  machine.fsids_changed = true;
  return set_fsids(step.number[0], step.number[1]);
}

}  // namespace steps
}  // namespace caisson
