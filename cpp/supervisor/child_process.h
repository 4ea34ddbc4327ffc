// The processes that the supervisor has started: whether and how they have ended.
#pragma once

#include "../program/page.h"

namespace caisson {

// Reaps the process of this pidfd. False when it has not ended.
bool reap(int pidfd, Ending& ending);

// Waits for the end of a process that was killed, and reaps it. After so many seconds it is left
// alone.
void await_end(int pidfd, int seconds);

// The exit code as `docker run` and a shell have it: 128 + signal for an end by a signal.
inline int exit_code_of(const Ending& ending) {
  return ending.signal == 0 ? ending.code : 128 + ending.signal;
}

// Whether a child has begun to end (proc_pid_stat(5)): for the first process of a container, all
// others in it end with it. Its pid is not used again before it is reaped.
bool is_ending(int pid);

}  // namespace caisson
