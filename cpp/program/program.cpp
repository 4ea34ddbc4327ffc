#include "program.h"

#include "control.h"

namespace caisson {
namespace {

const char* bytes_of(const Header* header) {
  return reinterpret_cast<const char*>(header);
}

uint32_t load32(const char* at) {
  uint32_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// Whether a text record lies at `offset` of an arena of `size` bytes.
const char* check_text(const char* arena, uint32_t size, uint32_t offset, bool blob) {
  if (offset % 4 != 0) return "a text is not aligned";
  if (offset > size || size - offset < 5) return "a text lies outside the arena";
  const uint32_t length = load32(arena + offset);
  if (length > size - offset - 5) return "a text runs past the arena";
  const char* text = arena + offset + 4;
  if (text[length] != '\0') return "a text does not end with NUL";
  if (!blob)
    for (uint32_t i = 0; i < length; ++i)
      if (text[i] == '\0') return "a text contains NUL";
  return nullptr;
}

const char* check_step(const Step& step, uint8_t phase, uint16_t slots, const char* arena,
                       uint32_t arena_size) {
  if (step.op == Op::kNone || step.op >= Op::kCount) return "unknown instruction";
  if (step.reserved != 0 || step.reserved2 != 0) return "a reserved field is set";
  const Instruction& rule = instruction(step.op);
  if ((rule.phases & phase) == 0) return "an instruction in the wrong phase";
  for (int i = 0; i < 4; ++i) {
    const unsigned bit = 1u << i;
    const int slot = step.slot[i];
    if (slot < -1 || slot >= slots) return "a slot out of range";
    if ((rule.outputs & bit) != 0 && slot < 0) return "an output without a slot";
    if (slot >= 0 && ((rule.outputs | rule.inputs) & bit) == 0) return "an unexpected slot";
    const uint32_t text = step.text[i];
    if (text == 0) {
      if ((rule.texts & bit) != 0) return "a missing text";
      continue;
    }
    if (((rule.texts | rule.options) & bit) == 0) return "an unexpected text";
    if (const char* reason = check_text(arena, arena_size, text, (rule.blobs & bit) != 0))
      return reason;
  }
  return nullptr;
}

// A program starts one process, which becomes the user's program; or it only tears down.
const char* check_shape(const Header& header, const Step* steps) {
  const size_t host = header.steps[0], inside = header.steps[1];
  size_t clones = 0;
  bool outside = false;
  for (size_t i = 0; i < host; ++i) {
    if (steps[i].op != Op::kClone) continue;
    ++clones;
    outside = steps[i].number[1] == kOutside;
    if (steps[i].slot[1] < 0 && steps[i].number[1] != 0) return "a container that is detached";
  }
  if (clones != (host + inside > 0 ? 1 : 0)) return "not one clone";
  if (clones == 0) return nullptr;
  const Op last = inside == 0 ? Op::kAwait : steps[host + inside - 1].op;
  // What stays outside of the container only reads or writes files in it, and becomes no program.
  const bool ends = outside ? last == Op::kFilesSend || last == Op::kFileWrite : last == Op::kExec;
  if (!ends) return "the container's phase does not end with exec";
  return nullptr;
}

}  // namespace

bool Program::decode(const void* bytes, size_t size, Program& program, const char*& reason) {
  reason = nullptr;
  const auto* header = static_cast<const Header*>(bytes);
  if (reinterpret_cast<uintptr_t>(bytes) % alignof(Step) != 0)
    reason = "the program is not aligned";
  else if (size < sizeof(Header) || size > kMaxProgramSize)
    reason = "the size is out of range";
  else if (header->magic != kProgramMagic || header->version != kProgramVersion)
    reason = "the magic number or version does not match";
  else if (header->size != size)
    reason = "the size does not match";
  else if (header->reserved[0] != 0 || header->reserved[1] != 0)
    reason = "a reserved field is set";
  else if (header->slots > kMaxSlots)
    reason = "too many slots";
  else if (header->steps[0] > kMaxHostSteps || header->steps[1] > kMaxContainerSteps ||
           header->steps[2] > kMaxTeardownSteps)
    reason = "too many steps";
  if (reason != nullptr) return false;

  const size_t total = size_t{header->steps[0]} + header->steps[1] + header->steps[2];
  const size_t arena = sizeof(Header) + total * sizeof(Step);
  if (arena > size || header->arena != arena) {
    reason = "the arena is not where the steps end";
    return false;
  }
  const auto* steps = reinterpret_cast<const Step*>(bytes_of(header) + sizeof(Header));
  size_t index = 0;
  for (int phase = 0; phase < 3; ++phase)
    for (size_t i = 0; i < header->steps[phase]; ++i, ++index) {
      reason = check_step(steps[index], static_cast<uint8_t>(1u << phase), header->slots,
                          bytes_of(header) + arena, static_cast<uint32_t>(size - arena));
      if (reason != nullptr) return false;
    }
  reason = check_shape(*header, steps);
  if (reason != nullptr) return false;
  program.header_ = header;
  return true;
}

const Step& Program::step(Phase phase, size_t index) const {
  for (uint32_t i = 0; i < static_cast<uint32_t>(phase); ++i)
    index += header_->steps[i];
  return reinterpret_cast<const Step*>(bytes_of(header_) + sizeof(Header))[index];
}

Blob Program::blob(const Step& step, int index) const {
  if (step.text[index] == 0) return {};
  const char* record = bytes_of(header_) + header_->arena + step.text[index];
  return {record + 4, load32(record)};
}

const char* Program::text(const Step& step, int index) const {
  return blob(step, index).data;
}

}  // namespace caisson
