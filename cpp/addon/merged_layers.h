// The layers of an overlay, looked into without a mount: as overlay merges them.
#pragma once

#include <string>
#include <vector>

#include "../steps/regular_file.h"

namespace caisson {

// The file at `path` of the merged layers, the first of which is on top: whiteouts and opaque
// directories hide what is below them, and links lead to what the merged layers have. Otherwise as
// open_regular.
Result<RegularFile> open_merged(const std::vector<std::string>& layers, const std::string& path,
                                int own_descriptors, uint64_t limit);

}  // namespace caisson
