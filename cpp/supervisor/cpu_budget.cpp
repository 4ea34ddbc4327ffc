#include "cpu_budget.h"

#include "../base/text.h"

namespace caisson {
namespace {

constexpr uint64_t kTick = 100'000'000;     // ns: unused time is saved up for so long
constexpr uint64_t kLong = 36'000 * kTick;  // an hour

// Whether the last component of a path is this name.
bool is_file(const char* path, const char* name) {
  const char* last = path;
  for (; *path != '\0'; ++path)
    if (*path == '/') last = path + 1;
  return equal(last, name);
}

// A text that is no number ("max", "-1") is no limit: 0.
uint64_t number_at(const char*& text) {
  uint64_t number = 0;
  return parse_number(text, number) ? number : 0;
}

}  // namespace

void CpuBudget::clear() {
  quota_ = 0;
  period_ = 100'000;
}

void CpuBudget::note(const char* path, const char* value) {
  if (is_file(path, "cpu.cfs_quota_us")) {
    quota_ = number_at(value);
  } else if (is_file(path, "cpu.cfs_period_us")) {
    if (const uint64_t period = number_at(value); period > 0) period_ = period;
  } else if (is_file(path, "cpu.max")) {
    quota_ = number_at(value);
    if (quota_ == 0) return;
    if (*value == ' ') ++value;
    if (const uint64_t period = number_at(value); period > 0) period_ = period;
  }
}

// The container's share of `time`; both in nanoseconds.
int64_t CpuBudget::share(uint64_t time) const {
  return static_cast<int64_t>(time / 1000 * quota_ / period_ * 1000);
}

bool CpuBudget::left(uint64_t now) {
  if (!limited()) return true;
  const uint64_t passed = now - filled_at_;
  const int64_t most = share(kTick);
  // After such a long time the budget is full, whatever it was before.
  left_ = filled_at_ == 0 || passed > kLong ? most : left_ + share(passed);
  if (left_ > most) left_ = most;
  filled_at_ = now;
  return left_ > 0;
}

uint64_t CpuBudget::again_at() const {
  if (!limited() || left_ > 0) return 0;
  const uint64_t missing = static_cast<uint64_t>(-left_) / 1000 + 1;  // µs
  return filled_at_ + (missing * period_ / quota_ + 1) * 1000;
}

}  // namespace caisson
