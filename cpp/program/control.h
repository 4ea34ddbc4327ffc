// What goes over the control socket between Node's side and a parked or starting caisson-init, and
// between Node's side and the guard. One SOCK_SEQPACKET message each.
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

// Node's side → guard. kAdd is followed by a program of which only the teardown half is used.
enum class GuardVerb : uint32_t { kAdd = 1, kDone = 2 };
struct GuardMessage {
  GuardVerb verb;
  uint32_t reserved;
  uint64_t token;
};
constexpr size_t kMaxGuardMessage = 128u << 10;

}  // namespace caisson
