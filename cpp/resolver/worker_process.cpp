#include "worker_process.h"

#include <linux/sched.h>
#include <poll.h>
#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/sys.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr uint64_t kSoundLife = 10 * kSecond;  // after which an end counts as the first one
constexpr uint64_t kFirstPause = 50 * kMillisecond;
constexpr uint64_t kLongestPause = 5 * kSecond;
constexpr uint64_t kPatience = kSecond;  // until it has read a message

// None after the first: it was killed, perhaps.
uint64_t pause_after(unsigned quick_ends) {
  uint64_t pause = quick_ends < 2 ? 0 : kFirstPause;
  for (unsigned i = 2; i < quick_ends && pause < kLongestPause; ++i)
    pause *= 2;
  return pause < kLongestPause ? pause : kLongestPause;
}

[[noreturn]] void become_worker(int init_fd, int channel) {
  if (sys::call(__NR_fcntl, channel, F_SETFD, 0) < 0) sys::exit_group(1);
  Text<16> number;
  number.add(static_cast<uint64_t>(channel));
  const char* const arguments[] = {"caisson-resolver", "resolve", number.c_str(), nullptr};
  const char* const environment[] = {nullptr};
  sys::call(__NR_execveat, init_fd, "", arguments, environment, AT_EMPTY_PATH);
  sys::exit_group(1);
}

}  // namespace

bool WorkerProcess::start(uint64_t now) {
  if (pidfd_.valid() || now < next_start_) return false;
  started_ = now;
  if (spawn().ok()) return true;
  next_start_ = now + pause_after(++quick_ends_);
  return false;
}

Status WorkerProcess::spawn() {
  int pair[2];
  const long paired =
      sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
  if (paired < 0) return failure(paired, "socketpair");
  UniqueFd near(pair[0]);
  const UniqueFd far(pair[1]);
  int pidfd = -1;
  clone_args clone{};
  clone.flags =
      CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  clone.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  clone.exit_signal = SIGCHLD;
  const long pid = sys::call(__NR_clone3, &clone, sizeof clone);
  if (pid < 0) return failure(pid, "clone3");
  if (pid == 0) become_worker(init_fd_, far.get());
  pidfd_.reset(pidfd);
  channel_ = static_cast<UniqueFd&&>(near);
  return {};
}

void WorkerProcess::send(const ChannelMessage& message, size_t size, const int* fds,
                         size_t fd_count) {
  const uint64_t end = sys::monotonic() + kPatience;
  while (channel_.valid()) {
    const Status sent = send_message(channel_.get(), &message, size, fds, fd_count);
    if (sent.ok()) return;
    const int number = sent.error().number;
    if ((number == EAGAIN || number == ETOOMANYREFS) && sys::monotonic() < end) {
      pollfd waiting{channel_.get(), POLLOUT, 0};
      const timespec slice{0, 10 * kMillisecond};
      sys::call(__NR_ppoll, &waiting, 1, &slice, nullptr, 0);
      continue;
    }
    // The next one is told everything.
    sys::call(__NR_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
    channel_.reset();
  }
}

size_t WorkerProcess::receive(std::span<uint8_t> room) {
  // One that is larger than the room is no message: its size says so.
  const long got = sys::call(__NR_recvfrom, channel_.get(), room.data(), room.size(),
                             MSG_DONTWAIT | MSG_TRUNC, nullptr, nullptr);
  return got <= 0 ? 0 : static_cast<size_t>(got);
}

void WorkerProcess::reap(uint64_t now) {
  sys::call(__NR_waitid, P_PIDFD, pidfd_.get(), nullptr, WEXITED | __WALL, nullptr);
  pidfd_.reset();
  channel_.reset();
  quick_ends_ = now - started_ > kSoundLife ? 1 : quick_ends_ + 1;
  next_start_ = now + pause_after(quick_ends_);
}

}  // namespace caisson
