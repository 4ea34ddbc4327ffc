// Undoing: what a start left on the host goes away again. Run by Node's side after a container has
// ended or failed to start, and by the cleanup helper when Node itself is gone.
#pragma once

#include "../base/result.h"
#include "../base/unique_fd.h"
#include "../program/program.h"

namespace caisson {

// Runs every step of the program's teardown phase, also after one has failed; the first failure is
// kept.
struct TeardownResult {
  Status status;
  size_t step = 0;
};
TeardownResult run_teardown(const Program& program);

// The two parts of that. What ends processes and removes their cgroups takes moments; a tree takes
// as long as a container has made it, and must keep nobody else waiting.
TeardownResult run_teardown_but_trees(const Program& program);

// Kills what is in the program's v1 freezer, which SIGKILL alone does not while it is frozen.
void end_frozen(const Program& program);

// Whether the program's teardown removes a cgroup, and so ends whatever is in it.
bool has_cgroup(const Program& program);

// Lets what was paused go on: what the program's teardown would remove is frozen no more.
void thaw(const Program& program);

// Whether what the program's teardown would remove is paused, or about to be.
bool is_frozen(const Program& program);

// The count behind "oom_kill " in v1's memory.oom_control or v2's memory.events.
uint32_t count_oom_kills(int fd);

// Removes a cgroup directory with those below it, ending whatever still lives in them; or, with
// `only_if_unused`, leaves it where others have cgroups below.
Status remove_cgroup(const char* path, bool only_if_unused);

// Kills the process with that pid and start time, and waits until it has ended; missing is fine. Of
// the first process of a pid namespace the end comes after that of all others.
Status end_process(uint64_t pid, uint64_t start_time);

// Removes a directory with all that is below it; missing is fine.
Status remove_tree(const char* path);

// The same, some of it at a time.
class TreeRemoval {
 public:
  // Removes at most so many entries. True when there is more to do; else `status` says how it
  // ended.
  bool some(const char* path, size_t most, Status& status);

 private:
  UniqueFd top_;
  uint64_t serial_ = 0;  // of names for what is lifted
};

// The trees of a program's teardown phase, which outlives this, some of them at a time.
class TreeTeardown {
 public:
  // As of TreeRemoval: true when there is more to do; else `result` has the first failure, if there
  // was none before.
  bool some(const Program& program, size_t most, TeardownResult& result);

 private:
  size_t step_ = 0;
  TreeRemoval removal_;
};

}  // namespace caisson
