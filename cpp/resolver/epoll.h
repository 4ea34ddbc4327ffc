// What the worker waits for.
#pragma once

#include "../base/event_set.h"

namespace caisson {

enum class Source : uint32_t { kChannel, kDatagrams, kListener, kConnection, kUpstream };

using Epoll = EventSet<Source>;
using SourceEvent = Epoll::Event;

}  // namespace caisson
