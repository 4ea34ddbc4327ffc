// Sockets that have ports of the host.
#pragma once

#include "../base/forwarded_port.h"
#include "host_machine.h"

namespace caisson {

// How a port is bound.
enum class Bind : uint8_t {
  // No socket listens there: it keeps the port from others.
  kKeep,
  // For a program that will bind it in the same way, as is usual: connections that have ended
  // (TIME_WAIT) do not keep it from the port.
  kTry,
  // As kTry; a socket of TCP listens.
  kListen,
};

// Waits until `end` for a port that another socket has. Without SCTP in the kernel there is none.
Result<UniqueFd> bind_port(const PortAddress& port, Bind how, const Canceller& canceller,
                           uint64_t end);

// When a step that binds ports gives up: a container that has ended gives its ports back when its
// teardown is over.
uint64_t end_of_patience();

// The same error with the line of the port, such as "0.0.0.0:80/tcp", of the step's first text.
Error port_error(Error error, Machine& machine, const Step& step, uint32_t index);

}  // namespace caisson
