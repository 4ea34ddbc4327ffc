// What the worker asks of the broker about a name that a container has looked up.
//
//   u8 kind | u8 flags | u32 slot | u32 serial | u64 token | text name
//   of kOpen: u8 count | of each: address, u32 seconds
//
// Numbers are little-endian; texts and addresses as in registration.h.
#pragma once

#include <span>

#include "registration_reader.h"

namespace caisson {

// Of one answer; what is beyond that is not part of it.
constexpr size_t kMaxOpenedAtOnce = 64;
constexpr size_t kMaxNameRequest = 2048;

enum class NameRequestKind : uint8_t {
  kOpen = 1,     // these addresses, of that name; there is an answer
  kRefused = 2,  // counts a look-up; there is none
};

struct OpenedAddress {
  Address address;
  uint32_t seconds;
};

struct NameRequest {
  NameRequestKind kind{};
  bool peers = false;  // the addresses are those of containers
  uint32_t slot = 0, serial = 0;
  uint64_t token = 0;
  View name;
  size_t count = 0;
  OpenedAddress addresses[kMaxOpenedAtOnce];

  // Its size.
  size_t encode(std::span<uint8_t, kMaxNameRequest> room) const;
  // False if anything is wrong with it; it refers to the bytes.
  static bool decode(const uint8_t* bytes, size_t size, NameRequest& request);
};

}  // namespace caisson
