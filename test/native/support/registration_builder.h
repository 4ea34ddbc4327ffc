// Registrations as lib/network/names/registration.ts writes them, and wrong ones.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "../../../cpp/resolver/registration.h"

namespace caisson::testing {

struct RegistrationParts {
  struct Network {
    std::string id, name;
    std::vector<std::string> addresses;  // with their families
    std::vector<std::string> names;
  };

  uint32_t magic = kRegistrationMagic;
  uint8_t kind = 1;
  uint8_t flags = 1;
  uint16_t own_port = 53;
  std::string id = "abc";
  std::string process;               // of kind 4: pid and start time
  std::vector<std::string> servers;  // addresses with their families
  uint16_t port = 53;
  std::vector<Network> networks;
  std::string policy;  // with its flag
};

struct RuleParts {
  uint8_t verdict = 1;
  uint8_t protocol = 0;
  uint16_t first = 0, last = 65535;
  std::string name = "a.example";
};
// The bytes of a policy.
std::string policy(uint8_t others, const std::vector<RuleParts>& rules,
                   const std::string& set = "names");

std::string registration(const RegistrationParts& parts);

// Writes the size of the message to its beginning.
void set_size(std::string& message);

}  // namespace caisson::testing
