// Dispositions of this process's signals, as sets in which bit 0 is signal 1: signal(7).
#pragma once

#include "kernel.h"
#include "sys.h"

namespace caisson {

constexpr int kSignals = 64;
constexpr uint64_t kAllSignals = ~uint64_t{0};

struct SignalAction {
  uintptr_t handler;
  unsigned long flags;
  void* restorer;
  uint64_t mask;
};

constexpr uint64_t signal_bit(int signal) {
  return uint64_t{1} << (signal - 1);
}

// Those that are ignored. exec(2) leaves them ignored, and Node ignores SIGPIPE, for one: other
// programs expect the defaults.
inline uint64_t ignored_signals() {
  const auto ignore = reinterpret_cast<uintptr_t>(SIG_IGN);
  uint64_t ignored = 0;
  for (int signal = 1; signal <= kSignals; ++signal) {
    SignalAction action{};
    if (sys::call(__NR_rt_sigaction, signal, nullptr, &action, sizeof action.mask) == 0 &&
        action.handler == ignore)
      ignored |= signal_bit(signal);
  }
  return ignored;
}

// Gives these their default disposition.
inline void reset_signals(uint64_t signals) {
  const SignalAction defaults{};
  for (int signal = 1; signal <= kSignals; ++signal)
    if ((signals & signal_bit(signal)) != 0)
      sys::call(__NR_rt_sigaction, signal, &defaults, nullptr, sizeof defaults.mask);
}

}  // namespace caisson
