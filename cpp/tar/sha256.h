// SHA-256 (FIPS 180-4), with the instructions that the processor has for it.
#pragma once

#include <array>

#include "refusal.h"

namespace caisson {

class Sha256 {
 public:
  Sha256();
  void update(Bytes bytes);
  // The digest of everything so far; afterwards the object is of no use.
  std::array<uint8_t, 32> finish();
  // Only for tests: without the processor's instructions.
  void use_plain_code();

 private:
  using Compress = void (*)(uint32_t* state, const uint8_t* blocks, size_t count);

  Compress compress_;
  uint32_t state_[8];
  uint64_t size_ = 0;
  size_t held_ = 0;
  uint8_t block_[64];
};

}  // namespace caisson
