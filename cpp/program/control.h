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

// The second number of a `clone` into a container that is there.
enum Staying : uint64_t {
  kEnds,      // with Node
  kDetached,  // stays, and its end is told to no process
  kLeavable,  // ends with Node, unless Node leaves it to its exec supervisor, the process outside
  kOutside,   // ends with Node; the process outside runs the container phase itself
};

// Node's side → exec supervisor, with its terminal's far and near end: the program goes on alone.
// When the socket ends without, so does the program.
struct LeaveMessage {
  uint32_t magic;
};
constexpr uint32_t kLeaveMagic = 0x5641454c;  // "LEAV"

// The process that stays outside → Node's side: the process that it has cloned into a container's
// pid namespace, with a pidfd; or why not.
struct ClonedMessage {
  uint32_t magic;
  int32_t pid;    // as Node's side sees it, or a negated errno
  uint32_t call;  // which failed
};
constexpr uint32_t kClonedMagic = 0x434c4e44;  // "DNLC"
constexpr const char* kClonedCalls[] = {"prctl", "setns", "dup3", "clone3"};

// A second number of `helper.start`: how the program says that it is ready.
enum HelperReady : uint64_t {
  kReadyByEnding,  // with 0, having left behind what goes on
  kReadyByByte,    // written to descriptor 3
};

// caisson-init's `helper` → Node's side: first with a pidfd of its supervisor, then what has become
// of the program; one alone when it went no further.
struct HelperMessage {
  uint32_t magic;
  int32_t number;  // an errno; 0: it is ready, or the supervisor is there
  char call[32];
  char object[480];  // with kHelperEnded, the end of what the program has said
};
// `user-network` → Node: what has become of the holder.
struct UserNetworkMessage {
  int32_t pid;      // or a negated errno
  uint32_t helper;  // the supervisor of pasta, which ends with it
  char call[32];
  char object[480];
};
static_assert(sizeof(UserNetworkMessage) == 520);
constexpr uint32_t kHelperMagic = 0x504c4548;  // "HELP"
constexpr const char* kHelperEnded = "exit";

}  // namespace caisson
