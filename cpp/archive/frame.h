// Messages of `serve` (lib/archive/file-protocol.ts): a length of 32 bits, and as many bytes.
// Numbers are little-endian, texts are a length of 32 bits and their bytes.
#pragma once

#include <stdint.h>
#include <string.h>

#include <string>
#include <string_view>

namespace caisson::archive {

// The largest message: the data of one read or write and what describes it.
constexpr uint32_t kLargestFrame = (1 << 20) + 16384;

// What a request says. After the first thing that is missing, everything is zero or empty.
class FrameReader {
 public:
  explicit FrameReader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    T value{};
    if (rest_.size() < sizeof value) {
      valid_ = false;
      rest_ = {};
      return value;
    }
    memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view bytes() {
    const auto size = number<uint32_t>();
    if (size > rest_.size()) {
      valid_ = false;
      rest_ = {};
    }
    const std::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(value.size());
    return value;
  }
  // A path, which has no zero byte.
  std::string text() {
    const std::string_view value = bytes();
    if (value.find('\0') != std::string_view::npos) valid_ = false;
    return std::string(value);
  }
  bool valid() const { return valid_; }

 private:
  std::string_view rest_;
  bool valid_ = true;
};

// An answer: the request's number, an errno, and what follows.
class FrameWriter {
 public:
  explicit FrameWriter(uint32_t id, int32_t error = 0) {
    number<uint32_t>(0);
    number(id);
    number(error);
  }

  template <class T>
  void number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<uint32_t>(value.size()));
    bytes_.append(value);
  }
  size_t size() const { return bytes_.size(); }
  // The whole message.
  const std::string& finish() {
    const auto length = static_cast<uint32_t>(bytes_.size() - sizeof(uint32_t));
    memcpy(bytes_.data(), &length, sizeof length);
    return bytes_;
  }

 private:
  std::string bytes_;
};

}  // namespace caisson::archive
