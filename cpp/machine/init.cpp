// Pid 1 once the main program runs: reaps orphans, passes signals on, ends with the main program.
#include <linux/wait.h>

#include "container_steps.h"

namespace caisson {
namespace {

constexpr int kInterrupted = 4, kChildSignal = 17, kStopSignal = 19, kTerminalIn = 21,
              kTerminalOut = 22;
constexpr int kPipe = 13, kUrgent = 23, kWindow = 28;

// As for `docker run --sig-proxy`: these speak of the receiver, not of its charge.
bool forwarded(int signal) {
  return signal != kChildSignal && signal != kPipe && signal != kUrgent && signal != kWindow &&
         signal != kTerminalIn && signal != kTerminalOut && signal != kStopSignal;
}

// Reaps everything that has ended; does not return once the main program is among it.
void reap(Page* page, int main_pid) {
  for (;;) {
    int status = 0;
    const long pid = sys::call(__NR_wait4, -1, &status, WNOHANG | __WALL, nullptr);
    if (pid == -kInterrupted) continue;
    if (pid <= 0) return;
    if (pid != main_pid) continue;
    page->status = static_cast<uint32_t>(status);
    store_release(page->exited, 1u);
    // Ending pid 1 makes the kernel end the whole pid namespace.
    const int signal = status & 0x7f;
    sys::exit_group(signal == 0 ? (status >> 8) & 0xff : 128 + signal);
  }
}

}  // namespace

void be_init(Page* page, int main_pid) {
  sys::call(__NR_close_range, 0, ~0u, 0);
  uint64_t all = ~uint64_t{0};
  for (;;) {
    reap(page, main_pid);
    const long signal = sys::call(__NR_rt_sigtimedwait, &all, nullptr, nullptr, sizeof all);
    if (signal > 0 && forwarded(static_cast<int>(signal)))
      sys::call(__NR_kill, main_pid, static_cast<int>(signal));
  }
}

}  // namespace caisson
