// The points in time at which the supervisor has something to do, by name. They know no clock: all
// times are the caller's, monotonic and in nanoseconds.
#pragma once

#include <stdint.h>

namespace caisson {

enum class Deadline : uint8_t {
  kRestart,      // the pause before the next run is over
  kKill,         // a stop has not ended the program in time: SIGKILL follows
  kLateOutput,   // output that outlives the program is waited for until then
  kSlowClients,  // clients that do not read hold up a stopped container until then
  kFlushLog,     // a line that is not finished is written to the log
  kHealthCheck,  // the health check starts, or has taken too long
  kForwarder,    // the forwarder of published ports was killed, and another one is started
  kCpuBudget,    // there is processor time for output again
  kCount,
};

class Deadlines {
 public:
  static constexpr uint64_t kNever = 0;

  // `at` may be kNever.
  void set(Deadline which, uint64_t at) { at_[index(which)] = at; }
  void clear(Deadline which) { set(which, kNever); }
  uint64_t at(Deadline which) const { return at_[index(which)]; }
  bool is_set(Deadline which) const { return at(which) != kNever; }

  // True from the deadline on, until it is set anew or cleared.
  bool due(Deadline which, uint64_t now) const { return is_set(which) && now >= at(which); }
  // The same, and clears a deadline that is due.
  bool take_due(Deadline which, uint64_t now);

  // The earliest deadline for which `wakes` is true, or kNever: a deadline whose condition does not
  // hold at present stays set without waking the loop.
  template <class Wakes>
  uint64_t next(Wakes wakes) const {
    uint64_t earliest = kNever;
    for (unsigned i = 0; i < kCount; ++i)
      if (at_[i] != kNever && (earliest == kNever || at_[i] < earliest) &&
          wakes(static_cast<Deadline>(i)))
        earliest = at_[i];
    return earliest;
  }
  uint64_t next() const {
    return next([](Deadline) { return true; });
  }

 private:
  static constexpr unsigned kCount = static_cast<unsigned>(Deadline::kCount);
  static constexpr unsigned index(Deadline which) { return static_cast<unsigned>(which); }

  uint64_t at_[kCount] = {};
};

// How long poll(2) may wait for a deadline: milliseconds, rounded up so that the deadline is due
// afterwards; -1 for kNever.
int poll_timeout(uint64_t deadline, uint64_t now);

}  // namespace caisson
