// IP addresses, and pieces of text that lie in other memory.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace caisson {

struct View {
  const char* bytes = nullptr;
  size_t size = 0;
};

inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Without regard to case, and only that of ASCII (RFC 4343).
inline bool same_name(View a, View b) {
  if (a.size != b.size) return false;
  for (size_t i = 0; i < a.size; ++i)
    if (lower(a.bytes[i]) != lower(b.bytes[i])) return false;
  return true;
}

inline bool same_bytes(View a, View b) {
  return a.size == b.size && (a.size == 0 || __builtin_memcmp(a.bytes, b.bytes, a.size) == 0);
}

struct Address {
  uint8_t family = 0;  // 4 or 6
  uint8_t bytes[16] = {};

  static Address v4(const uint8_t* bytes) { return of(4, bytes); }
  static Address v6(const uint8_t* bytes) { return of(6, bytes); }
  size_t size() const { return family == 4 ? 4 : 16; }
  bool operator==(const Address& other) const {
    return family == other.family && __builtin_memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }

 private:
  static Address of(uint8_t family, const uint8_t* bytes) {
    Address address;
    address.family = family;
    __builtin_memcpy(address.bytes, bytes, address.size());
    return address;
  }
};

}  // namespace caisson
