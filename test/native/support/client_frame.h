// What clients and supervisors send each other: the size, a type, and so many bytes.
#pragma once

#include <cstdint>
#include <string>

namespace caisson::testing {

inline std::string frame(unsigned char type, const std::string& payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
  bytes.push_back(static_cast<char>(type));
  return bytes + payload;
}

}  // namespace caisson::testing
