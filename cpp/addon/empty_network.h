// A network namespace for programs that need no network.
#pragma once

#include <napi.h>

namespace caisson {

// emptyNetwork() → a descriptor that this process keeps, of a network namespace with nothing in it;
// or a negated errno. One for all such programs, as making and removing one takes the kernel longer
// than all other namespaces together.
Napi::Value empty_network(const Napi::CallbackInfo& info);

}  // namespace caisson
