#include "deadlines.h"

namespace caisson {

bool Deadlines::take_due(Deadline which, uint64_t now) {
  if (!due(which, now)) return false;
  clear(which);
  return true;
}

int poll_timeout(uint64_t deadline, uint64_t now) {
  constexpr uint64_t kMillisecond = 1'000'000;
  constexpr uint64_t kLongest = INT32_MAX;  // 24 days; the loop waits once more then
  if (deadline == Deadlines::kNever) return -1;
  if (deadline <= now) return 0;
  const uint64_t milliseconds = (deadline - now) / kMillisecond + 1;
  return static_cast<int>(milliseconds < kLongest ? milliseconds : kLongest);
}

}  // namespace caisson
