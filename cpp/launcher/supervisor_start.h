// Starts a supervisor, which from then on is on its own (cpp/supervisor/supervisor.h).
#pragma once

#include <string>

#include "../base/result.h"
#include "../base/unique_fd.h"
#include "../host/host_machine.h"
#include "template.h"

namespace caisson {

struct SupervisorStart {
  ProgramBytes config;  // cpp/program/supervisor_config.h
  // For the supervisor to hold: the lock of a range of host ids, or none, and the container's lock.
  UniqueFd ids;
  UniqueFd lock;
  std::string id;
};

// Returns the Node process's end of the connection to it. `init` is the file of caisson-init.
// Called on a launcher thread.
Result<UniqueFd> start_supervisor(const SupervisorStart& start, int init, Workplace& workplace);

}  // namespace caisson
