// What the broker tells its worker, as SOCK_SEQPACKET messages. The worker says nothing.
#pragma once

#include "registration.h"

namespace caisson {

enum class ChannelKind : uint32_t {
  // A registration follows. With two descriptors, which are a UDP socket and a TCP socket that
  // listens, the slot is a new container's; without, its names have changed.
  kSet,
  kClear,
};

struct ChannelHead {
  ChannelKind kind;
  uint32_t slot;
};

struct ChannelMessage {
  ChannelHead head;
  uint8_t registration[kMaxRegistration];
};

}  // namespace caisson
