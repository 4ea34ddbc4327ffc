// A confined process, and the one outside that waits for it.
#pragma once

#include "../tar/refusal.h"
#include "arguments.h"

namespace caisson {

// Runs `work` in a jail with the directory as its root, and returns the exit code of this process,
// which stays outside meanwhile and sets the attribute of directories that become opaque. `work`
// has the descriptors of JailFds, sends a report, and never returns.
int run_confined(const Arguments& arguments, void (*work)(const Arguments&));

}  // namespace caisson
