// For tests of what may be left open.
#pragma once

#include <dirent.h>

namespace caisson::testing {

// How many this process has, and some more, which are always the same.
inline int open_descriptors() {
  DIR* directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr)
    ++count;
  closedir(directory);
  return count;
}

}  // namespace caisson::testing
