// Reading what a client has written: numbers, texts and addresses of registration.h.
#pragma once

#include "address.h"

namespace caisson {

constexpr size_t kMaxNameSize = 253;  // of a name in DNS, as text

// A walk over bytes. After a wrong one everything is empty, and `ok` says so.
class RegistrationReader {
 public:
  RegistrationReader() = default;
  RegistrationReader(const uint8_t* bytes, size_t size) : at_(bytes), end_(bytes + size) {}

  uint8_t byte();
  uint64_t number(size_t bytes);
  View text();
  Address address();

  bool ok() const { return !failed_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

 private:
  const uint8_t* take(size_t size);

  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  bool failed_ = false;
};

}  // namespace caisson
