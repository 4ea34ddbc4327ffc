#pragma once

#include "result.h"

namespace caisson {

// Makes the detached mount the root and the working directory of this process, which has a mount
// namespace of its own; nothing else is mounted there afterwards.
Status replace_root(int mount);

}  // namespace caisson
