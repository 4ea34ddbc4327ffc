// Bytes in memory as a stream, in pieces of a size.
#pragma once

#include <string>

#include "../../../cpp/tar/decoder.h"
#include "../../../cpp/tar/refusal.h"

namespace caisson::testing {

class MemorySource : public ByteSource {
 public:
  MemorySource(Bytes bytes, size_t piece) : bytes_(bytes), piece_(piece) {}

  Bytes take(size_t most) override {
    size_t size = most < piece_ ? most : piece_;
    if (size > bytes_.size()) size = bytes_.size();
    const Bytes taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  Trouble trouble() const override { return {}; }

 private:
  Bytes bytes_;
  size_t piece_;
};

class MemoryInput : public RawInput {
 public:
  MemoryInput(Bytes bytes, size_t piece) : source_(bytes, piece) {}

  long read(uint8_t* to, size_t room) override {
    const Bytes taken = source_.take(room);
    if (!taken.empty()) __builtin_memcpy(to, taken.data(), taken.size());
    return static_cast<long>(taken.size());
  }

 private:
  MemorySource source_;
};

inline Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace caisson::testing
