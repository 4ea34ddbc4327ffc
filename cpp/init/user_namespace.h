#pragma once

#include <stdint.h>

#include "../base/unique_fd.h"

namespace caisson {

// For a rootless user: moves this process into a user and a mount namespace of its own (or into the
// user namespace of the process `joined`, and a mount namespace of its own), in which it may do
// what root does on the host, writes its pid (or a negated errno) into the stream `channel`, and
// waits there for a byte that says that its ids are mapped (lib/host/user-namespace-ids.ts). False
// when it is not in there, or the ids were not mapped.
bool enter_user_namespace(int channel, uint32_t joined = 0);

// The same with a user namespace below that of `holder`, which has all of its ids, and a network
// agent in the network namespace of `holder` (agent/network_agent.h). This process stays in its
// own network namespace. EXDEV: that of `joined` is not below that of `holder`.
bool enter_user_namespace_below(int channel, uint32_t holder, uint32_t joined, int init_fd,
                                UniqueFd& agent);

}  // namespace caisson
