#include "template.h"

#include <string.h>

#include <algorithm>

#include "../program/instruction.h"

namespace caisson {
namespace {

constexpr size_t kShortId = 12, kDigits = 10, kNumbers = 3;
constexpr size_t kExecTexts = 3;
constexpr uint32_t kNowhere = ~0u;

size_t words_for(size_t bytes) {
  return (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t);
}

// Names the texts that stand from `at` on in the program's last step, exec. Of what are not these
// texts and nothing else the program's size stays wrong, which the decoder refuses.
void point_to_command(ProgramBytes& program, size_t at) {
  auto* const bytes = reinterpret_cast<char*>(program.words.data());
  auto& header = *reinterpret_cast<Header*>(bytes);
  if (at < sizeof header) return;
  const size_t steps = size_t{header.steps[0]} + header.steps[1];
  if (steps == 0 || steps > (at - sizeof header) / sizeof(Step)) return;
  Step& exec = reinterpret_cast<Step*>(bytes + sizeof header)[steps - 1];
  for (size_t i = 0; i < kExecTexts; ++i) {
    exec.text[i] = static_cast<uint32_t>(at - header.arena);
    uint32_t length = 0;
    if (program.size - at < sizeof length) return;
    memcpy(&length, bytes + at, sizeof length);
    const size_t record = (sizeof length + length + 1 + 3) & ~size_t{3};
    if (record > program.size - at) return;
    at += record;
  }
  if (at == program.size) header.size = static_cast<uint32_t>(program.size);
}

}  // namespace

ProgramBytes ProgramBytes::copy(const void* bytes, size_t size) {
  ProgramBytes copy;
  copy.words.resize(words_for(size));
  copy.size = size;
  memcpy(copy.words.data(), bytes, size);
  return copy;
}

size_t ProgramTemplate::length(What what) {
  switch (what) {
    case What::kLongId:
      return sizeof Identity::id;
    case What::kShortId:
      return kShortId;
    case What::kHostId:
      return sizeof Identity::base;
    default:
      return kDigits;
  }
}

std::optional<ProgramTemplate> ProgramTemplate::make(std::span<const uint8_t> bytes,
                                                     std::span<const uint32_t> patches) {
  ProgramTemplate made;
  made.bytes_ = ProgramBytes::copy(bytes.data(), bytes.size());
  if (patches.size() % kNumbers != 0) return std::nullopt;
  for (size_t i = 0; i < patches.size(); i += kNumbers) {
    if (patches[i] >= static_cast<uint32_t>(What::kCount)) return std::nullopt;
    const Patch patch{static_cast<What>(patches[i]), patches[i + 1], patches[i + 2]};
    if (bytes.size() < length(patch.what) || patch.at > bytes.size() - length(patch.what))
      return std::nullopt;
    made.patches_.push_back(patch);
  }
  return made;
}

ProgramBytes ProgramTemplate::instantiate(const Identity& identity,
                                          std::span<const uint8_t> command) const {
  uint32_t place = kNowhere;
  if (command.size() >= sizeof place) {
    memcpy(&place, command.data(), sizeof place);
    command = command.subspan(sizeof place);
  }
  ProgramBytes instantiated;
  instantiated.size = bytes_.size + command.size();
  instantiated.words.resize(words_for(instantiated.size));
  memcpy(instantiated.words.data(), bytes_.data(), bytes_.size);
  char digits[kDigits];
  auto* const bytes = reinterpret_cast<char*>(instantiated.words.data());
  for (const auto& [what, at, above] : patches_) {
    const uint32_t host_id = identity.base + above;
    const void* from = identity.id.data();
    if (what == What::kHostId || what == What::kDigits) {
      if (identity.base == 0) continue;
      from = &host_id;
    }
    if (what == What::kDigits) {
      for (uint32_t i = 0, rest = host_id; i < kDigits; ++i, rest /= 10)
        digits[kDigits - 1 - i] = static_cast<char>('0' + rest % 10);
      from = digits;
    }
    memcpy(bytes + at, from, length(what));
  }
  if (!command.empty()) {
    memcpy(bytes + bytes_.size, command.data(), command.size());
    if (command.size() >= kShortId && place <= command.size() - kShortId)
      memcpy(bytes + bytes_.size + place, identity.id.data(), kShortId);
    point_to_command(instantiated, bytes_.size);
  }
  return instantiated;
}

}  // namespace caisson
