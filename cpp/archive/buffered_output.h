// A stream of bytes that another process reads.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string_view>
#include <vector>

#include "../base/result.h"

namespace caisson::archive {

class Output {
 public:
  explicit Output(int fd) : fd_(fd) { buffer_.reserve(kBuffer); }

  Status write(const void* bytes, size_t size);
  Status write(std::string_view text) { return write(text.data(), text.size()); }
  Status flush();

 private:
  static constexpr size_t kBuffer = 256 << 10;

  Status write_all(const uint8_t* bytes, size_t size);

  int fd_;
  std::vector<uint8_t> buffer_;
};

}  // namespace caisson::archive
