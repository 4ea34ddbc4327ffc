// What a process gives up before it touches the files of a container.
#pragma once

#include "../base/result.h"

namespace caisson::archive {

// All rights but those over files, and all system calls but those for files. `reads_layers`: it
// reads the attributes of overlayfs instead of changing files.
Status confine_view(bool reads_layers);

}  // namespace caisson::archive
