// Registrations: the bytes that TypeScript writes, each way in which one can be malformed, and the
// names that one container may see of another.
#include "../../cpp/resolver/registration.h"

#include <memory>
#include <string>
#include <vector>

#include "../../cpp/resolver/names.h"
#include "support/check.h"
#include "support/registration_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)
using Parts = RegistrationParts;

std::string text_of(View view) {
  return {view.bytes, view.size};
}

bool decodes(const std::string& bytes) {
  Registration registration;
  return Registration::decode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                              registration);
}

Parts::Network network(const std::string& id, const std::vector<std::string>& addresses,
                       const std::vector<std::string>& names, const std::string& name = "net") {
  return {id, name, addresses, names};
}

const std::string kOne("\x04\x0a\x00\x00\x01", 5), kTwo("\x04\x0a\x00\x00\x02", 5),
    kThree("\x04\x0a\x00\x00\x03", 5), kSix("\x06" + std::string(15, '\0') + "\x09");

// The addresses that are found, as their last bytes: "1 2"; "-" for an unknown name.
std::string found(const Names& names, size_t asker, const std::string& name, uint8_t family = 4) {
  Address addresses[4];
  const Names::Found found = names.find(asker, {name.data(), name.size()}, family, addresses, 4);
  if (!found.known) return "-";
  std::string text;
  for (size_t i = 0; i < found.count; ++i)
    text += (i == 0 ? "" : " ") + std::to_string(addresses[i].bytes[addresses[i].size() - 1]);
  return text;
}

std::string name_of(const Names& names, size_t asker, const std::string& encoded) {
  RegistrationReader reader(reinterpret_cast<const uint8_t*>(encoded.data()), encoded.size());
  View name, in;
  return names.find_name(asker, reader.address(), name, in) ? text_of(name) + "." + text_of(in)
                                                            : "-";
}

}  // namespace

