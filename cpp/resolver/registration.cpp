#include "registration.h"

namespace caisson {
namespace {

// Ids are names of files, too.
bool is_id(View id) {
  if (id.size == 0 || id.size > kMaxIdSize) return false;
  for (size_t i = 0; i < id.size; ++i) {
    const char c = id.bytes[i];
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
  }
  return true;
}

// Printable ASCII, as far as a name in DNS can be.
bool is_name(View name) {
  if (name.size == 0 || name.size > kMaxNameSize) return false;
  for (size_t i = 0; i < name.size; ++i)
    if (name.bytes[i] <= ' ' || name.bytes[i] > '~') return false;
  return true;
}

bool is_network(const MemberNetwork& network) {
  if (!is_id(network.id) || !is_name(network.name)) return false;
  bool sound = true;
  network.each_address([&](const Address& address) { return sound = address.family != 0; });
  if (sound) network.each_name([&](View name) { return sound = is_name(name); });
  return sound;
}

}  // namespace

MemberNetwork Registration::read_network(RegistrationReader& at) {
  MemberNetwork network;
  network.id = at.text();
  network.name = at.text();
  network.members = at;
  for (int left = at.byte(); left > 0; --left)
    at.address();
  for (int left = at.byte(); left > 0; --left)
    at.text();
  return network;
}

size_t Registration::size_of(const uint8_t* prefix) {
  RegistrationReader at(prefix, kRegistrationPrefix);
  const size_t size = at.number(kRegistrationPrefix);
  return size <= kRegistrationPrefix || size > kMaxRegistration ? 0 : size;
}

bool Registration::decode(const uint8_t* bytes, size_t size, Registration& registration) {
  registration = Registration{};
  RegistrationReader at(bytes, size);
  if (size > kMaxRegistration || at.number(4) != size || at.number(4) != kRegistrationMagic)
    return false;
  const uint8_t kind = at.byte(), flags = at.byte();
  registration.kind = static_cast<RegistrationKind>(kind);
  registration.forwards = (flags & kForwards) != 0;
  registration.has_policy = (flags & kHasPolicy) != 0;
  registration.port = static_cast<uint16_t>(at.number(2));
  registration.id = at.text();
  if (kind < 1 || kind > 6 || (flags & ~(kForwards | kHasPolicy)) != 0 || !is_id(registration.id))
    return false;
  const auto is_complete = [&] {
    registration.policy_at = size - at.left();
    if (registration.has_policy && !NamePolicy::decode(at, registration.policy)) return false;
    return at.ok() && at.left() == 0;
  };
  if (registration.kind == RegistrationKind::kPolicy) return is_complete();
  if (registration.kind == RegistrationKind::kEnd || registration.kind == RegistrationKind::kReport)
    return !registration.has_policy && is_complete();
  if (registration.kind == RegistrationKind::kRegisterProcess) {
    registration.pid = static_cast<uint32_t>(at.number(4));
    registration.start_time = at.number(8);
  }
  if (registration.port == 0) return false;
  registration.server_count = at.byte();
  if (registration.server_count > kMaxServers) return false;
  for (size_t i = 0; i < registration.server_count; ++i) {
    Server& server = registration.servers[i];
    server.address = at.address();
    server.port = static_cast<uint16_t>(at.number(2));
    server.scope = static_cast<uint32_t>(at.number(4));
    if (!at.ok() || server.port == 0) return false;
  }
  registration.network_count_ = at.byte();
  if (registration.network_count_ > kMaxNetworks) return false;
  registration.networks_ = at;
  for (size_t i = 0; i < registration.network_count_; ++i) {
    const MemberNetwork network = read_network(at);
    if (!at.ok() || !is_network(network)) return false;
  }
  return is_complete();
}

}  // namespace caisson
