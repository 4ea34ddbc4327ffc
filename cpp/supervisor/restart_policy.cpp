#include "restart_policy.h"

namespace caisson {
namespace {

bool allows_restart(const RestartRule& rule, const EndedRun& run) {
  if (!run.program_started || run.stop_requested) return false;
  switch (rule.policy) {
    case RestartPolicy::kAlways:
    case RestartPolicy::kUnlessStopped:
      return true;
    case RestartPolicy::kOnFailure:
      return run.exit_code != 0 &&
             (rule.retries == 0 || run.restart_count < static_cast<uint32_t>(rule.retries));
    default:
      return false;
  }
}

uint64_t next_pause(const EndedRun& run) {
  if (run.pause_before == 0 || run.duration >= kSteadyRun) return kFirstRestartPause;
  return run.pause_before > kLongestRestartPause / 2 ? kLongestRestartPause : run.pause_before * 2;
}

}  // namespace

RestartDecision decide_restart(const RestartRule& rule, const EndedRun& run) {
  if (!allows_restart(rule, run)) return {false, 0};
  return {true, next_pause(run)};
}

}  // namespace caisson
