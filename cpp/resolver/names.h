// The names and addresses of all registered containers, as each of them may see them: only those of
// the networks that the two share. They are looked for in the registrations as they are, which are
// few and small.
#pragma once

#include <span>

#include "registration.h"

namespace caisson {

constexpr size_t kMaxRegistrations = 1024;

class Names {
 public:
  // False if it is not a registration; then the slot is empty.
  bool set(size_t slot, const uint8_t* bytes, size_t size);
  void clear(size_t slot) { used_[slot] = false; }
  // Its bytes; nothing if the slot is empty.
  std::span<const uint8_t> bytes(size_t slot) const {
    return {bytes_[slot], used_[slot] ? sizes_[slot] : 0};
  }
  // Null if the slot is empty.
  const Registration* at(size_t slot) const {
    return used_[slot] ? &registrations_[slot] : nullptr;
  }

  struct Found {
    bool known = false;  // the name is that of a container, which may have no such address
    size_t count = 0;
  };
  // The addresses of one family of the containers with that name, from the view of the container in
  // the slot `asker`: `name`, or `name.network`. Those of the first of its networks that has some,
  // as Docker has it, as many as `addresses` has room for.
  Found find(size_t asker, View name, uint8_t family, Address* addresses, size_t room) const;

  // The name of the container with that address in a network of the asker's, as text: `name` and
  // `network`, or false.
  bool find_name(size_t asker, const Address& address, View& name, View& network) const;

 private:
  Found find_in(size_t asker, View name, View network, uint8_t family, Address* addresses,
                size_t room) const;
  void collect(View network, View name, uint8_t family, Address* addresses, size_t room,
               Found& found) const;

  bool used_[kMaxRegistrations] = {};
  Registration registrations_[kMaxRegistrations];
  size_t sizes_[kMaxRegistrations];
  // Of which only those pages are ever touched that are used.
  uint8_t bytes_[kMaxRegistrations][kMaxRegistration];
  size_t end_ = 0;  // behind the last slot that was ever used
};

}  // namespace caisson
