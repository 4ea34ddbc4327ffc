#include "name_request.h"

namespace caisson {

size_t NameRequest::encode(std::span<uint8_t, kMaxNameRequest> room) const {
  constexpr size_t kOfAddress = 1 + 16 + 4, kFixed = 1 + 1 + 4 + 4 + 8 + 1 + kMaxNameSize + 1;
  static_assert(kFixed + kMaxOpenedAtOnce * kOfAddress <= kMaxNameRequest);
  size_t size = 0;
  const auto number = [&](uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      room[size++] = static_cast<uint8_t>(value >> 8 * i);
  };
  const auto bytes = [&](const void* from, size_t length) {
    __builtin_memcpy(&room[size], from, length);
    size += length;
  };
  number(static_cast<uint8_t>(kind), 1);
  number(peers ? 1 : 0, 1);
  number(slot, 4);
  number(serial, 4);
  number(token, 8);
  number(name.size, 1);
  bytes(name.bytes, name.size);
  if (kind != NameRequestKind::kOpen) return size;
  number(count, 1);
  for (size_t i = 0; i < count; ++i) {
    number(addresses[i].address.family, 1);
    bytes(addresses[i].address.bytes, addresses[i].address.size());
    number(addresses[i].seconds, 4);
  }
  return size;
}

bool NameRequest::decode(const uint8_t* bytes, size_t size, NameRequest& request) {
  RegistrationReader at(bytes, size);
  const uint8_t kind = at.byte(), flags = at.byte();
  request.kind = static_cast<NameRequestKind>(kind);
  request.peers = flags == 1;
  request.slot = static_cast<uint32_t>(at.number(4));
  request.serial = static_cast<uint32_t>(at.number(4));
  request.token = at.number(8);
  request.name = at.text();
  request.count = 0;
  if (!at.ok() || kind < 1 || kind > 2 || flags > 1 || request.name.size > kMaxNameSize)
    return false;
  if (request.kind == NameRequestKind::kRefused) return flags == 0 && at.left() == 0;
  const size_t count = at.byte();
  if (count > kMaxOpenedAtOnce) return false;
  for (; request.count < count; ++request.count) {
    OpenedAddress& one = request.addresses[request.count];
    one.address = at.address();
    one.seconds = static_cast<uint32_t>(at.number(4));
    if (!at.ok()) return false;
  }
  return at.ok() && at.left() == 0;
}

}  // namespace caisson
