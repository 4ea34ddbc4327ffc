// The process that forwards what comes to the published ports of one container of a rootless user
// (base/forwarded_port.h).
#pragma once

#include <stdint.h>

namespace caisson {

// The most ports of one container, each in two families (lib/engine/options/ports.ts).
constexpr uint32_t kMostForwardedPorts = 8192;

// This process is in the shared network of the user. Descriptors but the channel are closed.
[[noreturn]] void run_forwarder(int channel, uint32_t ports);

}  // namespace caisson
