// When a process has begun: with its pid, that identifies it within one boot.
#pragma once

#include <stdint.h>

#include "../base/result.h"

namespace caisson {

// Field 22 of /proc/<pid>/stat (proc_pid_stat(5)), from a descriptor of that file, in clock ticks.
Result<uint64_t> read_start_time(int stat);

}  // namespace caisson
