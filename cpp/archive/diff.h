// What a container has changed, from its layer for writes and what is below it.
#pragma once

#include <set>
#include <string>

#include "view.h"

namespace caisson::archive {

// What is told of changes: a letter (A, C, D), the path from the root, and the file, which is -1
// for what was removed. Directories come before what is in them.
class Changes {
 public:
  virtual ~Changes() = default;
  virtual Status change(char kind, const std::string& path, int file) = 0;
};

// A file that was only copied up is no change, as with Docker. `hidden`: paths that the engine
// makes for its mounts, which are told only if they were there before.
Status compare(View& view, const std::set<std::string>& hidden, Changes& changes);

// Each change as a letter (A, C, D), its path from the root and a zero byte.
Status diff(View& view, const std::set<std::string>& hidden, int output);

}  // namespace caisson::archive
