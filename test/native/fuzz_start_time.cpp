// /proc/<pid>/stat has the name that a program gave itself: whatever it is, the start time is the
// field that proc_pid_stat(5) says.
#include <unistd.h>

#include <algorithm>

#include "../../cpp/steps/start_time.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

// The same by other means; nothing where there is no number, or one that 64 bits do not hold.
std::optional<uint64_t> expected(std::string text) {
  text = text.substr(0, 1023).c_str();
  size_t at = text.rfind(')') + 1;  // 0 without one
  for (int field = 2; field < 22; ++field) {
    at = text.find(' ', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  unsigned __int128 number = 0;
  size_t digits = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
    number = number * 10 + static_cast<unsigned>(text[at] - '0');
    if (number > UINT64_MAX) return std::nullopt;
  }
  if (digits == 0) return std::nullopt;
  return static_cast<uint64_t>(number);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto pipe_ends = [] {
    int both[2];
    require(pipe(both) == 0);
    return std::pair{both[0], both[1]};
  }();
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data), std::min(size, size_t{1023}));
  require(write(pipe_ends.second, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  auto began = read_start_time(pipe_ends.first);
  const auto should = expected(text);
  require(began.ok() == should.has_value());
  require(!should || began.value() == *should);
  return 0;
}
