// Addresses that no name server on the internet has a reason to answer with: those of this machine,
// of networks behind it, and of groups.
#pragma once

#include "address.h"

namespace caisson {

bool is_special(const Address& address);

}  // namespace caisson
