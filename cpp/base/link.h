// Network interfaces of the current network namespace: netdevice(7).
#pragma once

#include "result.h"

namespace caisson {

// Makes an interface ready for packets. It may be ready already.
Status set_link_up(const char* name);

}  // namespace caisson
