// What clients ask for: attach, input, signals, stop, and changes of what was configured
// (docs/lifecycle.md, "The supervisor's socket").
#include <termios.h>

#include "../base/kernel.h"
#include "../steps/teardown.h"
#include "supervisor.h"

namespace caisson {
namespace {

constexpr int kMaxSignal = 64;
constexpr uint64_t kMillisecond = 1'000'000;

int load_int(const unsigned char* at) {
  int value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

unsigned short load_short(const unsigned char* at) {
  unsigned short value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// `result` is 0 or a negated errno.
void send_done(Client& client, long result) {
  const int number = static_cast<int>(-result);
  client.send(Reply::kDone, &number, sizeof number);
}

}  // namespace

void Supervisor::serve(Client& client) {
  Frame frame;
  while (client.connected() && client.next(frame)) {
    if (!handle(client, frame)) return;
    if (client.connected()) client.consume();
  }
  if (client.connected() && client.left()) drop(client);
}

// False when the frame has to wait: it is handled again in the next turn of the loop.
bool Supervisor::handle(Client& client, const Frame& frame) {
  client.asked = true;
  switch (frame.type) {
    case Request::kAttach:
      if (frame.size >= 1) attach(client, frame.payload[0]);
      break;
    case Request::kInput:
      return (client.attached & kAttachIn) == 0 || feed_input(client, frame);
    case Request::kInputEnd:
      if ((client.attached & kAttachIn) == 0 || !config_.has(kSupervisorStdinOnce)) break;
      // As input does: there may be nothing yet that could be closed.
      if (awaits_program(state_.get())) return false;
      close_input();
      break;
    case Request::kResize:
      if (frame.size == 4) resize(load_short(frame.payload), load_short(frame.payload + 2));
      break;
    case Request::kSignal:
      if (frame.size == 4) send_done(client, signal(load_int(frame.payload)));
      break;
    case Request::kStop:
      if (frame.size == 8) stop(load_int(frame.payload), load_int(frame.payload + 4));
      break;
    case Request::kPolicy:
      if (frame.size == 5 && frame.payload[0] < static_cast<uint8_t>(RestartPolicy::kCount)) {
        restart_rule_ = {static_cast<RestartPolicy>(frame.payload[0]), load_int(frame.payload + 1)};
        send_done(client, 0);
      }
      break;
    case Request::kRenamed:
      if (frame.size > 0 && frame.size < sizeof name_) {
        __builtin_memcpy(name_, frame.payload, frame.size);
        name_[frame.size] = '\0';
        send_done(client, 0);
      }
      break;
    case Request::kLimits: {
      const long result = limits_.add(reinterpret_cast<const char*>(frame.payload), frame.size);
      if (result == 0) find_budget();
      send_done(client, result);
      break;
    }
    case Request::kPrograms: {
      const Status replaced = programs_.replace(directory_.get());
      if (replaced.ok()) {
        registration_size_ = 0;  // theirs is newer
        change_forwarder(programs_.coming());
      }
      send_done(client, replaced.ok() ? 0 : -replaced.error().number);
      break;
    }
    case Request::kKeep:
      if (frame.size == 1) {
        auto_remove_suspended_ = frame.payload[0] != 0;
        send_done(client, 0);
      }
      break;
    case Request::kRegistration:
      if (frame.size <= sizeof registration_) {
        __builtin_memcpy(registration_, frame.payload, frame.size);
        registration_size_ = frame.size;
        send_done(client, 0);
      }
      break;
    case Request::kThaw:
      if (frame.size == 1) {
        client.thaws = frame.payload[0] != 0;
        send_done(client, 0);
      }
      break;
    default:
      drop(client);  // it does not speak this protocol
  }
  return true;
}

void Supervisor::attach(Client& client, uint8_t streams) {
  if (clients_.attached_besides(client) >= Clients::kMaxAttached) {
    drop(client);
    return;
  }
  client.attached = streams & (kAttachIn | kAttachOut | kAttachErr);
  const auto about = static_cast<unsigned char>((config_.has(kSupervisorOpenStdin) ? 1 : 0) |
                                                (config_.has(kSupervisorTerminal) ? 2 : 0));
  client.send(Reply::kAttached, &about, 1);
}

void Supervisor::resize(unsigned short columns, unsigned short rows) {
  terminal_size_.ws_col = columns;
  terminal_size_.ws_row = rows;
  if (run_.terminal_slave.valid())
    sys::call(__NR_ioctl, run_.outputs[0].get(), TIOCSWINSZ, &terminal_size_);
}

// False when the rest of the input has to wait.
bool Supervisor::feed_input(Client& client, const Frame& frame) {
  // Input waits for the terminal and the program. Once the program has ended, nothing reads it.
  if (awaits_program(state_.get())) return false;
  const bool terminal = config_.has(kSupervisorTerminal);
  while (client.input_done < frame.size) {
    const int fd = run_.input_fd(terminal);
    if (fd < 0) break;
    if (run_.input_full) return false;
    const long written = sys::call(__NR_write, fd, frame.payload + client.input_done,
                                   frame.size - client.input_done);
    if (written == -EINTR) continue;
    if (written == -EAGAIN) {
      run_.input_full = true;
      return false;
    }
    if (written <= 0) {  // no process has the other end open any more
      if (!terminal) run_.input.reset();
      break;
    }
    client.input_done += static_cast<uint32_t>(written);
  }
  return true;
}

void Supervisor::close_input() {
  run_.input.reset();
  run_.input_full = false;
}

void Supervisor::drop(Client& client) {
  // Docker's StdinOnce: the input ends with the client that gives it.
  if ((client.attached & kAttachIn) != 0 && config_.has(kSupervisorStdinOnce) &&
      !config_.has(kSupervisorTerminal))
    close_input();
  if (client.thaws) thaw(programs_.teardown());
  client.close();
  if (!clients_.is_bound(client)) return;
  clients_.unbind_first();
  auto_remove_suspended_ = false;  // the client would have removed it
  stop_requested_ = true;
  kill_all();
}

// 0 or a negated errno.
long Supervisor::signal(int number) {
  if (number < 1 || number > kMaxSignal) return -EINVAL;
  const bool meant_to_end = number == SIGKILL || number == config_.header().stop_signal;
  if (meant_to_end) stop_requested_ = true;
  if (state_.is(State::kPausing)) {
    if (!meant_to_end) return -ESRCH;
    stop_pausing();
    return 0;
  }
  if (state_.is(State::kDraining)) return number == SIGKILL ? 0 : -ESRCH;
  const UniqueFd& first = run_.starting != nullptr ? run_.starting->pidfd : run_.pidfd;
  // A start that has no process yet is ended, too.
  if (number == SIGKILL && (first.valid() || state_.is(State::kStarting))) {
    kill_all();
    return 0;
  }
  if (!first.valid()) return -ESRCH;
  const long sent = sys::call(__NR_pidfd_send_signal, first.get(), number, nullptr, 0);
  if (meant_to_end) thaw(programs_.teardown());
  return sent;
}

void Supervisor::stop(int number, int milliseconds) {
  if (number < 1 || number > kMaxSignal) number = config_.header().stop_signal;
  stop_requested_ = true;
  if (state_.is(State::kPausing)) {
    stop_pausing();
    return;
  }
  // Before the container phase no signal but SIGKILL has an effect.
  if (number == SIGKILL || state_.is(State::kStarting)) {
    kill_all();
    return;
  }
  if (!run_.pidfd.valid() || state_.is(State::kDraining)) return;
  sys::call(__NR_pidfd_send_signal, run_.pidfd.get(), number, nullptr, 0);
  thaw(programs_.teardown());
  if (milliseconds >= 0)
    deadlines_.set(Deadline::kKill,
                   sys::monotonic() + static_cast<uint64_t>(milliseconds) * kMillisecond + 1);
}

// Cancels the restart that the pause precedes.
void Supervisor::stop_pausing() {
  deadlines_.clear(Deadline::kRestart);
  record_.stopped = true;
  leave("exited");
}

// SIGKILL to the first process ends its pid namespace; frozen processes end when they are thawed.
void Supervisor::kill_all() {
  if (state_.is(State::kStarting)) run_.cancelled = true;
  if (!run_.pidfd.valid() || state_.is(State::kDraining)) return;
  health_.cancel();
  sys::call(__NR_pidfd_send_signal, run_.pidfd.get(), SIGKILL, nullptr, 0);
  kill_frozen(programs_.teardown());
}

}  // namespace caisson
