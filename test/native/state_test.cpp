// The states of a supervisor: the table of transitions, and the paths through it.
#include "../../cpp/supervisor/state.h"

#include <sys/wait.h>
#include <unistd.h>

#include <iterator>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

constexpr unsigned kStates = static_cast<unsigned>(State::kCount);
constexpr const char* kNames[] = {"idle",     "starting", "preparing", "running",
                                  "draining", "pausing",  "finished"};
static_assert(std::size(kNames) == kStates);

// One row for each state before, one column for each state after, both in the order of the names:
// 'x' is a transition.
constexpr const char* kTable[kStates] = {
    /* idle      */ ".x....x",
    /* starting  */ "..x...x",
    /* preparing */ "...xx..",
    /* running   */ "....x..",
    /* draining  */ ".....xx",
    /* pausing   */ ".x....x",
    /* finished  */ ".......",
};

}  // namespace

int main() {
  test("Each pair of states is a transition or not, as the table says", [] {
    for (unsigned from = 0; from < kStates; ++from)
      for (unsigned to = 0; to < kStates; ++to)
        expect_equal(may_follow(static_cast<State>(to), static_cast<State>(from)),
                     kTable[from][to] == 'x', std::string(kNames[from]) + " to " + kNames[to]);
  });

  test("Each state can be reached, and the last one from each of them", [] {
    bool leads[kStates][kStates];
    for (unsigned from = 0; from < kStates; ++from)
      for (unsigned to = 0; to < kStates; ++to)
        leads[from][to] = may_follow(static_cast<State>(to), static_cast<State>(from));
    for (unsigned through = 0; through < kStates; ++through)
      for (unsigned from = 0; from < kStates; ++from)
        for (unsigned to = 0; to < kStates; ++to)
          leads[from][to] = leads[from][to] || (leads[from][through] && leads[through][to]);
    const auto finished = static_cast<unsigned>(State::kFinished);
    for (unsigned state = 1; state < kStates; ++state)
      expect(leads[0][state], std::string(kNames[state]) + " to be reachable");
    for (unsigned state = 0; state < finished; ++state)
      expect(leads[state][finished], std::string(kNames[state]) + " to lead to the end");
  });

  test("A run, a restart and a second run are valid transitions", [] {
    CurrentState state;
    expect(state.is(State::kIdle), "the first state");
    for (const State next :
         {State::kStarting, State::kPreparing, State::kRunning, State::kDraining, State::kPausing,
          State::kStarting, State::kPreparing, State::kDraining, State::kFinished}) {
      state.enter(next);
      expect(state.is(next) && state.get() == next, kNames[static_cast<unsigned>(next)]);
    }
  });

  test("A transition that is not in the table ends a test build", [] {
    const pid_t child = fork();
    if (child == 0) {
      CurrentState state;
      state.enter(State::kRunning);
      _exit(0);
    }
    int status = 0;
    expect_equal(waitpid(child, &status, 0), child);
    expect(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "an end at the transition");
  });

  test("Input waits only for a program that is still to be started", [] {
    constexpr bool kAwaits[kStates] = {true, true, true, false, false, true, false};
    for (unsigned i = 0; i < kStates; ++i)
      expect_equal(awaits_program(static_cast<State>(i)), kAwaits[i], kNames[i]);
  });
  return result();
}
