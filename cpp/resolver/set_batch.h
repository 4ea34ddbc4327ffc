// Elements of the sets of a policy, as one batch of nf_tables: all of it happens, or nothing. The
// sets are those of the table `inet caisson` (lib/network/firewall/ makes them); a key is an
// address, a range of protocols and a range of ports.
#pragma once

#include <span>

#include "name_policy.h"

namespace caisson {

class SetBatch {
 public:
  // `updates`: the kernel extends the time of an element that is there (Linux 6.12 and later).
  // Otherwise it is removed and added again, which before Linux 6.17 a packet of that moment may
  // notice.
  SetBatch(std::span<char> room, bool updates);

  // Removes all elements of a set.
  void flush(View set);
  // An element that ends after so many milliseconds, also if it is there already.
  void add(View set, const Address& address, const Door& door, uint64_t milliseconds);

  bool is_empty() const { return last_ == 0; }
  // Ends it; 0 if it did not fit, or has nothing.
  size_t finish();

 private:
  enum class Nesting : uint16_t { kNone = 0, kNested = 0x8000 };

  size_t begin_message(uint16_t type, uint8_t family, uint16_t resource, uint16_t flags);
  void begin_elements(uint16_t type, uint16_t flags, View set);
  void end_message();
  void add_element(const Address& address, const Door& door, uint64_t milliseconds);
  void put_key(uint16_t type, const Address& address, uint8_t protocol, uint16_t port);
  size_t begin(uint16_t type, Nesting nesting);
  void end(size_t attribute);
  void attribute(uint16_t type, const void* bytes, size_t size);
  char* take(size_t size);

  std::span<char> room_;
  bool updates_;
  bool fits_ = true;
  size_t size_ = 0;
  uint32_t sequence_ = 0;
  size_t message_ = 0;   // where the current one begins
  size_t elements_ = 0;  // and its list of elements; 0: it has none
  size_t last_ = 0;      // where the last one of the sets begins
  View set_;             // of the current list
};

// Whether this kernel extends the time of elements.
bool kernel_updates_elements();

}  // namespace caisson
