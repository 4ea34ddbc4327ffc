// What a supervisor is told, for tests: as lib/engine/supervisor/supervisor-config.ts writes it.
#pragma once

#include "../../../cpp/program/supervisor_config.h"
#include "program_builder.h"

namespace caisson::testing {

// A sound one, after `change` had its way with the header and the texts.
struct SupervisorParts {
  SupervisorHeader header{};
  std::vector<std::string> texts;
};
SupervisorParts supervisor_parts();
ProgramBuilder::Bytes supervisor_config(const SupervisorParts& parts);

}  // namespace caisson::testing
