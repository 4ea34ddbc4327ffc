// What a process of caisson-archive can give up.
#pragma once

#include <stdint.h>

#include <span>

#include "../base/result.h"

namespace caisson {

// Those of the list that this process has.
Status keep_capabilities(std::span<const unsigned> kept);

Status limit_resource(int resource, uint64_t most);

Status give_up_privileges();

// Of all threads: these system calls, and no new executable memory.
Status load_filter(std::span<const uint32_t> allowed);

}  // namespace caisson
