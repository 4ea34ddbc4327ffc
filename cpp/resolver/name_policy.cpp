#include "name_policy.h"

namespace caisson {
namespace {

constexpr uint8_t kIcmp = 1, kIcmpV6 = 58;
constexpr uint16_t kLastPort = 65535;

// What is printed is what is there: no rule needs anything else.
bool is_domain(View name) {
  if (name.size > 2 && name.bytes[0] == '*' && name.bytes[1] == '.') {
    name.bytes += 2;
    name.size -= 2;
  }
  if (name.size == 0 || name.size > kMaxNameSize) return false;
  for (size_t i = 0; i < name.size; ++i) {
    const char c = name.bytes[i];
    if (c <= ' ' || c > '~' || c == '*' || (c >= 'A' && c <= 'Z')) return false;
  }
  return true;
}

bool is_set(View name) {
  if (name.size > kMaxSetName) return false;
  for (size_t i = 0; i < name.size; ++i) {
    const char c = name.bytes[i];
    const bool sound = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!sound) return false;
  }
  return true;
}

uint8_t protocol_for(uint8_t protocol, uint8_t family) {
  return protocol == kIcmp && family == 6 ? kIcmpV6 : protocol;
}

// Where one range ends and another one begins, of numbers below 65537.
class Cuts {
 public:
  void add(uint32_t first, uint32_t behind) {
    add(first);
    add(behind);
  }
  size_t size() const { return size_; }
  uint32_t operator[](size_t i) const { return at_[i]; }
  bool overflow() const { return overflow_; }

 private:
  void add(uint32_t cut) {
    size_t i = size_;
    while (i > 0 && at_[i - 1] > cut)
      --i;
    if (i > 0 && at_[i - 1] == cut) return;
    if (size_ == kMost) {
      overflow_ = true;
      return;
    }
    for (size_t j = size_++; j > i; --j)
      at_[j] = at_[j - 1];
    at_[i] = cut;
  }

  static constexpr size_t kMost = 2 * kMaxDoors + 2;  // with what lies between the doors
  uint32_t at_[kMost];
  size_t size_ = 0;
  bool overflow_ = false;
};

}  // namespace

NamePolicy::Rule NamePolicy::read_rule(RegistrationReader& at) {
  Rule rule;
  rule.allows = at.byte() == 1;
  rule.protocol = at.byte();
  rule.first_port = static_cast<uint16_t>(at.number(2));
  rule.last_port = static_cast<uint16_t>(at.number(2));
  rule.name = at.text();
  return rule;
}

bool NamePolicy::decode(RegistrationReader& at, NamePolicy& policy) {
  policy = NamePolicy{};
  const uint8_t others = at.byte();
  policy.allows_others_ = others == 1;
  bool sound = others <= 1;
  for (View& set : policy.sets_) {
    set = at.text();
    sound = sound && is_set(set);
  }
  policy.rule_count_ = at.number(2);
  if (!sound || policy.rule_count_ > kMaxRules) return false;
  policy.rules_ = at;
  for (size_t left = policy.rule_count_; left > 0; --left) {
    RegistrationReader verdict = at;
    if (verdict.byte() > 1) return false;
    const Rule rule = read_rule(at);
    const bool all = rule.protocol == 0 && rule.first_port == 0 && rule.last_port == kLastPort;
    if (!at.ok() || !is_domain(rule.name) || rule.first_port > rule.last_port ||
        (!rule.allows && !all))
      return false;
  }
  for (const uint8_t family : kFamilies) {
    Doors doors;
    policy.collect({}, family, doors);
    if (doors.overflow) return false;
  }
  return true;
}

bool NamePolicy::matches(const Rule& rule, View name) {
  const View wanted = rule.name;
  if (wanted.bytes[0] != '*') return same_name(wanted, name);
  const size_t size = wanted.size - 1;  // with the dot
  return name.size > size &&
         same_name({wanted.bytes + 1, size}, {name.bytes + name.size - size, size});
}

NameVerdict NamePolicy::judge(View name, bool plain) const {
  bool allowed = false, denied = !plain;
  each_rule([&](const Rule& rule) {
    if (matches(rule, name)) (rule.allows ? allowed : denied) = true;
  });
  if (denied || (!allowed && !allows_others_)) return NameVerdict::kRefused;
  return allowed ? NameVerdict::kOpened : NameVerdict::kUnopened;
}

// The rules cut the protocols into ranges, and the ports of each of these ranges.
void NamePolicy::collect(View name, uint8_t family, Doors& doors) const {
  Cuts cuts;
  cuts.add(0, 256);
  each_rule([&](const Rule& rule) {
    const uint32_t protocol = protocol_for(rule.protocol, family);
    if (rule.allows && protocol != 0) cuts.add(protocol, protocol + 1);
  });
  doors.overflow = doors.overflow || cuts.overflow();
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    collect_ports(
        name, family,
        {static_cast<uint8_t>(cuts[i]), static_cast<uint8_t>(cuts[i + 1] - 1), 0, kLastPort},
        doors);
}

void NamePolicy::collect_ports(View name, uint8_t family, Door protocols, Doors& doors) const {
  // Protocol 0 among the first is no protocol of its own.
  const auto concerns = [&](const Rule& rule) {
    return rule.allows &&
           (rule.protocol == 0 || protocol_for(rule.protocol, family) == protocols.first_protocol);
  };
  Cuts cuts;
  each_rule([&](const Rule& rule) {
    if (concerns(rule)) cuts.add(rule.first_port, rule.last_port + 1u);
  });
  doors.overflow = doors.overflow || cuts.overflow();
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    bool opened = false;
    each_rule([&](const Rule& rule) {
      if (!opened && concerns(rule) && rule.first_port <= cuts[i] && rule.last_port >= cuts[i])
        opened = name.size == 0 || matches(rule, name);
    });
    if (!opened) continue;
    if (doors.count == kMaxDoors) {
      doors.overflow = true;
      return;
    }
    protocols.first_port = static_cast<uint16_t>(cuts[i]);
    protocols.last_port = static_cast<uint16_t>(cuts[i + 1] - 1);
    doors.list[doors.count++] = protocols;
  }
}

}  // namespace caisson
