#include "template.h"

#include <string.h>

#include <algorithm>

#include "../program/instruction.h"

namespace caisson {
namespace {

constexpr size_t kShortId = 12, kDigits = 10, kNumbers = 3;
constexpr uint32_t kNowhere = ~0u;

size_t words_for(size_t bytes) {
  return (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t);
}

}  // namespace

ProgramBytes ProgramBytes::copy(const void* bytes, size_t size) {
  ProgramBytes copy;
  copy.words.resize(words_for(size));
  copy.size = size;
  if (size > 0) memcpy(copy.words.data(), bytes, size);
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
    case What::kText:
      return sizeof(uint32_t);
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
    if (patch.what != What::kText) {
      made.patches_.push_back(patch);
      continue;
    }
    if (patch.above != made.texts_.size()) return std::nullopt;
    made.texts_.push_back(patch.at);
  }
  return made;
}

// Of what are not these texts and nothing else the program's size stays wrong, which the decoder
// refuses.
void ProgramTemplate::point_to_texts(ProgramBytes& program) const {
  auto* const bytes = reinterpret_cast<char*>(program.words.data());
  size_t at = bytes_.size;
  if (at < sizeof(Header)) return;
  auto& header = *reinterpret_cast<Header*>(bytes);
  header.size = 0;
  for (const uint32_t place : texts_) {
    uint32_t length = 0;
    if (program.size - at < sizeof length) return;
    memcpy(&length, bytes + at, sizeof length);
    const size_t record = (sizeof length + length + 1 + 3) & ~size_t{3};
    if (record > program.size - at) return;
    const auto offset = static_cast<uint32_t>(at - header.arena);
    memcpy(bytes + place, &offset, sizeof offset);
    at += record;
  }
  if (at == program.size) header.size = static_cast<uint32_t>(program.size);
}

ProgramBytes ProgramTemplate::instantiate(const Identity& identity,
                                          std::span<const uint8_t> appended) const {
  uint32_t place = kNowhere;
  if (appended.size() >= sizeof place) {
    memcpy(&place, appended.data(), sizeof place);
    appended = appended.subspan(sizeof place);
  }
  ProgramBytes instantiated;
  instantiated.size = bytes_.size + appended.size();
  instantiated.words.resize(words_for(instantiated.size));
  if (bytes_.size > 0) memcpy(instantiated.words.data(), bytes_.data(), bytes_.size);
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
  if (!appended.empty()) {
    memcpy(bytes + bytes_.size, appended.data(), appended.size());
    if (appended.size() >= kShortId && place <= appended.size() - kShortId)
      memcpy(bytes + bytes_.size + place, identity.id.data(), kShortId);
  }
  if (!appended.empty() || !texts_.empty()) point_to_texts(instantiated);
  return instantiated;
}

}  // namespace caisson
