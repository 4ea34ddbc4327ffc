// Programs for tests: as lib/program/encode.ts writes them, with every field within reach.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../../../cpp/program/program.h"

namespace caisson::testing {

struct StepOptions {
  std::vector<int16_t> slots;
  std::vector<std::optional<std::string>> texts;
  std::vector<uint64_t> numbers;
};

class ProgramBuilder {
 public:
  // What a process cannot be started without is there; `plain` is a program that only undoes.
  static ProgramBuilder startable();
  static ProgramBuilder plain() { return ProgramBuilder(); }

  ProgramBuilder& step(Phase phase, Op op, const StepOptions& options = {});
  ProgramBuilder& slots(uint16_t count) {
    slots_ = count;
    return *this;
  }

  // Aligned bytes, in a block of exactly their size, so that the sanitizer sees a read beyond it.
  class Bytes {
   public:
    explicit Bytes(const std::vector<unsigned char>& from);
    unsigned char* data() { return bytes_.get(); }
    size_t size() const { return size_; }
    Header& header() { return *reinterpret_cast<Header*>(data()); }
    Step& step(size_t index) { return reinterpret_cast<Step*>(data() + sizeof(Header))[index]; }
    unsigned char* arena() { return data() + header().arena; }

   private:
    struct Free {
      void operator()(unsigned char* bytes) const { free(bytes); }
    };
    std::unique_ptr<unsigned char, Free> bytes_;
    size_t size_;
  };
  Bytes build() const;

 private:
  std::vector<Step> steps_[3];
  std::vector<unsigned char> arena_ = std::vector<unsigned char>(4);
  uint16_t slots_ = 8;
};

}  // namespace caisson::testing
