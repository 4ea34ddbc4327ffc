// What goes over the control socket between Node's side and a parked or starting caisson-init. One
// SOCK_SEQPACKET message each.
#pragma once

#include "instruction.h"

namespace caisson {

// Node's side → container, once an `await` may go on. The descriptors fill the named slots in
// order.
struct ReleaseMessage {
  uint16_t count;
  uint16_t slot[kMaxSlots];
};

// Container → Node's side, with the descriptors of the terminal's far end and of its near one.
struct TerminalMessage {
  uint32_t magic;
};
constexpr uint32_t kTerminalMagic = 0x54545943;  // "CYTT"

}  // namespace caisson
