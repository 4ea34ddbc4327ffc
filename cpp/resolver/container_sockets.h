// The sockets of a container's name server, in its network namespace.
#pragma once

#include <stdint.h>

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

struct ContainerSockets {
  UniqueFd datagrams, listener;
};

// Both are bound to this port of 127.0.0.11; the loopback interface is up afterwards. A process of
// the container that listens on that port of all addresses is in the way, by TCP always, by UDP if
// it does not set SO_REUSEADDR (EADDRINUSE). `own` is this process's network namespace, to which it
// returns; EINVAL if the process of the pidfd has none of its own.
Status open_in_container(int pidfd, int own, uint16_t port, ContainerSockets& sockets);

}  // namespace caisson
