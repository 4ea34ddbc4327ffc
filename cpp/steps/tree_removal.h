// Removing a directory with all that is below it, however deep and whatever a container has put
// there.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

// Removes a directory with all that is below it; a missing one is no error.
Status remove_tree(const char* path);

// The same, a slice at a time.
class TreeRemoval {
 public:
  // Removes at most so many entries. True when there is more to do; else `status` says how it
  // ended.
  bool some(const char* path, size_t most, Status& status);

 private:
  UniqueFd top_;
  uint64_t serial_ = 0;  // of names for what is lifted
};

}  // namespace caisson
