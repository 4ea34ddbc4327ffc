// The teardown phase of a launch program: what a start has left on the host is removed. Run by
// Node's teardown thread or by the supervisor after a container has ended or failed to start, and
// by the cleanup helper when the Node process itself is gone.
#pragma once

#include "../base/result.h"
#include "../program/program.h"
#include "tree_removal.h"

namespace caisson {

// Kinds of steps that are left out.
//
// What ends processes and removes their cgroups takes moments; a tree takes as long as a container
// has made it, and must not keep other containers waiting (TreeTeardown). A claim is kept by a
// container that is started again.
constexpr unsigned kTrees = 1, kClaims = 2;

// Runs every step of the program's teardown phase, also after one has failed; the first failure is
// kept.
struct TeardownResult {
  Status status;
  size_t step = 0;
};
// `agent`: in whose network namespace requests are sent; -1: in this one.
TeardownResult run_teardown(const Program& program, unsigned except = 0, int agent = -1);

// The claims alone: nothing of this fails.
void release_claims(const Program& program);

// The anonymous volumes of a container that removes itself, unless others have them. `removed` is
// called with the path of each that was removed.
void remove_volumes(const Program& program, void (*removed)(void* self, const char* path),
                    void* self);

// Kills what is in the program's v1 freezer, which SIGKILL alone does not while it is frozen.
void kill_frozen(const Program& program);

// Kills every process in the cgroups that the program's teardown would remove.
void kill_cgroups(const Program& program);

// Whether the program's teardown removes a cgroup, and so ends whatever is in it.
bool has_cgroup(const Program& program);

// Thaws the cgroups that the program's teardown would remove.
void thaw(const Program& program);

// Whether a cgroup that the program's teardown would remove is paused, or about to be.
bool is_frozen(const Program& program);

// Kills the process with that pid and start time, and waits until it has ended; a missing one is no
// error. The first process of a pid namespace ends after all others in it.
Status end_process(uint64_t pid, uint64_t start_time);

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
