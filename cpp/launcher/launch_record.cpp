#include "launch_record.h"

#include <poll.h>

#include "../base/kernel.h"
#include "../host/host_machine.h"
#include "../steps/teardown.h"

namespace caisson {
namespace {

constexpr int kDeathPatience = 300;  // tenths of a second

}  // namespace

Launch::~Launch() {
  for (const int fd : kept)
    if (fd >= 0) sys::close(fd);
  drop_page();
}

void Launch::drop_page() {
  if (page != nullptr) sys::call(__NR_munmap, page, page_size);
  page = nullptr;
}

void Launch::fail(Phase phase, size_t step, Error why) {
  failed = true;
  fill_record(error, phase, step, why);
}

void Launch::kill() const {
  pollfd end{pidfd.get(), POLLIN, 0};
  struct {
    long seconds, nanoseconds;
  } now{};
  if (sys::call(__NR_ppoll, &end, 1, &now, nullptr, 0) > 0) return;  // it has ended
  // Its exec supervisor's end alone would not be that of a program which has changed its user
  // (prctl(2), PR_SET_PDEATHSIG).
  sys::call(__NR_pidfd_send_signal, receiver(), SIGKILL, nullptr, 0);
  if (program_pidfd.valid()) sys::call(__NR_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  Program parsed;
  const char* reason = nullptr;
  if (Program::decode(teardown.data(), teardown.size, parsed, reason)) kill_frozen(parsed);
}

void Launch::kill_and_reap() {
  end_helper(helper);
  if (!pidfd.valid()) return;
  kill();
  // By poll: the event loop has made the descriptor non-blocking, and waitid would not wait. Not
  // for ever, as a process may hang in a network filesystem.
  for (int waited = 0; waited < kDeathPatience; ++waited) {
    pollfd end{pidfd.get(), POLLIN, 0};
    const timespec slice{0, 100'000'000};
    if (sys::call(__NR_ppoll, &end, 1, &slice, nullptr, 0) > 0) break;
    kill();
  }
  sys::call(__NR_waitid, P_PIDFD, pidfd.get(), nullptr, WEXITED | WNOHANG | __WALL, nullptr);
  pidfd.reset();
}

void Launch::close() {
  program_pidfd.reset();
  life.reset();
  control.reset();
  held.clear();
}

}  // namespace caisson
