#include "teardown.h"

#include <poll.h>

#include "../base/kernel.h"
#include "../base/text.h"
#include "cgroups.h"
#include "netlink_request.h"
#include "start_time.h"
#include "tree_removal.h"

namespace caisson {
namespace {

constexpr const char* kFirst = "the container's first process";
constexpr time_t kEndPatience = 5;  // seconds

// Whether the step removes a cgroup of this container alone: not one that may have others' below
// it.
bool removes_own_cgroup(const Step& step) {
  return step.op == Op::kCgroupRemove && step.number[0] == 0;
}

// Calls `visit` with the path of each cgroup of this container alone, until it returns false.
template <class Visit>
void each_own_cgroup(const Program& program, Visit visit) {
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    if (removes_own_cgroup(step) && !visit(program.text(step, 0))) return;
  }
}

}  // namespace

void kill_frozen(const Program& program) {
  each_own_cgroup(program, [](const char* path) {
    kill_frozen(path);
    return true;
  });
}

void kill_cgroups(const Program& program) {
  each_own_cgroup(program, [](const char* path) {
    kill_cgroup(path);
    return true;
  });
}

bool has_cgroup(const Program& program) {
  bool found = false;
  each_own_cgroup(program, [&found](const char*) {
    found = true;
    return false;
  });
  return found;
}

void thaw(const Program& program) {
  each_own_cgroup(program, [](const char* path) {
    thaw_cgroup(path);
    return true;
  });
}

bool is_frozen(const Program& program) {
  bool frozen = false;
  each_own_cgroup(program, [&frozen](const char* path) {
    frozen = is_frozen_cgroup(path);
    return !frozen;
  });
  return frozen;
}

