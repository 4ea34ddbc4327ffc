// What a container has changed, from its layer for writes and what is below it.
#pragma once

#include <set>
#include <string>

#include "view.h"

namespace caisson::archive {

// Each change as a letter (A, C, D), its path from the root and a zero byte; directories before
// what is in them. A file that was only copied up is no change, as with Docker. `hidden`: paths
// that the engine makes for its mounts.
Status diff(View& view, const std::set<std::string>& hidden, int output);

}  // namespace caisson::archive
