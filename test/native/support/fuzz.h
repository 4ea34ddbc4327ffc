// What several fuzzers need: an input that is read as a script, a directory in memory, and a strict
// reader of JSON, which knows nothing of the code that is tested.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <optional>
#include <string>

namespace caisson::testing {

// Ends the program, which libFuzzer reports with the input.
void require(bool holds);

// An input as a sequence of numbers and pieces of text. After its end everything is 0 and empty.
class Script {
 public:
  Script(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  bool more() const { return left_ > 0; }
  uint8_t byte();
  // Up to 254 bytes as they are; or, so that a small input reaches large limits, up to 64 KiB of
  // one byte, 100,000 in all.
  std::string text();

 private:
  const uint8_t* at_;
  size_t left_;
  size_t fill_ = 100'000;
};

// A directory on a tmpfs, made once for each process and removed when it ends.
class MemoryDirectory {
 public:
  MemoryDirectory();
  ~MemoryDirectory();
  MemoryDirectory(const MemoryDirectory&) = delete;
  MemoryDirectory& operator=(const MemoryDirectory&) = delete;

  int fd() const { return fd_; }
  std::string read(const char* name) const;
  void remove(const char* name) const;

 private:
  std::string path_;
  int fd_ = -1;
};

// The scalars of a JSON text by their paths, such as "log.0.output"; strings without their quotes
// and escapes. Nothing for what is no JSON (RFC 8259), except that the bytes of a string need not
// be UTF-8.
std::optional<std::map<std::string, std::string>> read_json(const std::string& text);

}  // namespace caisson::testing
