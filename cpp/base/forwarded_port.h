// What a forwarder is asked for over its channel, a SOCK_SEQPACKET pair: the process that forwards
// what comes to published ports of the host into the shared network of a rootless user
// (docs/decisions/0025-published-ports-of-rootless-users.md).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fd_message.h"

namespace caisson {

// lib/network/firewall/port-bindings.ts writes them.
struct PortAddress {
  uint8_t protocol;  // IPPROTO_*
  uint8_t version;   // 4, 6
  uint16_t port;     // in network byte order
  uint8_t address[16];
};
static_assert(sizeof(PortAddress) == 20);

// One port: what is bound on the host, and where in the container it leads; nowhere with the
// version 0.
struct ForwardedPort {
  PortAddress from, to;
};

enum class ForwardTask : uint32_t {
  // Further ports, and a bound socket for each, which listens if it is one of TCP.
  kAdd = 1,
  // There is no container at present: connections end, and new ones are reset.
  kPause = 2,
  kResume = 3,
  // The networks of the container have changed: no port leads anywhere, until it is said again
  // where to.
  kClear = 4,
  kLead = 5,
};

struct ForwardRequest {
  ForwardTask task;
  uint32_t count;
  ForwardedPort ports[kMaxPassedFds];
};

constexpr size_t request_size(uint32_t count) {
  return offsetof(ForwardRequest, ports) + count * sizeof(ForwardedPort);
}

// The answer is an errno, or 0. A forwarder ends with its channel, and gives up its ports before
// its end of it is closed.
using ForwardAnswer = int32_t;

}  // namespace caisson
