// The processor time that a container's output may take: which limit applies, and when time is
// left.
#include "../../cpp/supervisor/cpu_budget.h"

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

constexpr uint64_t kMs = 1'000'000;

}  // namespace

int main() {
  test("There is no limit until one is set, and none for a whole processor or more", [] {
    CpuBudget budget;
    expect(!budget.limited() && budget.left(1), "no limit");
    budget.note("/cgroup/a/memory.max", "1000");
    budget.note("/cgroup/a/cpu.max", "max 100000");
    expect(!budget.limited(), "no limit of processor time");
    budget.note("/cgroup/a/cpu.max", "200000 100000");
    expect(!budget.limited(), "two processors");
    budget.note("/cgroup/a/cpu.cfs_quota_us", "-1");
    expect(!budget.limited(), "none on v1");
    budget.note("/cgroup/a/cpu.max", "5000 100000");
    expect(budget.limited(), "a twentieth");
    budget.note("/cgroup/a/cpu.max", "max");
    expect(!budget.limited(), "taken away");
    budget.note("/cgroup/a/cpu.cfs_quota_us", "5000");
    expect(budget.limited(), "a twentieth on v1");
    budget.clear();
    expect(!budget.limited(), "forgotten");
  });

  test("Time that is spent above the share is waited for", [] {
    CpuBudget budget;
    budget.note("cpu.cfs_period_us", "50000");
    budget.note("cpu.cfs_quota_us", "5000");  // a tenth
    uint64_t now = 1000 * kMs;
    expect(budget.left(now), "full at first");
    budget.spend(10 * kMs);
    expect(!budget.left(now), "a tick's share is spent");
    budget.spend(5 * kMs);
    const uint64_t again = budget.again_at();
    expect(again >= now + 50 * kMs && again <= now + 51 * kMs, std::to_string(again - now));
    expect(!budget.left(again - kMs), "not before");
    expect(budget.left(again), "and then");
  });

  test("Over a long time the share is met, and no more than one tick is saved up", [] {
    for (const char* limit : {"1000 100000", "5000 100000", "50000 100000", "1000 1000000"}) {
      CpuBudget budget;
      budget.note("cpu.max", limit);
      uint64_t now = uint64_t{1} << 50, spent = 0;
      for (const uint64_t end = now + 100'000 * kMs; now < end;) {
        if (budget.left(now)) {
          budget.spend(3 * kMs);
          spent += 3 * kMs;
          now += 3 * kMs;
        } else {
          now = budget.again_at();
        }
      }
      const char* text = limit;
      const auto quota = std::stoull(text);
      const auto period = std::stoull(std::string(text).substr(std::string(text).find(' ')));
      const double share = static_cast<double>(spent) / (100'000.0 * kMs);
      const double wanted = static_cast<double>(quota) / static_cast<double>(period);
      expect(share < wanted * 1.05 + 0.0001 && share > wanted * 0.9, std::to_string(share));
      budget.left(now += uint64_t{1} << 60);
      budget.spend(100 * kMs);
      expect(!budget.left(now), "no more than a tick's");
    }
  });
  return result();
}
