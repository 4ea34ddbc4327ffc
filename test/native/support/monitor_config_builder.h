// What a monitor is told, for tests: as lib/engine/supervisor/monitor-config.ts writes it.
#pragma once

#include "../../../cpp/program/monitor_config.h"
#include "program_builder.h"

namespace caisson::testing {

// A sound one, after `change` had its way with the header and the texts.
struct MonitorParts {
  MonitorHeader header{};
  std::vector<std::string> texts;
};
MonitorParts monitor_parts();
ProgramBuilder::Bytes monitor_config(const MonitorParts& parts);

}  // namespace caisson::testing
