// The exec supervisor of a program that was started in a container and may be left: outside, its
// parent. It tells Node's side of the exit; when Node goes away the program ends, unless Node has
// left it here.
#include <poll.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/sys.h"
#include "../program/control.h"
#include "subcommands.h"

namespace caisson {
namespace {

// Its far end, which only this process still reads, and its near one.
struct Terminal {
  int far = -1, near = -1;
};

// Node's end has said something, or is gone. True when the program is on its own now.
bool is_left(int life, Terminal& terminal) {
  LeaveMessage message{};
  int fds[kMaxPassedFds];
  auto received = receive_message(life, &message, sizeof message, fds);
  if (!received.ok()) return false;
  const Received& got = received.value();
  if (got.size == sizeof message && message.magic == kLeaveMagic && got.fd_count == 2) {
    terminal = {fds[0], fds[1]};
    return true;
  }
  for (size_t i = 0; i < got.fd_count; ++i)
    sys::close(fds[i]);
  return false;
}

}  // namespace

// Every signal is blocked: the launcher's thread, which started it, has blocked them.
void be_exec_supervisor(Page* page, int pid, int pidfd, int life) {
  Terminal terminal;
  for (;;) {
    // Negative descriptors are passed over.
    pollfd waiting[] = {{pidfd, POLLIN, 0}, {life, POLLIN, 0}, {terminal.far, POLLIN, 0}};
    if (sys::call(__NR_ppoll, waiting, 3, nullptr, nullptr, 0) < 0) continue;
    if (waiting[0].revents != 0) break;
    if (waiting[1].revents != 0) {
      // From Node's session too, with whose end it has nothing to do any more.
      if (is_left(life, terminal))
        sys::call(__NR_setsid);
      else
        sys::call(__NR_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
      sys::close(life);
      life = -1;
    }
    if (waiting[2].revents != 0) {
      char shown[4096];
      const long size = sys::call(__NR_read, terminal.far, shown, sizeof shown);
      if (size <= 0 && size != -EAGAIN) terminal.far = -1;
    }
  }
  int status = 0;
  while (sys::call(__NR_wait4, pid, &status, __WALL, nullptr) == -EINTR) {
  }
  store_release(page->outcome.status, static_cast<uint32_t>(status));
  store_release(page->outcome.exited, 1u);
  sys::exit_group(0);
}

}  // namespace caisson
