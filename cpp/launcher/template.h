// Programs that differ only in their container and in some texts (lib/program/template.ts): encoded
// once, and patched for each start, which appends its texts.
#pragma once

#include <stdint.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace caisson {

// A program's bytes, aligned for the decoder.
struct ProgramBytes {
  std::vector<uint64_t> words;
  size_t size = 0;

  static ProgramBytes copy(const void* bytes, size_t size);
  const void* data() const { return words.data(); }
};

// The container of a program.
struct Identity {
  std::array<char, 64> id{};  // long, hex digits
  uint32_t base = 0;          // host id of container root; 0 without a range of its own
};

class ProgramTemplate {
 public:
  // `patches` are threes of numbers: what is written there, where in the bytes, and of a host id
  // how far it lies above the base, of an appended text how many there are before it. Nothing if
  // one of them lies outside the bytes, or the texts are not in order.
  static std::optional<ProgramTemplate> make(std::span<const uint8_t> bytes,
                                             std::span<const uint32_t> patches);

  // `appended`: where the short id stands in what follows (all ones: nowhere), then the texts, one
  // record after the other. The decoder refuses a program that has too few or too many of them.
  ProgramBytes instantiate(const Identity& identity, std::span<const uint8_t> appended = {}) const;

 private:
  // As in lib/program/template.ts.
  enum class What : uint32_t { kLongId, kShortId, kHostId, kDigits, kText, kCount };
  struct Patch {
    What what;
    uint32_t at;
    uint32_t above;
  };
  static size_t length(What what);
  void point_to_texts(ProgramBytes& program) const;

  ProgramBytes bytes_;
  std::vector<Patch> patches_;
  std::vector<uint32_t> texts_;  // where the steps have them, in the order of the texts
};

// All that starts with the same options have in common.
struct LaunchTemplate {
  ProgramTemplate program;
  ProgramTemplate teardown;
  std::vector<uint16_t> keep;  // slots whose descriptors the caller wants
  std::vector<uint16_t> hold;  // slots that stay open until teardown
};

}  // namespace caisson
