// The process that holds the shared network of a rootless user.
#pragma once

#include <stdint.h>

namespace caisson {

// What has become of it, on the pipe that it was given.
struct HolderMessage {
  int32_t number;  // an errno, or 0
  char call[32];
  char object[64];
};

// In a new network namespace, which forwards packets; or in `network`, whose holder was killed. It
// ends when `alive` in the directory is not open for writing any more.
[[noreturn]] void hold_user_network(const char* directory, int ready, int network = -1);

}  // namespace caisson
