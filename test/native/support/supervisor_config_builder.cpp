#include "supervisor_config_builder.h"

namespace caisson::testing {
namespace {

std::string text_of(ProgramBuilder::Bytes program) {
  return {reinterpret_cast<const char*>(program.data()), program.size()};
}

}  // namespace

SupervisorParts supervisor_parts() {
  SupervisorParts parts;
  SupervisorHeader& header = parts.header;
  header.magic = kSupervisorMagic;
  header.stop_signal = 15;
  header.stop_timeout = 10;
  header.log_size = 10 << 20;
  header.log_files = 3;
  header.slots[0] = -1;
  header.slots[1] = 1;
  header.slots[2] = 2;
  header.slots[3] = 7;
  parts.texts = {std::string(64, 'a'),
                 "/data/containers/a",
                 "/data/names",
                 "name",
                 "/run/supervisors",
                 "/run/events",
                 "\"image\":\"x\"",
                 "network \"name\":\"web\"\n",
                 "boot",
                 text_of(ProgramBuilder::startable().build()),
                 text_of(ProgramBuilder::plain().build()),
                 ""};
  return parts;
}

ProgramBuilder::Bytes supervisor_config(const SupervisorParts& parts) {
  SupervisorHeader header = parts.header;
  std::vector<unsigned char> bytes(sizeof header);
  for (size_t i = 0; i < parts.texts.size(); ++i) {
    const std::string& text = parts.texts[i];
    header.text[i] = static_cast<uint32_t>(bytes.size());
    const uint64_t size = text.size();
    const auto* head = reinterpret_cast<const unsigned char*>(&size);
    bytes.insert(bytes.end(), head, head + sizeof size);
    bytes.insert(bytes.end(), text.begin(), text.end());
    do
      bytes.push_back(0);
    while (bytes.size() % 8 != 0);
  }
  header.size = static_cast<uint32_t>(bytes.size());
  memcpy(bytes.data(), &header, sizeof header);
  return ProgramBuilder::Bytes(bytes);
}

}  // namespace caisson::testing
