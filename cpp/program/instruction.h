// The program's binary form, and the table of its instructions (instructions.def).
// `lib/program/instructions.ts` is its twin; layouts.test.ts compares the two.
// docs/launch-program.md says what each step means.
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
#define INSTRUCTION(op, ...) op,
#define NO_FUNCTION(op, ...) op,
#include "instructions.def"
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
#define INSTRUCTION(op, function, ...) {__VA_ARGS__},
#define NO_FUNCTION(op, ...) {__VA_ARGS__},
#include "instructions.def"
};

}  // namespace caisson
