// The instruction set and the program's binary form. `lib/program/instructions.ts` is its twin; a
// unit test compares the two tables. docs/launch-program.md says what each step means.
//
//   Header | Step[host] | Step[container] | Step[teardown] | arena
//
// All numbers are little-endian. A step names texts by their offset in the arena, where a text is a
// 32-bit length, its bytes, and a NUL; offset 0 means "no text".
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace caisson {

constexpr uint32_t kProgramMagic = 0x314e5343;  // "CSN1"
constexpr uint32_t kProgramVersion = 1;
constexpr size_t kMaxProgramSize = 8u << 20;
constexpr size_t kMaxSlots = 240;  // SCM_RIGHTS carries at most 253 descriptors
constexpr size_t kMaxHostSteps = 480;
constexpr size_t kMaxContainerSteps = 480;
constexpr size_t kMaxTeardownSteps = 64;

enum class Phase : uint32_t { kHost = 0, kContainer = 1, kTeardown = 2 };

enum class Op : uint16_t {
  kNone,
  kDirMake,
  kSymlinkMake,
  kNodeMake,
  kFileWrite,
  kFileOpen,
  kFdDup,
  kPipeMake,
  kCgroupMake,
  kCgroupWrite,
  kCgroupDevices,
  kProcessOpen,
  kClone,
  kIdsMap,
  kUsersMake,
  kNsOpen,
  kTreeOpen,
  kFsMake,
  kImageMount,
  kOverlayMake,
  kFsidsSet,
  kOomSet,
  kRlimitRaise,
  kHelperStart,
  kRelease,
  kAwait,
  kIdsSet,
  kGroupsSet,
  kCgroupEnter,
  kNsJoin,
  kNsUnshare,
  kMountAttach,
  kMountFs,
  kMountAttr,
  kMountMask,
  kMountReadonly,
  kTreeView,
  kRootPivot,
  kHostName,
  kDomainName,
  kLinkUp,
  kSysctlWrite,
  kRlimitSet,
  kTtyOpen,
  kFdOwn,
  kFilesSend,
  kStdioSet,
  kSessionNew,
  kDirChange,
  kCapsBound,
  kCapsSet,
  kLabelSet,
  kNnpSet,
  kSeccompLoad,
  kInit,
  kExec,
  kCgroupRemove,
  kProcessEnd,
  kTreeRemove,
  kCount,
};

struct Header {
  uint32_t magic;
  uint32_t version;
  uint32_t size;  // of the whole program, in bytes
  uint16_t slots;
  uint16_t steps[3];  // by Phase
  uint32_t arena;     // offset of the arena from the program's start
  // Fault injection (debug builds): at this step of this phase, do that. Zero action means none.
  uint16_t fault_phase;
  uint16_t fault_step;
  uint32_t fault_action;
  uint32_t reserved[2];
};
static_assert(sizeof(Header) == 40);

enum class Fault : uint32_t { kNone, kFail, kKillInit, kKillNode, kKillBoth };

struct Step {
  Op op;
  uint16_t reserved;
  int16_t slot[4];
  uint32_t text[4];
  uint32_t reserved2;
  uint64_t number[4];
};
static_assert(sizeof(Step) == 64);

// What a step may hold. Bit i of a mask speaks of text[i] or slot[i].
struct Instruction {
  const char* name;
  uint8_t phases;   // bit per Phase
  uint8_t texts;    // must be present
  uint8_t options;  // may be present
  uint8_t blobs;    // may contain NUL bytes
  uint8_t outputs;  // slots that the step fills
  uint8_t inputs;   // slots that the step reads; -1 allowed where it says so
};

constexpr uint8_t kInHost = 1, kInContainer = 2, kInTeardown = 4;

constexpr Instruction kInstructions[] = {
    {"none", 0, 0, 0, 0, 0, 0},
    {"dir.make", kInHost | kInContainer, 1, 0, 0, 0, 1},
    {"symlink.make", kInHost | kInContainer, 3, 0, 0, 0, 1},
    {"node.make", kInHost, 1, 0, 0, 0, 1},
    {"file.write", kInHost | kInContainer, 3, 0, 2, 0, 1},
    {"file.open", kInHost | kInContainer, 1, 0, 0, 1, 2},
    {"fd.dup", kInHost, 0, 0, 0, 1, 0},
    {"pipe.make", kInHost, 0, 0, 0, 3, 0},
    {"cgroup.make", kInHost, 1, 0, 0, 0, 0},
    {"cgroup.write", kInHost, 3, 0, 0, 0, 0},
    {"cgroup.devices", kInHost, 1, 0, 1, 0, 1},
    {"process.open", kInHost, 0, 0, 0, 1, 0},
    {"clone", kInHost, 0, 0, 0, 0, 3},
    {"ids.map", kInHost, 3, 0, 0, 0, 0},
    {"users.make", kInHost, 3, 0, 0, 1, 0},
    {"ns.open", kInHost, 1, 0, 0, 1, 0},
    {"tree.open", kInHost, 1, 0, 0, 1, 6},
    {"fs.make", kInHost, 1, 6, 0, 1, 0},
    {"image.mount", kInHost, 1, 2, 0, 1, 6},
    {"overlay.make", kInHost, 1, 6, 1, 1, 2},
    {"fsids.set", kInHost, 0, 0, 0, 0, 0},
    {"oom.set", kInHost, 0, 0, 0, 0, 0},
    {"rlimit.raise", kInHost, 0, 0, 0, 0, 0},
    {"helper.start", kInHost, 3, 0, 2, 0, 3},
    {"release", kInHost, 0, 1, 1, 0, 0},
    {"await", kInContainer, 0, 0, 0, 0, 0},
    {"ids.set", kInContainer, 0, 0, 0, 0, 0},
    {"groups.set", kInContainer, 0, 1, 1, 0, 0},
    {"cgroup.enter", kInContainer, 0, 0, 0, 0, 1},
    {"ns.join", kInContainer, 0, 0, 0, 0, 1},
    {"ns.unshare", kInContainer, 0, 0, 0, 0, 0},
    {"mount.attach", kInContainer, 1, 0, 0, 0, 3},
    {"mount.fs", kInContainer, 5, 10, 0, 1, 2},
    {"mount.attr", kInContainer, 1, 0, 0, 0, 1},
    {"mount.mask", kInContainer, 1, 0, 1, 0, 3},
    {"mount.readonly", kInContainer, 1, 0, 1, 0, 1},
    {"tree.view", kInContainer, 1, 0, 0, 1, 2},
    {"root.pivot", kInContainer, 0, 0, 0, 0, 1},
    {"host.name", kInContainer, 1, 0, 0, 0, 0},
    {"domain.name", kInContainer, 1, 0, 0, 0, 0},
    {"link.up", kInContainer, 1, 0, 0, 0, 0},
    {"sysctl.write", kInContainer, 1, 0, 1, 0, 1},
    {"rlimit.set", kInContainer, 0, 0, 0, 0, 0},
    {"tty.open", kInContainer, 0, 0, 0, 1, 2},
    {"fd.own", kInContainer, 0, 0, 0, 0, 1},
    {"files.send", kInContainer, 1, 0, 1, 0, 3},
    {"stdio.set", kInContainer, 0, 0, 0, 0, 7},
    {"session.new", kInContainer, 0, 0, 0, 0, 0},
    {"dir.change", kInContainer, 1, 0, 0, 0, 0},
    {"caps.bound", kInContainer, 0, 0, 0, 0, 0},
    {"caps.set", kInContainer, 0, 0, 0, 0, 0},
    {"label.set", kInContainer, 1, 0, 0, 0, 0},
    {"nnp.set", kInContainer, 0, 0, 0, 0, 0},
    {"seccomp.load", kInContainer, 1, 0, 1, 0, 0},
    {"init", kInContainer, 0, 0, 0, 0, 0},
    {"exec", kInContainer, 3, 4, 3, 0, 0},
    {"cgroup.remove", kInTeardown, 1, 0, 0, 0, 0},
    {"process.end", kInTeardown, 0, 0, 0, 0, 0},
    {"tree.remove", kInTeardown, 1, 0, 0, 0, 0},
};
static_assert(sizeof(kInstructions) / sizeof(kInstructions[0]) == static_cast<size_t>(Op::kCount));

}  // namespace caisson
