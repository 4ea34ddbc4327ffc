// What a container may ask for and connect to by name: a part of its registration (registration.h).
//
//   u8 default | 4 texts: names of the sets | u16 count
//   of each rule: u8 verdict | u8 protocol | u16 first port | u16 last port | text name
//
// A verdict is 0 to deny, 1 to allow. Protocol 0 stands for all; ICMP is that of IPv6 for an
// address of IPv6. A set without a name is none: addresses of that family cannot be opened. A name
// is in lower case; `*.example.org` is each name below example.org. A rule
// that denies is for all protocols and ports.
#pragma once

#include "registration_reader.h"

namespace caisson {

constexpr size_t kMaxRules = 512;
constexpr size_t kMaxDoors = 128;   // that all rules together need
constexpr size_t kMaxSetName = 64;  // bytes

// Connections to one address.
struct Door {
  uint8_t first_protocol, last_protocol;
  uint16_t first_port, last_port;

  bool operator==(const Door&) const = default;
};

enum class NameVerdict {
  kRefused,   // the name is not looked up
  kUnopened,  // it is, and its addresses are those of no rule
  kOpened,    // rules are about its addresses
};

// A decoded policy; it refers to the bytes.
class NamePolicy {
 public:
  static constexpr uint8_t kFamilies[] = {4, 6};

  // Reads one from `at`; false if anything is wrong with it.
  static bool decode(RegistrationReader& at, NamePolicy& policy);

  // Of a name as text; `plain` as that of dns::Name.
  NameVerdict judge(View name, bool plain) const;

  // Calls `visit` with each door of the name's addresses. The doors of all names are either the
  // same or have nothing in common, as elements of a set with intervals must not overlap, and
  // different names may have the same address.
  template <class Visit>
  void each_door(View name, uint8_t family, Visit visit) const {
    Doors doors;
    collect(name, family, doors);
    for (size_t i = 0; i < doors.count; ++i)
      visit(doors.list[i]);
  }

  // Names of sets: of addresses that name servers have answered, and of those of containers. Empty
  // if there is none.
  View set_of(uint8_t family, bool peers) const { return sets_[(peers ? 2 : 0) + (family == 6)]; }

 private:
  struct Doors {
    size_t count = 0;
    bool overflow = false;
    Door list[kMaxDoors];
  };
  struct Rule {
    bool allows;
    uint8_t protocol;
    uint16_t first_port, last_port;
    View name;
  };

  static Rule read_rule(RegistrationReader& at);
  static bool matches(const Rule& rule, View name);
  // With an empty name: those that all rules need.
  void collect(View name, uint8_t family, Doors& doors) const;
  void collect_ports(View name, uint8_t family, Door protocols, Doors& doors) const;

  template <class Visit>
  void each_rule(Visit visit) const {
    RegistrationReader at = rules_;
    for (size_t left = rule_count_; left > 0; --left)
      visit(read_rule(at));
  }

  bool allows_others_ = false;
  View sets_[4];
  size_t rule_count_ = 0;
  RegistrationReader rules_;
};

}  // namespace caisson
