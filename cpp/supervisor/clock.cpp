#include "clock.h"

#include "../base/sys.h"

namespace caisson {
namespace {

constexpr int64_t kDay = 86400;

void put(char*& to, int64_t number, int digits) {
  for (int i = digits - 1; i >= 0; --i, number /= 10)
    to[i] = static_cast<char>('0' + number % 10);
  to += digits;
}

}  // namespace

WallTime wall_time() {
  WallTime time;
  sys::call(__NR_clock_gettime, CLOCK_REALTIME, &time);
  return time;
}

// Converts days to a date of the proleptic Gregorian calendar, with years that begin in March.
void format_time(WallTime time, char (&to)[kTimeSize]) {
  const int64_t days = time.seconds / kDay, rest = time.seconds % kDay;
  const int64_t shifted = days + 719468;  // days from 0000-03-01 to 1970-01-01
  const int64_t era = shifted / 146097, day_of_era = shifted % 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  char* at = to;
  const auto mark = [&at](char c) { *at++ = c; };
  put(at, year, 4);
  mark('-');
  put(at, month, 2);
  mark('-');
  put(at, day, 2);
  mark('T');
  put(at, rest / 3600, 2);
  mark(':');
  put(at, rest / 60 % 60, 2);
  mark(':');
  put(at, rest % 60, 2);
  mark('.');
  put(at, time.nanoseconds, 9);
  mark('Z');
  mark('\0');
}

}  // namespace caisson
