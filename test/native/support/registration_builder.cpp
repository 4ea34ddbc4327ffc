#include "registration_builder.h"

namespace caisson::testing {
namespace {

std::string number(uint32_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i)
    text += static_cast<char>(value >> 8 * i);
  return text;
}

std::string text(const std::string& value) {
  return number(static_cast<uint32_t>(value.size()), 1) + value;
}

}  // namespace

void set_size(std::string& message) {
  message.replace(0, 4, number(static_cast<uint32_t>(message.size()), 4));
}

std::string registration(const RegistrationParts& parts) {
  const auto count = [](size_t value) { return number(static_cast<uint32_t>(value), 1); };
  std::string message = number(0, 4) + number(parts.magic, 4) + number(parts.kind, 1) +
                        number(parts.flags, 1) + number(parts.own_port, 2) + text(parts.id) +
                        parts.process + count(parts.servers.size());
  for (const std::string& server : parts.servers)
    message += server + number(parts.port, 2) + number(0, 4);
  message += count(parts.networks.size());
  for (const auto& network : parts.networks) {
    message += text(network.id) + text(network.name) + count(network.addresses.size());
    for (const std::string& address : network.addresses)
      message += address;
    message += count(network.names.size());
    for (const std::string& name : network.names)
      message += text(name);
  }
  message += parts.policy;
  set_size(message);
  return message;
}

std::string policy(uint8_t others, const std::vector<RuleParts>& rules, const std::string& set) {
  std::string bytes = number(others, 1);
  for (const char* kind : {"4", "6", "4-peers", "6-peers"})
    bytes += text(set + kind);
  bytes += number(static_cast<uint32_t>(rules.size()), 2);
  for (const RuleParts& rule : rules)
    bytes += number(rule.verdict, 1) + number(rule.protocol, 1) + number(rule.first, 2) +
             number(rule.last, 2) + text(rule.name);
  return bytes;
}

}  // namespace caisson::testing
