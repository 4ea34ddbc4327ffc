// How much processor time this process spends on a container's output. A container with a limit of
// processor time (cpu.max, cpu.cfs_quota_us) could otherwise have the supervisor work for it
// without one: two bytes of output are seventy of log. Its output gets as much as the container
// itself has. While none is left, output is not read, and the pipe holds the container back.
#pragma once

#include <stdint.h>

namespace caisson {

class CpuBudget {
 public:
  // No limit until `note` has seen one.
  void clear();
  // A file of the container's cgroup, and what is written into it. Others than those of the limit
  // are ignored.
  void note(const char* path, const char* value);

  // One thread cannot use more than one processor.
  bool limited() const { return quota_ > 0 && quota_ < period_; }
  // Whether there is some left. `now` is monotonic, in nanoseconds.
  bool left(uint64_t now);
  // When there will be.
  uint64_t again_at() const;
  // What was done for the output cost so many nanoseconds.
  void spend(uint64_t cost) { left_ -= static_cast<int64_t>(cost); }

 private:
  int64_t share(uint64_t time) const;

  uint64_t quota_ = 0, period_ = 100'000;  // microseconds; no quota: 0
  int64_t left_ = 0;                       // nanoseconds; below 0 what is to be waited for
  uint64_t filled_at_ = 0;
};

}  // namespace caisson
