// Cgroups by their path: how the processes in them are killed, thawed and counted, and how a cgroup
// is removed.
#pragma once

#include <stdint.h>

#include "../base/result.h"

namespace caisson {

// Removes a cgroup with those below it, and kills the processes that are still in them. With
// `only_if_unused` it stays while it has processes or children.
Status remove_cgroup(const char* path, bool only_if_unused);

// Kills what is in a v1 freezer and in those below it: SIGKILL alone does not end a frozen process.
void kill_frozen(const char* path);

// Kills every process in a cgroup and in those below it.
void kill_cgroup(const char* path);

// Lets what was paused in a cgroup go on.
void thaw_cgroup(const char* path);

// Whether a cgroup is paused, or about to be.
bool is_frozen_cgroup(const char* path);

// The count behind "oom_kill " in v1's memory.oom_control or v2's memory.events.
uint32_t count_oom_kills(int fd);

}  // namespace caisson
