// What a file of a view is.
#pragma once

#include "view.h"

namespace caisson::archive {

// Writes words, each ended by a zero byte: mode, uid, gid, size, seconds and nanoseconds of the
// modification time; of a link what is in it and the path where it leads, which is empty if that
// does not exist. Links are followed up to the last component, and that too if `follow` is set or
// the path ends with a slash.
Status stat_file(View& view, const char* path, bool follow, int output);

}  // namespace caisson::archive
