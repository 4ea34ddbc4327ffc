// What a forwarder waits for.
#pragma once

#include "../base/event_set.h"

namespace caisson {

enum class ForwardSource : uint32_t {
  kChannel,    // of the supervisor
  kListeners,  // a set of its own, with kListener alone: all of them can be left out at once
  kListener,
  kClient,     // a connection's
  kContainer,  // a connection's
  kDatagrams,  // a port of UDP
  kFlow,       // a flow's, to the container
};

using ForwardEvents = EventSet<ForwardSource>;

}  // namespace caisson
