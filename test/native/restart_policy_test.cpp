// The restart policies as Docker has them: which ends are followed by a restart, and after which
// pause.
#include "../../cpp/supervisor/restart_policy.h"

#include <iterator>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

constexpr uint64_t kMs = 1'000'000, kS = 1000 * kMs;
constexpr RestartPolicy kNo = RestartPolicy::kNo, kOnFailure = RestartPolicy::kOnFailure,
                        kAlways = RestartPolicy::kAlways,
                        kUnlessStopped = RestartPolicy::kUnlessStopped;

// The first run, which has failed after one second.
constexpr EndedRun kFailedRun{
    .program_started = true,
    .stop_requested = false,
    .exit_code = 1,
    .restart_count = 0,
    .duration = kS,
    .pause_before = 0,
};

EndedRun run_with(int exit_code, uint32_t restart_count = 0) {
  EndedRun run = kFailedRun;
  run.exit_code = exit_code;
  run.restart_count = restart_count;
  return run;
}

const char* name_of(RestartPolicy policy) {
  static constexpr const char* kNames[] = {"no", "on-failure", "always", "unless-stopped"};
  static_assert(std::size(kNames) == static_cast<size_t>(RestartPolicy::kCount));
  return kNames[static_cast<size_t>(policy)];
}

}  // namespace

int main() {
  test("The policy decides by the exit code and the number of restarts", [] {
    const struct {
      RestartRule rule;
      int exit_code;
      uint32_t restart_count;
      bool restart;
    } cases[] = {
        {{kNo, 0}, 0, 0, false},
        {{kNo, 0}, 1, 0, false},
        {{kNo, 0}, 137, 0, false},
        {{kNo, 5}, 1, 0, false},
        {{kAlways, 0}, 0, 0, true},
        {{kAlways, 0}, 1, 0, true},
        {{kAlways, 0}, 137, 1000, true},
        {{kAlways, 1}, 1, 1000, true},  // the number of retries is on-failure's alone
        {{kAlways, 0}, 0, UINT32_MAX, true},
        {{kUnlessStopped, 0}, 0, 0, true},
        {{kUnlessStopped, 0}, 1, 0, true},
        {{kUnlessStopped, 0}, 143, 1000, true},
        {{kUnlessStopped, 1}, 0, 1000, true},
        {{kOnFailure, 0}, 0, 0, false},
        {{kOnFailure, 0}, 1, 0, true},
        {{kOnFailure, 0}, 255, 0, true},
        {{kOnFailure, 0}, 137, 0, true},  // the end by a signal is a failure
        {{kOnFailure, 0}, 1, 1'000'000, true},
        {{kOnFailure, 0}, 1, UINT32_MAX, true},
        {{kOnFailure, 3}, 0, 0, false},
        {{kOnFailure, 3}, 1, 0, true},
        {{kOnFailure, 3}, 1, 1, true},
        {{kOnFailure, 3}, 1, 2, true},
        {{kOnFailure, 3}, 1, 3, false},
        {{kOnFailure, 3}, 1, 4, false},  // `update` has lowered the limit meanwhile
        {{kOnFailure, 1}, 1, 0, true},
        {{kOnFailure, 1}, 1, 1, false},
        {{kOnFailure, INT32_MAX}, 1, INT32_MAX - 1u, true},
        {{kOnFailure, INT32_MAX}, 1, INT32_MAX, false},
    };
    for (const auto& one : cases) {
      const RestartDecision decision =
          decide_restart(one.rule, run_with(one.exit_code, one.restart_count));
      const std::string what = std::string(name_of(one.rule.policy)) + ":" +
                               std::to_string(one.rule.retries) + " after exit code " +
                               std::to_string(one.exit_code) + " and " +
                               std::to_string(one.restart_count) + " restarts";
      expect_equal(decision.restart, one.restart, what);
      expect_equal(decision.pause, one.restart ? kFirstRestartPause : 0, what + ", the pause");
    }
  });

  test("No policy restarts after a requested stop or a failed start", [] {
    for (unsigned i = 0; i < static_cast<unsigned>(RestartPolicy::kCount); ++i)
      for (const int exit_code : {0, 1, 137})
        for (const uint64_t pause : {uint64_t{0}, kFirstRestartPause, kLongestRestartPause}) {
          const RestartRule rule{static_cast<RestartPolicy>(i), 0};
          EndedRun stopped = run_with(exit_code), failed = stopped;
          stopped.pause_before = failed.pause_before = pause;
          stopped.stop_requested = true;
          failed.program_started = false;
          expect(!decide_restart(rule, stopped).restart,
                 std::string(name_of(rule.policy)) + " to leave a stopped container alone");
          expect(!decide_restart(rule, failed).restart,
                 std::string(name_of(rule.policy)) + " not to repeat a failed start");
        }
  });

  test("The pause doubles from 100 ms to 60 s and stays there", [] {
    const uint64_t milliseconds[] = {100,   200,   400,   800,   1600,  3200, 6400,
                                     12800, 25600, 51200, 60000, 60000, 60000};
    EndedRun run = kFailedRun;
    for (const uint64_t wanted : milliseconds) {
      const RestartDecision decision = decide_restart({kAlways, 0}, run);
      expect(decision.restart, "a restart");
      expect_equal(decision.pause, wanted * kMs);
      run.pause_before = decision.pause;
      ++run.restart_count;
    }
  });

  test("A run of 10 s resets the pause, a shorter one does not", [] {
    const struct {
      uint64_t pause_before, duration, pause;
    } cases[] = {
        {0, 0, 100 * kMs},
        {0, kSteadyRun - 1, 100 * kMs},
        {0, kSteadyRun, 100 * kMs},
        {100 * kMs, 0, 200 * kMs},
        {100 * kMs, kSteadyRun - 1, 200 * kMs},
        {100 * kMs, kSteadyRun, 100 * kMs},
        {100 * kMs, kSteadyRun + 1, 100 * kMs},
        {6400 * kMs, kSteadyRun - 1, 12800 * kMs},
        {6400 * kMs, 3600 * kS, 100 * kMs},
        {30 * kS, 0, 60 * kS},
        {30 * kS + 1, 0, 60 * kS},
        {60 * kS, kSteadyRun - 1, 60 * kS},
        {60 * kS, kSteadyRun, 100 * kMs},
        {UINT64_MAX, 0, 60 * kS},
    };
    for (const auto& one : cases)
      for (const RestartPolicy policy : {kAlways, kUnlessStopped, kOnFailure}) {
        EndedRun run = kFailedRun;
        run.pause_before = one.pause_before;
        run.duration = one.duration;
        expect_equal(decide_restart({policy, 0}, run).pause, one.pause,
                     std::to_string(one.pause_before) + " ns before a run of " +
                         std::to_string(one.duration) + " ns");
      }
  });
  return result();
}
