// `KEY=NUMBER` and `KEY=TEXT` arguments of a subcommand.
#pragma once

#include <span>
#include <string_view>

#include "../base/text.h"

namespace caisson {

class Arguments {
 public:
  explicit Arguments(std::span<char* const> all) : all_(all) {}

  // Null if there is none with that key.
  const char* text(std::string_view key) const {
    for (const char* one : all_) {
      const std::string_view argument(one);
      if (argument.size() > key.size() && argument.starts_with(key) && argument[key.size()] == '=')
        return one + key.size() + 1;
    }
    return nullptr;
  }

  uint64_t number(std::string_view key, uint64_t otherwise) const {
    const char* found = text(key);
    uint64_t value = 0;
    return found != nullptr && parse_number(found, value) && *found == '\0' ? value : otherwise;
  }

 private:
  std::span<char* const> all_;
};

}  // namespace caisson
