// Whatever bytes come: Registration::decode refuses them, or everything that they hold can be read,
// and lies within them.
#include <string.h>

#include <memory>
#include <vector>

#include "../../cpp/resolver/names.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

bool overlap(const Door& a, const Door& b) {
  return a.first_protocol <= b.last_protocol && b.first_protocol <= a.last_protocol &&
         a.first_port <= b.last_port && b.first_port <= a.last_port;
}

// Parts of different names are either the same, or have nothing in common.
void try_policy(const NamePolicy& policy) {
  constexpr View kNames[] = {{"a", 1}, {"b.a", 3}, {"bad.example.org", 15}, {"a.example.org", 13}};
  for (const uint8_t family : NamePolicy::kFamilies) {
    std::vector<Door> seen;
    for (const View name : kNames) {
      std::vector<Door> own;
      policy.each_door(name, family, [&](const Door& door) {
        require(door.first_protocol <= door.last_protocol && door.first_port <= door.last_port);
        for (const Door& other : own)
          require(!overlap(door, other));
        for (const Door& other : seen)
          require(door == other || !overlap(door, other));
        own.push_back(door);
      });
      require(own.size() <= kMaxDoors);
      if (policy.judge(name, true) == NameVerdict::kOpened) require(!own.empty());
      seen.insert(seen.end(), own.begin(), own.end());
    }
    require(policy.judge(kNames[0], false) == NameVerdict::kRefused);
    for (const bool peers : {false, true})
      require(policy.set_of(family, peers).size <= kMaxSetName);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size: what is read past it is noticed.
  const auto copy = std::make_unique<uint8_t[]>(size);
  if (size > 0) memcpy(copy.get(), data, size);
  // The search would hardly find what depends on the size of its own attempts.
  if (size >= kRegistrationPrefix)
    for (size_t i = 0; i < kRegistrationPrefix; ++i)
      copy[i] = static_cast<uint8_t>(size >> 8 * i);

  Registration registration;
  if (!Registration::decode(copy.get(), size, registration)) return 0;
  if (registration.has_policy) try_policy(registration.policy);
  require(registration.policy_at <= size);
  const char* const begin = reinterpret_cast<const char*>(copy.get());
  const auto inside = [&](View view, size_t longest) {
    return view.size > 0 && view.size <= longest && view.bytes >= begin &&
           view.bytes + view.size <= begin + size;
  };
  require(inside(registration.id, kMaxIdSize) && registration.server_count <= kMaxServers);
  size_t networks = 0;
  registration.each_network([&](const MemberNetwork& network) {
    ++networks;
    require(inside(network.id, kMaxIdSize) && inside(network.name, kMaxNameSize));
    network.each_address([&](const Address& address) {
      require(address.family == 4 || address.family == 6);
      return true;
    });
    network.each_name([&](View name) {
      require(inside(name, kMaxNameSize));
      return true;
    });
    return true;
  });
  require(networks <= kMaxNetworks);

  // Each of its names is found by itself.
  static const auto names = std::make_unique<Names>();
  require(names->set(0, copy.get(), size));
  registration.each_network([&](const MemberNetwork& network) {
    network.each_name([&](View name) {
      Address addresses[2];
      const Names::Found found = names->find(0, name, 4, addresses, 2);
      require(found.count <= 2 && (found.known || found.count == 0));
      return true;
    });
    return networks < 4;
  });
  return 0;
}
