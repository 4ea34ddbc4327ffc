#include "names.h"

namespace caisson {

bool Names::set(size_t slot, const uint8_t* bytes, size_t size) {
  used_[slot] = false;
  if (size > kMaxRegistration) return false;
  __builtin_memmove(bytes_[slot], bytes, size);
  sizes_[slot] = size;
  used_[slot] = Registration::decode(bytes_[slot], size, registrations_[slot]);
  if (slot >= end_) end_ = slot + 1;
  return used_[slot];
}

// All containers with that name in one network.
void Names::collect(View network, View name, uint8_t family, Address* addresses, size_t room,
                    Found& found) const {
  for (size_t slot = 0; slot < end_; ++slot) {
    if (!used_[slot]) continue;
    registrations_[slot].each_network([&](const MemberNetwork& member) {
      if (!same_bytes(member.id, network)) return true;
      bool has_name = false;
      member.each_name([&](View one) { return !(has_name = same_name(one, name)); });
      if (!has_name) return false;
      found.known = true;
      member.each_address([&](const Address& address) {
        if (address.family == family && found.count < room) addresses[found.count++] = address;
        return true;
      });
      return false;
    });
  }
}

// `network` is the name of one of the asker's networks, or empty for all.
Names::Found Names::find_in(size_t asker, View name, View network, uint8_t family,
                            Address* addresses, size_t room) const {
  Found found;
  registrations_[asker].each_network([&](const MemberNetwork& own) {
    if (network.size == 0 || same_name(own.name, network))
      collect(own.id, name, family, addresses, room, found);
    return found.count == 0;
  });
  return found;
}

Names::Found Names::find(size_t asker, View name, uint8_t family, Address* addresses,
                         size_t room) const {
  if (!used_[asker] || name.size == 0) return {};
  Found found = find_in(asker, name, {}, family, addresses, room);
  // Names may contain dots, those of networks too: every division is tried.
  for (size_t dot = name.size; !found.known && dot-- > 0;) {
    if (name.bytes[dot] != '.') continue;
    const View network{name.bytes + dot + 1, name.size - dot - 1};
    if (network.size > 0 && dot > 0)
      found = find_in(asker, {name.bytes, dot}, network, family, addresses, room);
  }
  return found;
}

bool Names::find_name(size_t asker, const Address& address, View& name, View& network) const {
  bool found = false;
  if (!used_[asker]) return false;
  registrations_[asker].each_network([&](const MemberNetwork& own) {
    for (size_t slot = 0; slot < end_ && !found; ++slot) {
      if (!used_[slot]) continue;
      registrations_[slot].each_network([&](const MemberNetwork& member) {
        if (!same_bytes(member.id, own.id)) return true;
        bool has_address = false;
        member.each_address([&](const Address& one) { return !(has_address = one == address); });
        if (!has_address) return false;
        member.each_name([&](View one) {
          name = one;
          network = own.name;
          found = true;
          return false;
        });
        return false;
      });
    }
    return !found;
  });
  return found;
}

}  // namespace caisson
