#include "registration_reader.h"

namespace caisson {

const uint8_t* RegistrationReader::take(size_t size) {
  failed_ = failed_ || size > left();
  if (failed_) return nullptr;
  const uint8_t* const taken = at_;
  at_ += size;
  return taken;
}

uint8_t RegistrationReader::byte() {
  const uint8_t* const taken = take(1);
  return taken == nullptr ? 0 : *taken;
}

uint64_t RegistrationReader::number(size_t bytes) {
  const uint8_t* const taken = take(bytes);
  uint64_t number = 0;
  for (size_t i = bytes; taken != nullptr && i > 0; --i)
    number = number << 8 | taken[i - 1];
  return number;
}

View RegistrationReader::text() {
  const size_t size = byte();
  const uint8_t* const taken = take(size);
  if (taken == nullptr) return {};
  return {reinterpret_cast<const char*>(taken), size};
}

Address RegistrationReader::address() {
  const uint8_t family = byte();
  failed_ = failed_ || (family != 4 && family != 6);
  if (failed_) return {};
  const uint8_t* const taken = take(family == 4 ? 4 : 16);
  if (taken == nullptr) return {};
  return family == 4 ? Address::v4(taken) : Address::v6(taken);
}

}  // namespace caisson
