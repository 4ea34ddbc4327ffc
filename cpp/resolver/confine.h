// What the worker gives up before it reads anything: bytes of containers and of name servers are
// parsed by a process that can do nothing else.
#pragma once

#include "../base/result.h"

namespace caisson {

// The process is the first one of new pid, mount, IPC, UTS and cgroup namespaces, and stays in the
// host's network namespace, as name servers may listen on the host's loopback interface. Afterwards
// it has an empty read-only root, no user of the host's, no capabilities, and a filter that allows
// it to use its sockets and to make others of AF_INET and AF_INET6.
Status confine_worker();

}  // namespace caisson
