#pragma once

#include <stdint.h>

namespace caisson {

// `caisson-init init PAGE CONTROL`: inside a new container; runs the container's half.
[[noreturn]] void init_face(int page_fd, int control, bool outlives_node);

// `caisson-init join PAGE CONTROL PIDFD CGROUP NAMESPACES [detached]`: outside; joins, and clones a
// process into the pid namespace of another one (and into a cgroup, or -1), tells Node's side, and
// ends. The clone runs the container's half. Node's launcher does not clone it itself, as it would
// share Node's memory until its exec, within reach of whoever may ptrace inside.
[[noreturn]] void join_face(int page_fd, int control, int target, int cgroup, uint64_t namespaces,
                            bool detached);

// `caisson-init guard PIPE JOURNAL`: outside; one for each Node process. When that process is gone,
// however it went, the pipe ends; the guard then runs every teardown in the journal, and ends.
[[noreturn]] void guard_face(int life, int journal);

// `caisson-init monitor CONFIG INIT CLIENT [IDS] ID`: outside; keeps one detached container, and is
// nobody's child. IDS is only held, for the lock on it; ID is for who looks at `ps`.
[[noreturn]] void monitor_face(int config_fd, int init_fd, int client);

// `caisson-init probe DIRECTORY`: prints what works on this machine for this user, and what does
// not; DIRECTORY is one of the filesystem that containers would lie on.
[[noreturn]] void probe_face(const char* data);

}  // namespace caisson
