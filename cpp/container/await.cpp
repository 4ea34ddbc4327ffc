#include <poll.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../program/control.h"
#include "container_steps.h"

namespace caisson {
bool abandoned(int control) {
  pollfd waiting{control, 0, 0};
  struct {
    long seconds, nanoseconds;
  } now{};
  return sys::call(__NR_ppoll, &waiting, 1, &now, nullptr, 0) > 0 &&
         (waiting.revents & (POLLHUP | POLLERR)) != 0;
}

namespace steps {

Status await(Machine& machine, const Step&) {
  ReleaseMessage message{};
  int fds[kMaxPassedFds];
  auto received = receive_message(container(machine).control, &message, sizeof message, fds);
  if (!received.ok()) return received.error();
  const Received& got = received.value();
  if (got.size == 0) sys::exit_group(1);  // Node's side gave up or is gone: no process to report to
  const size_t size = sizeof message.count + message.count * sizeof message.slot[0];
  if (message.count != got.fd_count || message.count > kMaxSlots || got.size != size)
    return Error{EINVAL, "recvmsg", "the release message"};
  for (size_t i = 0; i < message.count; ++i) {
    if (message.slot[i] >= machine.program.slots()) return Error{EINVAL, "recvmsg", "a slot"};
    machine.slots[message.slot[i]] = fds[i];
  }
  return {};
}

}  // namespace steps
}  // namespace caisson