Status end_process(uint64_t pid, uint64_t start_time) {
  const long opened = sys::call(__NR_pidfd_open, pid, 0);
  if (opened == -ESRCH) return {};
  if (opened < 0) return failure(opened, "pidfd_open", kFirst);
  const UniqueFd process(static_cast<int>(opened));
  Text<32> path;
  path.add("/proc/").add(pid).add("/stat");
  const UniqueFd stat(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (!stat.valid()) return {};
  // What is read belongs to the process of the descriptor, as its pid is not free while that is
  // open.
  auto began = read_start_time(stat.get());
  if (!began.ok() || began.value() != start_time) return {};
  const long killed = sys::call(__NR_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  if (killed == -ESRCH) return {};
  if (killed < 0) return failure(killed, "pidfd_send_signal", kFirst);
  pollfd end{process.get(), POLLIN, 0};
  const timespec patience{kEndPatience, 0};
  if (sys::call(__NR_ppoll, &end, 1, &patience, nullptr, 0) > 0) return {};
  return failure(-EBUSY, "pidfd_send_signal", kFirst);
}

namespace {

// A claim is a file of its own name in a directory that may hold others' after it
// (lib/network/bridge/addresses.ts), or one that no other container has, so that doing this again,
// or late, releases no other one.
void release_claim(const char* file, const char* directory) {
  sys::call(__NR_unlinkat, AT_FDCWD, file, 0);
  if (directory != nullptr) sys::call(__NR_unlinkat, AT_FDCWD, directory, AT_REMOVEDIR);
}

// Of every instruction that a teardown may have, but tree.remove.
Status tear_down_step(const Program& program, const Step& step, int agent) {
  const char* text = program.text(step, 0);
  switch (step.op) {
    case Op::kCgroupRemove:
      return remove_cgroup(text, step.number[0] != 0);
    case Op::kClaimRelease:
      release_claim(text, program.text(step, 1));
      return {};
    case Op::kProcessEnd:
      return end_process(step.number[0], step.number[1]);
    case Op::kNetlinkRequest: {
      NetlinkRefusal refusal;
      Status sent = request_netlink(program, step, -1, refusal, agent);
      return sent.ok() ? sent : Status{Error{sent.error().number, sent.error().call, text}};
    }
    case Op::kNetlinkSave:
      return save_netlink(program, step, agent);
    default:
      return Error{ENOSYS, instruction(step.op).name, text};
  }
}

// All but the removal of trees.
TeardownResult run_steps(const Program& program, bool claims, int agent) {
  TeardownResult result;
  bool thawed = false;
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    if (step.op == Op::kTreeRemove || step.op == Op::kVolumeRemove || step.op == Op::kLayersRelease)
      continue;
    if (step.op == Op::kClaimRelease && !claims) continue;
    const char* path = program.text(step, 0);
    // A process that is frozen in one v1 hierarchy cannot be killed, and keeps the cgroups of all
    // the others busy.
    if (removes_own_cgroup(step) && !thawed &&
        sys::call(__NR_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) == -EBUSY) {
      kill_frozen(program);
      thawed = true;
    }
    Status status = tear_down_step(program, step, agent);
    if (!status.ok() && result.status.ok()) {
      result.status = status;
      result.step = i;
    }
  }
  return result;
}

}  // namespace

namespace {

// Whether no run has the volume: these hold a shared lock on its file
// (lib/volumes/volume-holds.ts). The lock is held as long as `file` is open.
bool is_free(int file) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_len = 1;
  return sys::call(__NR_fcntl, file, F_OFD_SETLK, &lock) >= 0;
}

// Each container that has an anonymous volume, or a layer that a fork has frozen, has a file in
// the directory `users` of that, which exists until the last one of them releases it: none can be
// added after that.
UniqueFd without_user(const char* path, const char* container) {
  const long opened =
      sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  UniqueFd directory(static_cast<int>(opened));
  Text<80> user;
  user.add("users/").add(container);
  if (directory.valid()) sys::call(__NR_unlinkat, directory.get(), user.c_str(), 0);
  return directory;
}

// Layers, by their names in `base` (lib/engine/container/frozen-layers.ts).
void release_layers(const char* base, const char* container, Blob names) {
  for (const char* name = names.data; name < names.data + names.size; name += length(name) + 1) {
    Text<4096> path;
    path.add(base).add("/").add(name);
    if (path.truncated()) continue;
    const UniqueFd layer = without_user(path.c_str(), container);
    if (layer.valid() && sys::call(__NR_unlinkat, layer.get(), "users", AT_REMOVEDIR) >= 0)
      static_cast<void>(remove_tree(path.c_str()));
  }
  // With the last of all.
  sys::call(__NR_unlinkat, AT_FDCWD, base, AT_REMOVEDIR);
}

bool remove_volume(const char* path, const char* container) {
  const UniqueFd directory = without_user(path, container);
  if (!directory.valid()) return false;
  const UniqueFd file(static_cast<int>(
      sys::call(__NR_openat, directory.get(), "volume.json", O_RDWR | O_NOFOLLOW | O_CLOEXEC)));
  if (!file.valid() || !is_free(file.get())) return false;
  if (sys::call(__NR_unlinkat, directory.get(), "users", AT_REMOVEDIR) < 0) return false;
  sys::call(__NR_unlinkat, directory.get(), "volume.json", 0);
  return remove_tree(path).ok();
}

}  // namespace

void remove_volumes(const Program& program, void (*removed)(void* self, const char* path),
                    void* self) {
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    const char* path = program.text(step, 0);
    if (step.op == Op::kLayersRelease)
      release_layers(path, program.text(step, 1), program.blob(step, 2));
    if (step.op != Op::kVolumeRemove) continue;
    if (remove_volume(path, program.text(step, 1))) removed(self, path);
  }
}

bool TreeTeardown::some(const Program& program, size_t most, TeardownResult& result) {
  for (; step_ < program.count(Phase::kTeardown); ++step_) {
    const Step& step = program.step(Phase::kTeardown, step_);
    if (step.op != Op::kTreeRemove) continue;
    Status status;
    if (removal_.some(program.text(step, 0), most, status)) return true;
    if (!status.ok() && result.status.ok()) {
      result.status = status;
      result.step = step_;
    }
  }
  return false;
}

TeardownResult run_teardown(const Program& program, unsigned except, int agent) {
  TeardownResult result = run_steps(program, (except & kClaims) == 0, agent);
  TreeTeardown trees;
  while ((except & kTrees) == 0 && trees.some(program, ~size_t{0}, result)) {
  }
  return result;
}

void release_claims(const Program& program) {
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    if (step.op == Op::kClaimRelease) release_claim(program.text(step, 0), program.text(step, 1));
  }
}

}  // namespace caisson
