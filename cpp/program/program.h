// A decoded program: the unchanged bytes, checked once, so that the code that executes it need not
// check again.
#pragma once

#include "instruction.h"

namespace caisson {

struct Blob {
  const char* data = nullptr;
  uint32_t size = 0;
};

class Program {
 public:
  // Checks everything: sizes, counts, opcodes, slots, texts. On success the program refers to
  // `bytes`, which must stay; otherwise `reason` says what is wrong.
  static bool decode(const void* bytes, size_t size, Program& program, const char*& reason);

  size_t count(Phase phase) const { return header_->steps[static_cast<uint32_t>(phase)]; }
  const Step& step(Phase phase, size_t index) const;
  size_t slots() const { return header_->slots; }
  const Header& header() const { return *header_; }

  // The text of a step; null when it has none.
  const char* text(const Step& step, int index) const;
  Blob blob(const Step& step, int index) const;

 private:
  const Header* header_ = nullptr;
};

// For code that owns the memory of the bytes.
inline Step& writable(const Step& step) {
  return const_cast<Step&>(step);
}

inline const Instruction& instruction(Op op) {
  return kInstructions[static_cast<size_t>(op)];
}

}  // namespace caisson
