// The four functions that the compiler itself may call, for a program without a libc.
#include <stddef.h>
#include <stdint.h>

extern "C" {

// In words as far as they go: the log passes through here.
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void* memcpy(void* to,
                                                                           const void* from,
                                                                           size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t)) {
    uint64_t word;
    __builtin_memcpy(&word, in, sizeof word);
    __builtin_memcpy(out, &word, sizeof word);
    in += sizeof word;
    out += sizeof word;
  }
  for (size_t i = 0; i < size; ++i)
    out[i] = in[i];
  return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void* memmove(void* to,
                                                                            const void* from,
                                                                            size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  if (out < in)
    for (size_t i = 0; i < size; ++i)
      out[i] = in[i];
  else
    for (size_t i = size; i > 0; --i)
      out[i - 1] = in[i - 1];
  return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void* memset(void* to, int byte,
                                                                           size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < size; ++i)
    out[i] = static_cast<unsigned char>(byte);
  return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) int memcmp(const void* a,
                                                                         const void* b,
                                                                         size_t size) {
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < size; ++i)
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  return 0;
}
}
