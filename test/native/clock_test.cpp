// Formatted times, compared with known dates and with gmtime_r(3).
#include "../../cpp/supervisor/clock.h"

#include <time.h>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

std::string format(int64_t seconds, int64_t nanoseconds = 0) {
  char text[kTimeSize];
  format_time({seconds, nanoseconds}, text);
  return text;
}

std::string reference(time_t seconds) {
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000000Z", &parts);
  return text;
}

}  // namespace

int main() {
  test("Known dates are formatted", [] {
    expect_equal(format(0), std::string("1970-01-01T00:00:00.000000000Z"));
    expect_equal(format(951782400), std::string("2000-02-29T00:00:00.000000000Z"));
    expect_equal(format(951868800), std::string("2000-03-01T00:00:00.000000000Z"));
    expect_equal(format(1767225599, 999999999), std::string("2025-12-31T23:59:59.999999999Z"));
    expect_equal(format(2147483648), std::string("2038-01-19T03:14:08.000000000Z"));
    expect_equal(format(4107542399), std::string("2100-02-28T23:59:59.000000000Z"));
    expect_equal(format(4107542400), std::string("2100-03-01T00:00:00.000000000Z"));
    expect_equal(format(253402300799), std::string("9999-12-31T23:59:59.000000000Z"));
  });

  test("The first and last second of each day in 800 years are formatted as by gmtime_r", [] {
    for (int64_t day = 0; day < int64_t{800} * 366; ++day)
      for (const int64_t second : {day * 86400, day * 86400 + 86399})
        expect_equal(format(second), reference(second));
  });

  test("Nanoseconds have nine digits", [] {
    expect_equal(format(1, 7), std::string("1970-01-01T00:00:01.000000007Z"));
    expect_equal(format(1, 120000000), std::string("1970-01-01T00:00:01.120000000Z"));
  });

  test("The wall time is the time of time(2)", [] {
    const time_t before = time(nullptr);
    const WallTime now = wall_time();
    expect(now.seconds >= before && now.seconds <= time(nullptr), "the time of time(2)");
    expect(now.nanoseconds >= 0 && now.nanoseconds < 1000000000, "nanoseconds below a second");
  });
  return result();
}
