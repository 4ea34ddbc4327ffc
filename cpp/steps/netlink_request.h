// netlink.request, in every phase.
#pragma once

#include "../base/netlink.h"
#include "../base/result.h"
#include "../program/program.h"

namespace caisson {

// Sends the request of the step. The error has no object: `refusal` tells the message.
Status request_netlink(const Program& program, const Step& step, int namespace_fd,
                       NetlinkRefusal& refusal, int agent = -1);

// netlink.save, of a teardown: writes what the kernel has into a file, as it is. Without it the
// file is gone: what it had was another run's.
Status save_netlink(const Program& program, const Step& step, int agent = -1);

}  // namespace caisson