int main() {
  test("the bytes that TypeScript writes", [] {
    const std::string bytes = read_file("test/native/seeds/registration/golden");
    Registration registration;
    expect(Registration::decode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                                registration),
           "decoded");
    expect_equal(Registration::size_of(reinterpret_cast<const uint8_t*>(bytes.data())),
                 bytes.size());
    expect(registration.kind == RegistrationKind::kRegister, "a registration");
    expect(registration.forwards, "forwarding");
    expect_equal(registration.port, 61053);
    expect_equal(text_of(registration.id), "0123456789ab" + std::string(52, 'c'));
    expect_equal(registration.server_count, 2u);
    const uint8_t stub[] = {127, 0, 0, 53};
    expect(registration.servers[0].address == Address::v4(stub), "the first server");
    expect_equal(registration.servers[0].port, 53);
    expect_equal(registration.servers[1].address.family, 6);
    expect_equal(registration.servers[1].port, 5353);
    expect_equal(registration.servers[1].scope, 2u);
    std::string said;
    registration.each_network([&](const MemberNetwork& one) {
      said += text_of(one.name) + ":";
      one.each_address([&](const Address& address) {
        said += std::to_string(address.family) + "/" +
                std::to_string(address.bytes[address.size() - 1]) + " ";
        return true;
      });
      one.each_name([&](View name) {
        said += text_of(name) + " ";
        return true;
      });
      return true;
    });
    expect_equal(said, "front:4/2 6/2 web 0123456789ab www.example.org back:4/7 web ");
  });

  test("the policy that TypeScript writes", [] {
    const std::string bytes = read_file("test/native/seeds/registration/golden_policy");
    Registration decoded;
    expect(
        Registration::decode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), decoded),
        "decoded");
    expect(decoded.has_policy && decoded.forwards, "its flags");
    const NamePolicy& policy = decoded.policy;
    expect_equal(text_of(policy.set_of(4, false)), "names4-a");
    expect_equal(text_of(policy.set_of(6, false)), "names6-a");
    expect_equal(text_of(policy.set_of(4, true)), "peers4-a");
    expect_equal(text_of(policy.set_of(6, true)), "peers6-a");
    const auto doors = [&](const std::string& name, uint8_t family) {
      std::string said;
      policy.each_door({name.data(), name.size()}, family, [&](const Door& door) {
        said += std::to_string(door.first_protocol) + "-" + std::to_string(door.last_protocol) +
                ":" + std::to_string(door.first_port) + "-" + std::to_string(door.last_port) + " ";
      });
      return said;
    };
    expect_equal(doors("packages.example.org", 4), "1-1:0-65535 6-6:443-443 ");
    expect_equal(doors("packages.example.org", 6), "6-6:443-443 58-58:0-65535 ");
    expect_equal(doors("other.example.org", 4), "1-1:0-65535 ");
    const auto judge = [&](const std::string& name) {
      return static_cast<int>(policy.judge({name.data(), name.size()}, true));
    };
    expect_equal(judge("packages.example.org"), static_cast<int>(NameVerdict::kOpened));
    expect_equal(judge("bad.example.org"), static_cast<int>(NameVerdict::kRefused));
    expect_equal(judge("example.org"), static_cast<int>(NameVerdict::kRefused));
  });

  test("each prefix of a registration is refused, and each byte behind it", [] {
    const std::string bytes = registration({.flags = 3,
                                            .servers = {kOne},
                                            .networks = {network("a", {kOne, kSix}, {"web", "db"})},
                                            .policy = policy(0, {{}})});
    expect(decodes(bytes), "the whole is decoded");
    for (size_t size = 0; size < bytes.size(); ++size) {
      std::string cut = bytes.substr(0, size);
      expect(!decodes(cut), "cut at " + std::to_string(size));
      if (size < 4) continue;
      set_size(cut);  // it says so itself, too
      expect(!decodes(cut), "cut at " + std::to_string(size) + ", with that size");
    }
    std::string longer = bytes + '\0';
    set_size(longer);
    expect(!decodes(longer), "a byte behind the end is refused");
  });

  const auto refused = [](const char* what, const Parts& parts) {
    test(what, [&] { expect(!decodes(registration(parts)), "refused"); });
  };
  refused("another magic number", {.magic = 1});
  refused("no kind", {.kind = 0});
  refused("an unknown kind", {.kind = 7});
  refused("an unknown flag", {.flags = 4});
  refused("no port", {.own_port = 0});
  refused("no id", {.id = ""});
  refused("an id that leads elsewhere", {.id = "../../etc"});
  refused("an id that is too long", {.id = std::string(65, 'a')});
  refused("too many servers", {.servers = std::vector<std::string>(9, kOne)});
  refused("a server without an address", {.servers = {"\x05\x01\x02\x03\x04"}});
  refused("a server without a port", {.servers = {kOne}, .port = 0});
  refused("too many networks", {.networks = std::vector(33, network("a", {}, {}))});
  refused("a network without an id", {.networks = {network("", {}, {})}});
  refused("a network without a name", {.networks = {network("a", {}, {}, "")}});
  refused("an empty name", {.networks = {network("a", {}, {""})}});
  refused("a name with a space", {.networks = {network("a", {}, {"a b"})}});
  refused("a name with a NUL", {.networks = {network("a", {}, {std::string("a\0b", 3)})}});
  refused("a name that is not ASCII", {.networks = {network("a", {}, {"b\xc3\xbc"})}});
  refused("more than there is room for",
          {.networks = {network("a", {}, std::vector(100, std::string(200, 'x')))}});

  refused("a policy without its flag", {.policy = policy(0, {})});
  refused("a flag without a policy", {.flags = 3});
  const auto refused_policy = [&](const char* what, const std::string& bytes) {
    refused(what, {.flags = 3, .policy = bytes});
  };
  refused_policy("an unknown default", policy(2, {}));
  refused_policy("a set with a wrong name", policy(0, {}, std::string(1, '\0')));
  test("sets may be missing", [] {
    expect(decodes(registration({.flags = 3, .policy = std::string(7, '\0')})), "decoded");
  });
  refused_policy("a set with a long name", policy(0, {}, std::string(64, 'a')));
  refused_policy("an unknown verdict", policy(0, {{.verdict = 2}}));
  refused_policy("ports in the wrong order", policy(0, {{.first = 2, .last = 1}}));
  refused_policy("a name that is denied for a port", policy(0, {{.verdict = 0, .first = 1}}));
  refused_policy("a name that is denied for a protocol",
                 policy(0, {{.verdict = 0, .protocol = 6}}));
  for (const char* name : {"", "*", "*.", "a.*", "*.*.a", "A", "a b"})
    refused_policy("a rule with a wrong name", policy(0, {{.name = name}}));
  refused_policy("too many rules", policy(0, std::vector<RuleParts>(513, {.name = "a"})));
  test("rules need no more elements than there is room for", [] {
    std::vector<RuleParts> rules;
    for (uint16_t port = 0; port < 128; ++port)
      rules.push_back(
          {.first = static_cast<uint16_t>(2 * port), .last = static_cast<uint16_t>(2 * port)});
    expect(decodes(registration({.flags = 3, .policy = policy(0, rules)})), "as many");
    rules.push_back({.first = 1000, .last = 1000});
    expect(!decodes(registration({.flags = 3, .policy = policy(0, rules)})), "one more");
    rules.back() = {.first = 0, .last = 65535};
    expect(!decodes(registration({.flags = 3, .policy = policy(0, rules)})), "what is between");
  });

  test("an end has nothing but an id", [] {
    std::string bytes = registration({.kind = 3});
    expect(!decodes(bytes), "one with servers is refused");
    bytes.resize(bytes.size() - 2);
    set_size(bytes);
    expect(decodes(bytes), "one without is not");
  });

  test("a process by its name", [] {
    const std::string bytes =
        registration({.kind = 4, .process = std::string("\x39\x30\0\0\x01\0\0\0\x02\0\0\0", 12)});
    Registration decoded;
    expect(
        Registration::decode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), decoded),
        "decoded");
    expect_equal(decoded.pid, 12345u);
    expect_equal(decoded.start_time, 0x200000001u);
    expect(!decodes(registration({.kind = 4})), "one without is refused");
  });

  test("sizes that a message may claim", [] {
    const auto size_of = [](uint32_t size) {
      uint8_t prefix[kRegistrationPrefix];
      for (size_t i = 0; i < sizeof prefix; ++i)
        prefix[i] = static_cast<uint8_t>(size >> 8 * i);
      return Registration::size_of(prefix);
    };
    expect_equal(size_of(0), 0u);
    expect_equal(size_of(kRegistrationPrefix), 0u);
    expect_equal(size_of(kRegistrationPrefix + 1), kRegistrationPrefix + 1);
    expect_equal(size_of(kMaxRegistration), kMaxRegistration);
    expect_equal(size_of(kMaxRegistration + 1), 0u);
    expect_equal(size_of(UINT32_MAX), 0u);
  });

  // Far too large for the stack.
  const auto owner = std::make_unique<Names>();
  Names& names = *owner;
  const auto set = [&](size_t slot, const std::vector<Parts::Network>& networks) {
    const std::string bytes = registration({.networks = networks});
    return names.set(slot, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  };

  test("names are those of the networks that both share", [&] {
    set(0, {network("a", {kOne}, {"web", "w.w"}, "front")});
    set(1, {network("a", {kTwo, kSix}, {"db", "web"}, "front"),
            network("b", {kThree}, {"db"}, "back")});
    set(2, {network("b", {kOne}, {"hidden"}, "back")});
    expect_equal(found(names, 0, "db"), "2");
    expect_equal(found(names, 0, "DB"), "2", "without regard to case");
    expect_equal(found(names, 0, "web"), "1 2", "of two containers");
    expect_equal(found(names, 0, "w.w"), "1", "with a dot");
    expect_equal(found(names, 0, "hidden"), "-", "of another network");
    expect_equal(found(names, 1, "hidden"), "1");
    expect_equal(found(names, 2, "db"), "3", "the address in the shared network");
    expect_equal(found(names, 0, "db", 6), "9");
    expect_equal(found(names, 2, "db", 6), "", "known, without such an address");
    expect_equal(found(names, 0, ""), "-");
    expect_equal(found(names, 7, "db"), "-", "of a container that is not there");
  });

  test("names with the name of a network", [&] {
    expect_equal(found(names, 1, "db.front"), "2");
    expect_equal(found(names, 1, "db.back"), "3");
    expect_equal(found(names, 1, "DB.Back"), "3");
    expect_equal(found(names, 0, "w.w.front"), "1");
    expect_equal(found(names, 0, "db.back"), "-", "a network that it is not on");
    for (const char* name : {".", ".front", "db.", "..", "db..front", "front", "db.front.front"})
      expect_equal(found(names, 0, name), "-", name);
  });

  test("addresses have names with their network", [&] {
    expect_equal(name_of(names, 0, kTwo), "db.front");
    expect_equal(name_of(names, 0, kSix), "db.front");
    expect_equal(name_of(names, 0, kThree), "-", "in another network");
    expect_equal(name_of(names, 1, kThree), "db.back");
    expect_equal(name_of(names, 1, kOne), "web.front", "one that is used in both networks");
    expect_equal(name_of(names, 2, kOne), "hidden.back");
    expect_equal(name_of(names, 7, kOne), "-");
  });

  test("what is registered again, or no longer", [&] {
    set(1, {network("a", {kThree}, {"db"}, "front")});
    expect_equal(found(names, 0, "db"), "3");
    expect_equal(found(names, 0, "web"), "1");
    names.clear(1);
    expect_equal(found(names, 0, "db"), "-");
    expect_equal(found(names, 1, "web"), "-");
    const std::string wrong = "nothing";
    expect(!names.set(0, reinterpret_cast<const uint8_t*>(wrong.data()), wrong.size()), "refused");
    expect_equal(found(names, 0, "web"), "-");
  });

  test("as many addresses as there is room for", [&] {
    for (size_t slot = 0; slot < 6; ++slot)
      set(slot, {network("c", {kOne}, {"many"})});
    expect_equal(found(names, 0, "many"), "1 1 1 1");
  });

  return result();
}
