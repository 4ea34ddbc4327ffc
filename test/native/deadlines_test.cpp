// The supervisor's deadlines: which one is next, which are due, and how long poll(2) may wait.
#include "../../cpp/supervisor/deadlines.h"

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

constexpr uint64_t kNever = Deadlines::kNever, kMs = 1'000'000;
constexpr unsigned kCount = static_cast<unsigned>(Deadline::kCount);

Deadline nth(unsigned i) {
  return static_cast<Deadline>(i);
}

}  // namespace

int main() {
  test("No deadline is set at first", [] {
    const Deadlines deadlines;
    expect_equal(deadlines.next(), kNever);
    for (unsigned i = 0; i < kCount; ++i) {
      expect(!deadlines.is_set(nth(i)), "no deadline " + std::to_string(i));
      expect(!deadlines.due(nth(i), UINT64_MAX), "deadline " + std::to_string(i) + " not due");
    }
  });

  test("Each deadline is set and cleared separately", [] {
    for (unsigned i = 0; i < kCount; ++i) {
      Deadlines deadlines;
      deadlines.set(nth(i), 7);
      for (unsigned j = 0; j < kCount; ++j)
        expect_equal(deadlines.at(nth(j)), j == i ? 7 : kNever);
      expect_equal(deadlines.next(), uint64_t{7});
      deadlines.clear(nth(i));
      expect_equal(deadlines.next(), kNever);
    }
  });

  test("The earliest deadline is next, wherever it is in the table", [] {
    for (unsigned first = 0; first < kCount; ++first) {
      Deadlines deadlines;
      for (unsigned i = 0; i < kCount; ++i)
        deadlines.set(nth(i), 1000 + (i + kCount - first) % kCount);
      for (unsigned i = 0; i < kCount; ++i) {
        expect_equal(deadlines.next(), uint64_t{1000} + i);
        deadlines.clear(nth((first + i) % kCount));
      }
      expect_equal(deadlines.next(), kNever);
    }
  });

  test("A deadline whose condition does not hold is passed over and stays set", [] {
    Deadlines deadlines;
    deadlines.set(Deadline::kLateOutput, 10);
    deadlines.set(Deadline::kKill, 20);
    const auto without_output = [](Deadline which) { return which != Deadline::kLateOutput; };
    expect_equal(deadlines.next(without_output), uint64_t{20});
    expect_equal(deadlines.next([](Deadline) { return false; }), kNever);
    deadlines.clear(Deadline::kKill);
    expect_equal(deadlines.next(without_output), kNever);
    expect_equal(deadlines.next(), uint64_t{10});
  });

  test("A deadline is due from its time on, and is taken once", [] {
    const struct {
      uint64_t at, now;
      bool due;
    } cases[] = {
        {kNever, 0, false},
        {kNever, 1, false},
        {kNever, UINT64_MAX, false},
        {1000, 0, false},
        {1000, 999, false},
        {1000, 1000, true},
        {1000, 1001, true},
        {1000, UINT64_MAX, true},
        {UINT64_MAX, UINT64_MAX - 1, false},
        {UINT64_MAX, UINT64_MAX, true},
    };
    for (const auto& one : cases) {
      Deadlines deadlines;
      deadlines.set(Deadline::kKill, one.at);
      deadlines.set(Deadline::kRestart, 1);
      const std::string what = std::to_string(one.at) + " at " + std::to_string(one.now);
      expect_equal(deadlines.due(Deadline::kKill, one.now), one.due, what);
      expect_equal(deadlines.at(Deadline::kKill), one.at, what + ", asked only");
      expect_equal(deadlines.take_due(Deadline::kKill, one.now), one.due, what + ", taken");
      expect_equal(deadlines.at(Deadline::kKill), one.due ? kNever : one.at, what + ", after it");
      expect(!deadlines.take_due(Deadline::kKill, one.now), what + ": only once");
      expect(deadlines.is_set(Deadline::kRestart), "the other deadline to be left alone");
    }
  });

  test("Setting a deadline again moves it", [] {
    Deadlines deadlines;
    deadlines.set(Deadline::kLateOutput, 10);
    deadlines.set(Deadline::kLateOutput, 30);
    expect(!deadlines.due(Deadline::kLateOutput, 20), "the later time to count");
    deadlines.set(Deadline::kLateOutput, 5);
    expect(deadlines.due(Deadline::kLateOutput, 20), "the earlier time to count");
    deadlines.set(Deadline::kLateOutput, kNever);
    expect(!deadlines.is_set(Deadline::kLateOutput), "no deadline");
  });

  test(
      "The timeout of poll(2) lasts until the deadline is due, never shorter and at most a "
      "millisecond longer",
      [] {
        const struct {
          uint64_t deadline, now;
          int milliseconds;
        } cases[] = {
            {kNever, 0, -1},
            {kNever, UINT64_MAX, -1},
            {5 * kMs, 5 * kMs, 0},
            {5 * kMs, 6 * kMs, 0},
            {1, UINT64_MAX, 0},
            {5 * kMs, 5 * kMs - 1, 1},
            {5 * kMs, 4 * kMs + 1, 1},
            {5 * kMs, 4 * kMs, 2},
            {100 * kMs + 1, kMs, 100},
            {60'000 * kMs, 1, 60'000},
            {(uint64_t{INT32_MAX} - 1) * kMs + 1, 1, INT32_MAX},
            {uint64_t{INT32_MAX} * kMs + 1, 1, INT32_MAX},
            {UINT64_MAX, 0, INT32_MAX},
        };
        for (const auto& one : cases)
          expect_equal(poll_timeout(one.deadline, one.now), one.milliseconds,
                       std::to_string(one.deadline) + " at " + std::to_string(one.now));
        for (uint64_t now = 1; now < 3 * kMs; now += 997) {
          const uint64_t after = now + static_cast<uint64_t>(poll_timeout(3 * kMs, now)) * kMs;
          expect(after >= 3 * kMs && after <= 4 * kMs, std::to_string(after));
        }
      });
  return result();
}
