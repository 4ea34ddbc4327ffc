// What DNS messages consist of, as bytes: RFC 1035, section 4.1.
#pragma once

#include <algorithm>
#include <string>

namespace caisson::testing {

inline std::string number(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

// "db.front" in wire form.
inline std::string wire(const std::string& name) {
  std::string out;
  for (size_t at = 0; at < name.size();) {
    const size_t end = std::min(name.find('.', at), name.size());
    out += static_cast<char>(end - at) + name.substr(at, end - at);
    at = end + 1;
  }
  return out + '\0';
}

}  // namespace caisson::testing
