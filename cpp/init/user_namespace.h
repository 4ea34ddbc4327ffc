#pragma once

#include <stdint.h>

#include "../base/unique_fd.h"
#include "../program/instruction.h"

namespace caisson {

// For a rootless user: moves this process into a user and a mount namespace of its own (or into the
// user namespace of the process `joined`, and a mount namespace of its own), in which it may do
// what root does on the host, writes its pid (or a negated errno) into the stream `channel`, and
// waits there for a byte that says that its ids are mapped (lib/host/user-namespace-ids.ts). False
// when it is not in there, or the ids were not mapped.
bool enter_user_namespace(int channel, uint32_t joined = 0);

// In place of one of its steps, in debug builds (`phase: 'agent'` of lib/program/encode.ts); each
// of them has a number, in this order.
enum class AgentStep : uint16_t {
  kOpenHolder,
  kEnterUsers,  // the user namespace of the holder
  kSocket,
  kFork,
  kEnterNetwork,  // the agent
  kOwnNamespace,  // a user namespace of its own, or that of `joined`
  kMapIds,
};
#ifdef CAISSON_FAULTS
struct AgentFault {
  explicit AgentFault(const Header& header)
      : step(header.fault_phase == 3 ? header.fault_step : 0xffff),
        action(static_cast<Fault>(header.fault_action)) {}
  // A negated errno, or 0. It may kill the process.
  long at(AgentStep which) const;

  uint16_t step;
  Fault action;
};
#else
struct AgentFault {
  explicit AgentFault(const Header&) {}
  static long at(AgentStep) { return 0; }
};
#endif

// The same with a user namespace below that of `holder`, which has all of its ids, and a network
// agent in the network namespace of `holder` (agent/network_agent.h). This process stays in its
// own network namespace. EXDEV: that of `joined` is not below that of `holder`.
bool enter_user_namespace_below(int channel, uint32_t holder, uint32_t joined, int init_fd,
                                UniqueFd& agent, const AgentFault& fault);

}  // namespace caisson
