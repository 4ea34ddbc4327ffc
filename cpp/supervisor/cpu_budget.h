// How much processor time this process may spend on a container's output. A container with a limit
// of processor time (cpu.max, cpu.cfs_quota_us) could otherwise make the supervisor work without a
// limit: two bytes of output are seventy bytes of log. The output gets as much time as the
// container itself. While none is left, the output is not read, and the full pipe holds the
// container back.
#pragma once

#include <stdint.h>

namespace caisson {

class CpuBudget {
 public:
  // There is no limit until `note` is told of one.
  void clear();
  // Tells of a file of the container's cgroup and of the value that is written into it. Files that
  // do not set this limit are ignored.
  void note(const char* path, const char* value);

  // One thread cannot use more than one processor.
  bool limited() const { return quota_ > 0 && quota_ < period_; }
  // Whether some time is left. `now` is monotonic, in nanoseconds.
  bool left(uint64_t now);
  // When some time will be left; 0: it is already.
  uint64_t again_at() const;
  // The work for the output took so many nanoseconds of processor time.
  void spend(uint64_t cost) { left_ -= static_cast<int64_t>(cost); }

 private:
  int64_t share(uint64_t time) const;

  uint64_t quota_ = 0, period_ = 100'000;  // microseconds; no quota: 0
  int64_t left_ = 0;                       // nanoseconds; below 0: overspent, to be waited for
  uint64_t filled_at_ = 0;
};

}  // namespace caisson
