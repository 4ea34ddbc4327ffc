#include "guard.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <vector>

#include "../base/fd_message.h"
#include "../base/text.h"
#include "../program/control.h"
#include "spawn.h"

namespace caisson {
namespace {

constexpr int kPipe = 32, kMessageSize = 90, kReset = 104;
// A guard that was stopped must not stop all starts with it.
constexpr timeval kPatience{5, 0};

}  // namespace

Status Guard::start(int init_fd, void* stack, size_t stack_size) {
  int pair[2];
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) return failure(paired, "socketpair", "the guard");
  UniqueFd ours(pair[0]), theirs(pair[1]);
  const long set =
      sys::call(__NR_setsockopt, ours.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  if (set < 0) return failure(set, "setsockopt", "the guard");
  Text<16> number;
  number.add(static_cast<uint64_t>(theirs.get()));
  const char* const arguments[] = {"caisson-guard", "guard", number.c_str(), nullptr};
  auto pid = spawn_init({arguments, init_fd, {theirs.get(), -1, -1, -1}, false}, 0, -1, stack,
                        stack_size, pidfd_);
  if (!pid.ok()) return pid.error();
  socket_ = static_cast<UniqueFd&&>(ours);
  return {};
}

Status Guard::add(uint64_t token, const void* program, size_t size) {
  if (size + sizeof(GuardMessage) > kMaxGuardMessage)
    return failure(-kMessageSize, "sendmsg", "the guard");
  std::vector<unsigned char> message(sizeof(GuardMessage) + size);
  const GuardMessage head{GuardVerb::kAdd, 0, token};
  memcpy(message.data(), &head, sizeof head);
  memcpy(message.data() + sizeof head, program, size);
  Status sent = send_message(socket_.get(), message.data(), message.size(), nullptr, 0);
  if (sent.ok()) return {};
  const int number = sent.error().number;
  // Only when somebody killed it: a guard that lives would take the end of its socket for the end
  // of Node, and undo what is running.
  if (number == kPipe || number == kReset) stop();
  return Error{number, sent.error().call, "the guard"};
}

void Guard::done(uint64_t token) {
  if (!socket_.valid()) return;
  const GuardMessage message{GuardVerb::kDone, 0, token};
  static_cast<void>(send_message(socket_.get(), &message, sizeof message, nullptr, 0));
}

void Guard::stop() {
  socket_.reset();
  if (pidfd_.valid())
    sys::call(__NR_waitid, 3 /* P_PIDFD */, pidfd_.get(), nullptr, 4 /* WEXITED */, nullptr);
  pidfd_.reset();
}

}  // namespace caisson
