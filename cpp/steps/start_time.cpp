#include "start_time.h"

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr int kStartTime = 22;

}  // namespace

// The second field may contain anything, parentheses and spaces too.
Result<uint64_t> read_start_time(int stat) {
  char text[1024];
  const long size = sys::call(__NR_read, stat, text, sizeof text - 1);
  if (size < 0) return failure(size, "read");
  text[size] = '\0';
  const char* at = text;
  for (const char* c = text; *c != '\0'; ++c)
    if (*c == ')') at = c + 1;
  for (int field = 2; field < kStartTime && *at != '\0'; ++at)
    if (*at == ' ') ++field;
  uint64_t time = 0;
  if (!parse_number(at, time)) return failure(-EINVAL, "read");
  return static_cast<uint64_t&&>(time);
}

}  // namespace caisson
