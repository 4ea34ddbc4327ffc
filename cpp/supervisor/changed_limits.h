// Limits that `update` has changed since the launch program was compiled: files of the container's
// cgroups and what is written into them, for each run to come.
#pragma once

#include <stddef.h>

#include "cpu_budget.h"

namespace caisson {

class ChangedLimits {
 public:
  // `texts` are pairs of a path and a value, each text with a NUL at its end. A value replaces an
  // older one of the same file. 0, or a negated errno: EINVAL for something else than pairs, E2BIG
  // when there is no room.
  long add(const char* texts, size_t size);
  // Writes all of them. A file that is not there is passed over.
  void apply() const;
  // Tells the budget of those that concern it.
  void note(CpuBudget& budget) const;

 private:
  void forget(const char* path);

  size_t size_ = 0;
  char pairs_[16u << 10];  // path, value, path …
};

}  // namespace caisson
