#include "template.h"

#include <string.h>

#include <algorithm>

namespace caisson {
namespace {

constexpr size_t kShortId = 12, kDigits = 10, kNumbers = 3;

}  // namespace

ProgramBytes ProgramBytes::copy(const void* bytes, size_t size) {
  ProgramBytes copy;
  copy.words.resize((size + sizeof(uint64_t) - 1) / sizeof(uint64_t));
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
                                                     std::span<const uint32_t> places) {
  ProgramTemplate made;
  made.bytes_ = ProgramBytes::copy(bytes.data(), bytes.size());
  if (places.size() % kNumbers != 0) return std::nullopt;
  for (size_t i = 0; i < places.size(); i += kNumbers) {
    if (places[i] >= static_cast<uint32_t>(What::kCount)) return std::nullopt;
    const Place place{static_cast<What>(places[i]), places[i + 1], places[i + 2]};
    if (bytes.size() < length(place.what) || place.at > bytes.size() - length(place.what))
      return std::nullopt;
    made.places_.push_back(place);
  }
  return made;
}

ProgramBytes ProgramTemplate::stamp(const Identity& identity) const {
  ProgramBytes stamped = bytes_;
  char digits[kDigits];
  auto* const bytes = reinterpret_cast<char*>(stamped.words.data());
  for (const auto& [what, at, above] : places_) {
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
  return stamped;
}

}  // namespace caisson
