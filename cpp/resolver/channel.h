// What the broker and its worker tell each other, as SOCK_SEQPACKET messages. The broker trusts
// nothing that the worker says (name_request.h).
#pragma once

#include "registration.h"

namespace caisson {

enum class ChannelKind : uint32_t {
  // A registration follows. With descriptors, which are a UDP socket, a TCP socket that listens,
  // and
  // perhaps one for notices (../base/refusal_notice.h), the slot is a new container's; without, its
  // names have changed.
  kSet,
  kClear,
  // An answer to a request of the worker follows.
  kAnswer,
};

struct ChannelHead {
  ChannelKind kind;
  uint32_t slot;
  uint32_t serial;  // of the container; each that has had the slot has another one
  int32_t number;   // of an answer: 0 or an errno
};

struct ChannelMessage {
  ChannelHead head;
  union {
    uint8_t registration[kMaxRegistration];
    uint64_t token;  // of the request that this answers
  };
};
static_assert(offsetof(ChannelMessage, registration) == sizeof(ChannelHead));

}  // namespace caisson
