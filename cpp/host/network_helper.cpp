// helper.start: a program beside the container, such as one that gives it a network.
#include <poll.h>
#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../program/control.h"
#include "host_machine.h"
#include "spawn.h"

namespace caisson {
namespace {

constexpr size_t kMaxArguments = 512;
constexpr size_t kOwnArguments = 11;  // caisson-init's, before those of the program
constexpr uint64_t kSecond = 1000000000;
constexpr uint64_t kPatience = 30 * kSecond;
constexpr uint64_t kLastPatience = 5 * kSecond;
constexpr uint64_t kSlice = kSecond / 20;  // after which the canceller is asked again

// Whether something can be read before that time (sys::monotonic).
bool readable_until(int fd, uint64_t end) {
  for (;;) {
    const uint64_t now = sys::monotonic();
    if (now >= end) return false;
    const uint64_t left = end - now;
    const timespec patience{static_cast<time_t>(left / kSecond), static_cast<long>(left % kSecond)};
    pollfd waiting{fd, POLLIN, 0};
    const long ready = sys::call(__NR_ppoll, &waiting, 1, &patience, nullptr, 0);
    if (ready != 0 && waiting.revents != 0) return true;
  }
}

// Until it is ready, or has failed.
Status follow_helper(HostMachine& machine, int channel, const char* program) {
  const uint64_t end = sys::monotonic() + kPatience;
  for (;;) {
    const uint64_t slice_end = sys::monotonic() + kSlice;
    const bool readable = readable_until(channel, slice_end < end ? slice_end : end);
    // There is a supervisor, which can be ended.
    if (machine.helper.valid() && machine.canceller.cancels())
      return Error{ECANCELED, "ppoll", machine.keep(program)};
    if (!readable) {
      if (sys::monotonic() < end) continue;
      return Error{ETIMEDOUT, "ppoll", machine.keep(program)};
    }
    HelperMessage message{};
    int fds[kMaxPassedFds];
    auto received = receive_message(channel, &message, sizeof message, fds);
    if (!received.ok()) return Error{received.error().number, "recvmsg", machine.keep(program)};
    const Received& got = received.value();
    if (got.fd_count == 1) machine.helper.reset(fds[0]);
    // It has been killed, or the container has ended, with which it ends.
    if (got.size == 0) return Error{ECHILD, "recvmsg", machine.keep(program)};
    if (got.size != sizeof message || message.magic != kHelperMagic)
      return Error{EINVAL, "recvmsg", machine.keep(program)};
    if (got.fd_count == 1) continue;
    if (message.number == 0) return {};
    message.object[sizeof message.object - 1] = '\0';
    machine.keep(message.object);
    // The name of the call has to outlive this, too.
    static constexpr const char* kCalls[] = {
        kHelperEnded, "execve", "setns",      "setresuid", "clone3", "pipe2",   "openat",
        "readlink",   "prctl",  "capset",     "unshare",   "mount",  "fsopen",  "fsconfig",
        "fsmount",    "socket", "setsockopt", "connect",   "sendto", "recvfrom"};
    for (const char* call : kCalls)
      if (equal(call, message.call)) return Error{message.number, call, machine.detail};
    return Error{message.number, "helper", machine.detail};
  }
}

}  // namespace

void end_helper(UniqueFd& supervisor) {
  if (!supervisor.valid()) return;
  sys::call(__NR_pidfd_send_signal, supervisor.get(), SIGKILL, nullptr, 0);
  // The first process of a pid namespace has ended when all others have.
  readable_until(supervisor.get(), sys::monotonic() + kLastPatience);
  supervisor.reset();
}

namespace steps {

Status helper_start(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const char* program = base.text(step, 0);
  const int users = base.slot(step, 0), network = base.slot(step, 1);
  if (!machine.pidfd.valid() || network < 0) return Error{EINVAL, "helper", program};
  int pair[2];
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) return failure(paired, "socketpair");
  UniqueFd channel(pair[0]), far(pair[1]);

  Text<24> numbers[8];
  const uint64_t values[] = {static_cast<uint64_t>(far.get()),
                             static_cast<uint64_t>(machine.pidfd.get()),
                             static_cast<uint64_t>(users),
                             static_cast<uint64_t>(network),
                             step.number[0],
                             step.number[1],
                             step.number[2],
                             step.number[3]};
  const char* arguments[kOwnArguments + kMaxArguments + 1] = {"caisson-init", "helper"};
  for (size_t i = 0; i < 8; ++i)
    arguments[2 + i] = i == 2 && users < 0 ? "-" : numbers[i].add(values[i]).c_str();
  arguments[kOwnArguments - 1] = program;
  const Blob list = base.blob(step, 1);
  size_t count = kOwnArguments;
  for (uint32_t at = 0; at < list.size; at += static_cast<uint32_t>(length(list.data + at)) + 1) {
    if (count == kOwnArguments + kMaxArguments) return Error{E2BIG, "execve", program};
    arguments[count++] = list.data + at;
  }

  // The program is one of the host's.
  if (Status entered = enter_host_mounts(machine.workplace); !entered.ok()) return entered;
  const NewProcess process{
      arguments, machine.init_fd, {far.get(), machine.pidfd.get(), users, network, -1}, 0};
  UniqueFd first;
  auto started =
      spawn(process, 0, -1, machine.workplace.stack, sizeof machine.workplace.stack, first);
  if (!started.ok()) return started.error();
  far.reset();
  Status followed = follow_helper(machine, channel.get(), program);
  // What was spawned only starts the supervisor.
  if (readable_until(first.get(), sys::monotonic() + kLastPatience))
    sys::call(__NR_waitid, P_PIDFD, first.get(), nullptr, WEXITED | __WALL, nullptr);
  if (!followed.ok()) end_helper(machine.helper);
  return followed;
}

}  // namespace steps
}  // namespace caisson
