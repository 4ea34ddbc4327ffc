#include <poll.h>

#include <initializer_list>

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

namespace {

// The texts are Node's, and stay. The last one is a directory to change to, unless it is empty.
Status take_command(ContainerMachine& machine) {
  const uint32_t size = machine.page->command_size;
  if (size == 0) return {};
  const Error malformed{EINVAL, "decode", "the command"};
  const char* const from = command_of(machine.page);
  Blob directory;
  uint32_t at = 0;
  Command& command = machine.command;
  for (Blob* text : {&command.arguments, &command.environment, &command.search_path, &directory}) {
    if (size - at < sizeof text->size) return malformed;
    __builtin_memcpy(&text->size, from + at, sizeof text->size);
    at += sizeof text->size;
    text->data = from + at;
    if (text->size >= size - at || text->data[text->size] != '\0') return malformed;
    const uint32_t record = (text->size + 1 + 3) & ~3u;
    if (record > size - at) return malformed;
    at += record;
  }
  return directory.size == 0 ? Status{} : change_directory(directory.data);
}

}  // namespace

namespace steps {

Status await(Machine& machine, const Step& step) {
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
  if (step.number[0] > 0) return take_command(container(machine));
  return {};
}

}  // namespace steps
}  // namespace caisson
