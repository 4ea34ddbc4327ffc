// Whether the program of a container is started again after it has ended, and after which pause.
// The rules are Docker's (moby, restartmanager/restartmanager.go; docs/lifecycle.md).
#pragma once

#include <stdint.h>

#include "../program/supervisor_config.h"

namespace caisson {

constexpr uint64_t kFirstRestartPause = 100'000'000;       // ns
constexpr uint64_t kLongestRestartPause = 60'000'000'000;  // ns
constexpr uint64_t kSteadyRun = 10'000'000'000;            // ns: such a run resets the pause

struct RestartRule {
  RestartPolicy policy;
  int retries;  // of on-failure; 0: without a limit
};

// A run that has ended.
struct EndedRun {
  bool program_started;    // the program was exec'ed; a failed start is never repeated
  bool stop_requested;     // a client, or a signal to the supervisor, has asked for the end
  int exit_code;           // 128 + signal for a program that a signal has ended
  uint32_t restart_count;  // restarts before this end
  uint64_t duration;       // ns
  uint64_t pause_before;   // ns: the pause before this run; 0: it was the first
};

struct RestartDecision {
  bool restart;
  uint64_t pause;  // ns, before the next run
};

RestartDecision decide_restart(const RestartRule& rule, const EndedRun& run);

}  // namespace caisson
