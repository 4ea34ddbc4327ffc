// Wall-clock time, and its format in logs, states and events.
#pragma once

#include <stdint.h>

#include "../base/text.h"

namespace caisson {

struct WallTime {
  int64_t seconds = 0;  // since 1970, UTC
  int64_t nanoseconds = 0;
};

WallTime wall_time();

constexpr size_t kTimeSize = 31;  // with NUL
// "2026-01-31T23:59:59.000000000Z", RFC 3339.
void format_time(WallTime time, char (&to)[kTimeSize]);

}  // namespace caisson
