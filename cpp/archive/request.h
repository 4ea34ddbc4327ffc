// What a process of caisson-archive is to do in a view: words, each ended by a zero byte, which
// lib/archive writes.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>

#include "../base/result.h"

namespace caisson::archive {

class Request {
 public:
  // Everything that the descriptor has.
  Status read(int fd);

  // Empty where there are no more words.
  const char* word();
  std::string_view text() { return word(); }
  bool flag() { return text() == "1"; }
  uint64_t number();
  // False after a word that was missing or no number.
  bool valid() const { return valid_; }

 private:
  std::string words_;
  size_t at_ = 0;
  bool valid_ = true;
};

}  // namespace caisson::archive
