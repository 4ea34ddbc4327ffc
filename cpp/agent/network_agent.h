// The network agent of one client (base/agent_channel.h). It ends with its client.
#pragma once

namespace caisson {

// This process is in the network namespace, and has all rights in the user namespace that owns it.
// `init_fd` is caisson-init, for what the agent starts. Descriptors but these two are closed.
[[noreturn]] void run_network_agent(int channel, int init_fd);

// Enters the user namespace and the network namespace of the process. What has failed, or null.
const char* enter_network_of(int pidfd, long& result);

}  // namespace caisson
