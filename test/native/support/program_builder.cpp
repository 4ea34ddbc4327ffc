#include "program_builder.h"

#include <stdlib.h>

namespace caisson::testing {

ProgramBuilder ProgramBuilder::startable() {
  ProgramBuilder builder;
  builder.step(Phase::kHost, Op::kClone);
  builder.step(Phase::kContainer, Op::kExec,
               {{}, {std::string("true\0", 5), "", "/bin:/usr/bin"}, {}});
  return builder;
}

ProgramBuilder& ProgramBuilder::step(Phase phase, Op op, const StepOptions& options) {
  Step step{};
  step.op = op;
  for (int i = 0; i < 4; ++i) {
    const auto at = static_cast<size_t>(i);
    step.slot[i] = at < options.slots.size() ? options.slots[at] : int16_t{-1};
    if (at < options.numbers.size()) step.number[i] = options.numbers[at];
    if (at >= options.texts.size() || !options.texts[at]) continue;
    const std::string& text = *options.texts[at];
    step.text[i] = static_cast<uint32_t>(arena_.size());
    const auto length = static_cast<uint32_t>(text.size());
    const auto* size = reinterpret_cast<const unsigned char*>(&length);
    arena_.insert(arena_.end(), size, size + sizeof length);
    arena_.insert(arena_.end(), text.begin(), text.end());
    do
      arena_.push_back(0);
    while (arena_.size() % 4 != 0);
  }
  // `exec` stays last.
  auto& steps = steps_[static_cast<size_t>(phase)];
  const bool before_exec = !steps.empty() && steps.back().op == Op::kExec;
  steps.insert(before_exec ? steps.end() - 1 : steps.end(), step);
  return *this;
}

ProgramBuilder::Bytes ProgramBuilder::build() const {
  Header header{};
  header.magic = kProgramMagic;
  header.version = kProgramVersion;
  header.slots = slots_;
  std::vector<unsigned char> bytes(sizeof header);
  for (int phase = 0; phase < 3; ++phase) {
    header.steps[phase] = static_cast<uint16_t>(steps_[phase].size());
    const auto* first = reinterpret_cast<const unsigned char*>(steps_[phase].data());
    bytes.insert(bytes.end(), first, first + steps_[phase].size() * sizeof(Step));
  }
  header.arena = static_cast<uint32_t>(bytes.size());
  bytes.insert(bytes.end(), arena_.begin(), arena_.end());
  header.size = static_cast<uint32_t>(bytes.size());
  memcpy(bytes.data(), &header, sizeof header);
  return Bytes(bytes);
}

ProgramBuilder::Bytes::Bytes(const std::vector<unsigned char>& from) : size_(from.size()) {
  void* room = nullptr;
  if (posix_memalign(&room, alignof(Step), from.size()) != 0) abort();
  bytes_.reset(static_cast<unsigned char*>(room));
  if (!from.empty()) memcpy(data(), from.data(), from.size());
}

}  // namespace caisson::testing
