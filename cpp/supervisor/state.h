// What the supervisor is doing with its container: one state at a time, with a table of the
// transitions.
//
//   kIdle ─► kStarting ─► kPreparing ─► kRunning ─► kDraining ─► kFinished
//                ▲            └────────────────────────▲ │
//                └────────── kPausing ◄──────────────────┘
//
// A failed start leads from kStarting to kFinished; a stop during a pause from kPausing.
#pragma once

#include <stdint.h>

namespace caisson {

enum class State : uint8_t {
  kIdle,       // nothing has been started yet
  kStarting,   // the host phase runs
  kPreparing,  // the first process is there and runs the container phase
  kRunning,    // the program was exec'ed
  kDraining,   // the first process has ended; its output may still be on its way
  kPausing,    // the pause before the next run
  kFinished,   // nothing more will run
  kCount,
};

constexpr bool may_follow(State next, State current) {
  switch (next) {
    case State::kStarting:
      return current == State::kIdle || current == State::kPausing;
    case State::kPreparing:
      return current == State::kStarting;
    case State::kRunning:
      return current == State::kPreparing;
    case State::kDraining:
      return current == State::kPreparing || current == State::kRunning;
    case State::kPausing:
      return current == State::kDraining;
    case State::kFinished:
      return current == State::kIdle || current == State::kStarting ||
             current == State::kDraining || current == State::kPausing;
    default:
      return false;
  }
}

// There is no program yet, but there may still be one in this run or the next: input waits for it.
constexpr bool awaits_program(State state) {
  return state == State::kIdle || state == State::kStarting || state == State::kPreparing ||
         state == State::kPausing;
}

class CurrentState {
 public:
  State get() const { return state_; }
  bool is(State state) const { return state_ == state; }

  // A transition that is not in the table is a mistake of the caller's: debug builds and native
  // tests end there. Elsewhere the container's end would be worse than what may follow.
  void enter(State next) {
#if defined(CAISSON_FAULTS)
    if (!may_follow(next, state_)) __builtin_trap();
#endif
    state_ = next;
  }

 private:
  State state_ = State::kIdle;
};

}  // namespace caisson
