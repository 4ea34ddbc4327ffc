// Small text helpers that need no libc and allocate nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace caisson {

inline size_t length(const char* text) {
  size_t n = 0;
  while (text[n] != '\0')
    ++n;
  return n;
}

inline bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b)
    ++a, ++b;
  return *a == *b;
}

inline bool contains(const char* text, char wanted) {
  for (; *text != '\0'; ++text)
    if (*text == wanted) return true;
  return false;
}

// A text of bounded size, built piece by piece; what does not fit makes it `truncated`.
template <size_t N>
class Text {
 public:
  Text() { bytes_[0] = '\0'; }

  Text& add(const char* text) {
    while (*text != '\0')
      add_byte(*text++);
    return *this;
  }
  Text& add(const char* text, size_t size) {
    for (size_t i = 0; i < size; ++i)
      add_byte(text[i]);
    return *this;
  }
  Text& add(uint64_t number) {
    char digits[20];
    int n = 0;
    do
      digits[n++] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    while (n > 0)
      add_byte(digits[--n]);
    return *this;
  }

  const char* c_str() const { return bytes_; }
  size_t size() const { return size_; }
  bool truncated() const { return truncated_; }
  void clear() {
    size_ = 0;
    truncated_ = false;
    bytes_[0] = '\0';
  }

 private:
  void add_byte(char byte) {
    if (size_ + 1 >= N) {
      truncated_ = true;
      return;
    }
    bytes_[size_++] = byte;
    bytes_[size_] = '\0';
  }

  char bytes_[N];
  size_t size_ = 0;
  bool truncated_ = false;
};

// Adds `text` as the inside of a JSON string. Bytes above 127 go as they are.
template <size_t N>
inline Text<N>& add_json(Text<N>& to, const char* text) {
  constexpr const char* kHex = "0123456789abcdef";
  for (; *text != '\0'; ++text) {
    const auto byte = static_cast<unsigned char>(*text);
    if (byte == '"' || byte == '\\') {
      to.add("\\").add(text, 1);
    } else if (byte < 0x20) {
      to.add("\\u00").add(kHex + (byte >> 4), 1).add(kHex + (byte & 15), 1);
    } else {
      to.add(text, 1);
    }
  }
  return to;
}

// Copies at most N - 1 bytes and always ends with NUL.
template <size_t N>
inline void copy_text(char (&to)[N], const char* from) {
  size_t i = 0;
  if (from != nullptr)
    for (; i + 1 < N && from[i] != '\0'; ++i)
      to[i] = from[i];
  to[i] = '\0';
}

// The decimal number at `text`, which it moves past; false when there is none or it does not fit.
inline bool parse_number(const char*& text, uint64_t& number) {
  if (*text < '0' || *text > '9') return false;
  number = 0;
  for (; *text >= '0' && *text <= '9'; ++text) {
    const auto digit = static_cast<uint64_t>(*text - '0');
    if (number > (UINT64_MAX - digit) / 10) return false;
    number = number * 10 + digit;
  }
  return true;
}

}  // namespace caisson
