#include "changed_limits.h"

#include "../base/kernel.h"
#include "../base/text.h"
#include "../base/unique_fd.h"

namespace caisson {
namespace {

struct Pair {
  const char* path;
  const char* value;
  size_t size;  // of both, with their NULs
};

Pair pair_at(const char* texts) {
  const size_t path_size = length(texts) + 1;
  const char* value = texts + path_size;
  return {texts, value, path_size + length(value) + 1};
}

}  // namespace

long ChangedLimits::add(const char* texts, size_t size) {
  size_t count = 0;
  for (size_t i = 0; i < size; ++i)
    if (texts[i] == '\0') ++count;
  if (size == 0 || texts[size - 1] != '\0' || count % 2 != 0) return -EINVAL;
  for (size_t at = 0; at < size;) {
    const Pair pair = pair_at(texts + at);
    forget(pair.path);
    if (pair.size > sizeof pairs_ - size_) return -E2BIG;
    __builtin_memcpy(pairs_ + size_, pair.path, pair.size);
    size_ += pair.size;
    at += pair.size;
  }
  return 0;
}

void ChangedLimits::forget(const char* path) {
  for (size_t at = 0; at < size_;) {
    const Pair pair = pair_at(pairs_ + at);
    if (!equal(pair.path, path)) {
      at += pair.size;
      continue;
    }
    for (size_t i = at + pair.size; i < size_; ++i)
      pairs_[i - pair.size] = pairs_[i];
    size_ -= pair.size;
  }
}

// Twice: of two limits that depend on each other the first may fit only after the second.
void ChangedLimits::apply() const {
  for (int round = 0; round < 2; ++round)
    for (size_t at = 0; at < size_;) {
      const Pair pair = pair_at(pairs_ + at);
      at += pair.size;
      const UniqueFd file(
          static_cast<int>(sys::call(__NR_openat, AT_FDCWD, pair.path, O_WRONLY | O_CLOEXEC)));
      if (file.valid()) sys::call(__NR_write, file.get(), pair.value, length(pair.value));
    }
}

void ChangedLimits::note(CpuBudget& budget) const {
  for (size_t at = 0; at < size_;) {
    const Pair pair = pair_at(pairs_ + at);
    at += pair.size;
    budget.note(pair.path, pair.value);
  }
}

}  // namespace caisson
