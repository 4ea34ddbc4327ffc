#include "request.h"

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson::archive {
namespace {

// 500 layers with paths of 4096 bytes.
constexpr size_t kLargest = 4 << 20;

}  // namespace

Status Request::read(int fd) {
  char part[4096];
  for (;;) {
    const long got = sys::call(__NR_read, fd, part, sizeof part);
    if (got == -EINTR) continue;
    if (got < 0) return failure(got, "read");
    if (got == 0) break;
    if (words_.size() + static_cast<size_t>(got) > kLargest) return Error{E2BIG, "read"};
    words_.append(part, static_cast<size_t>(got));
  }
  if (words_.empty() || words_.back() != '\0') return Error{EINVAL, "read"};
  return {};
}

const char* Request::word() {
  if (at_ >= words_.size()) {
    valid_ = false;
    return "";
  }
  const char* const word = words_.data() + at_;
  at_ = words_.find('\0', at_) + 1;
  return word;
}

uint64_t Request::number() {
  const std::string_view digits = text();
  uint64_t number = 0;
  if (digits.empty() || digits.size() > 19) valid_ = false;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') valid_ = false;
    number = number * 10 + static_cast<uint64_t>(digit - '0');
  }
  return valid_ ? number : 0;
}

}  // namespace caisson::archive
