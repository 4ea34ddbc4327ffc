#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/sys.h"
#include "../program/control.h"
#include "../steps/machine.h"
#include "subcommands.h"

namespace caisson {
namespace {

constexpr int kCloseOnExec = O_CLOEXEC;

// In the order of kClonedCalls.
enum Call : uint32_t { kPrctl, kSetns, kDup, kClone };

[[noreturn]] void report(int control, long result, Call call, int pidfd) {
  const ClonedMessage message{kClonedMagic, static_cast<int32_t>(result), call};
  const bool sent = send_message(control, &message, sizeof message, &pidfd, pidfd < 0 ? 0 : 1).ok();
  sys::exit_group(sent && result > 0 ? 0 : 1);
}

// A pid namespace whose first process is ending takes no other, which the kernel calls ENOMEM.
bool ends_soon(int target) {
  pollfd end{target, POLLIN, 0};
  struct {
    long seconds, nanoseconds;
  } patience{2, 0};
  return sys::call(__NR_ppoll, &end, 1, &patience, nullptr, 0) > 0;
}

// Without a process in the container's pid namespace, so that none inside can see or stop this one.
[[noreturn]] void stay_outside(int page_fd, int control, int target, uint64_t namespaces) {
  // Node's streams must not stay open for as long as a file inside takes to answer.
  sys::call(__NR_close_range, 0, 2, 0);
  // Opened before the container's own /proc takes the place of this one.
  const long own =
      sys::call(__NR_openat, AT_FDCWD, "/proc/self/fd", O_PATH | O_DIRECTORY | kCloseOnExec);
  const long joined = own < 0 ? own : sys::call(__NR_setns, target, namespaces);
  if (joined < 0) {
    uint64_t size = 0;
    if (Page* const page = map_page(page_fd, size); page != nullptr)
      record_error(page, Phase::kContainer, 0, failure(joined, own < 0 ? "openat" : "setns"));
    sys::exit_group(1);
  }
  sys::close(target);
  init_main(page_fd, control, false, static_cast<int>(own));
}

}  // namespace

void join_main(int page_fd, int control, int target, int cgroup, uint64_t namespaces,
               uint64_t new_namespaces, Joining joining, int life) {
  sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  reset_memory_attributes(page_fd);
  if (joining == Joining::kStaysOutside) stay_outside(page_fd, control, target, namespaces);
  const bool detached = joining == Joining::kClonesDetached;
  // All at once (setns(2) with a pidfd, Linux 5.8): after the user namespace alone this process
  // would lack the rights to join those that do not belong to it. Root and working directory become
  // the mount namespace's own, so that the clone, which others inside see from its first moment on,
  // has nothing of the host in /proc/<pid>/root either.
  if (const long joined = sys::call(__NR_setns, target, namespaces); joined < 0)
    report(control, joined, kSetns, -1);
  // Inherited by the clone (CVE-2016-9962). Joining a user namespace has set it anew.
  if (const long hidden = sys::call(__NR_prctl, PR_SET_DUMPABLE, 0); hidden < 0)
    report(control, hidden, kPrctl, -1);
  // Node's own streams stay outside. Something has to be in their place, or what comes later would
  // take their numbers.
  for (int fd = 0; fd < 3; ++fd)
    if (const long placed = sys::call(__NR_dup3, control, fd, kCloseOnExec); placed < 0)
      report(control, placed, kDup, -1);

  int pidfd = -1;
  clone_args clone{};
  clone.flags = CLONE_PIDFD | new_namespaces;
  clone.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  // Node's child, as a container is, and told of by the signal that this one has. The parent of a
  // detached one ends soon, and the reaper of the outer pid namespace adopts it.
  if (detached || life >= 0)
    clone.exit_signal = SIGCHLD;
  else
    clone.flags |= CLONE_PARENT;
  if (cgroup >= 0) {
    clone.flags |= CLONE_INTO_CGROUP;
    clone.cgroup = static_cast<uint64_t>(cgroup);
  }
  const long pid = sys::call(__NR_clone3, &clone, sizeof clone);
  if (pid == 0) {
    sys::close(target);
    if (cgroup >= 0) sys::close(cgroup);
    if (life >= 0) sys::close(life);
    init_main(page_fd, control, detached);
  }
  if (pid > 0 && life >= 0) {
    const ClonedMessage message{kClonedMagic, static_cast<int32_t>(pid), kClone};
    uint64_t size = 0;
    Page* const page = map_page(page_fd, size);
    if (page == nullptr || !send_message(control, &message, sizeof message, &pidfd, 1).ok())
      sys::exit_group(1);
    for (int fd = 0; fd < 3; ++fd)
      sys::close(fd);
    sys::close(control);
    sys::close(target);
    if (cgroup >= 0) sys::close(cgroup);
    sys::call(__NR_prctl, PR_SET_PDEATHSIG, 0);
    be_exec_supervisor(page, static_cast<int>(pid), pidfd, life);
  }
  const bool ended = pid == -ENOMEM && ends_soon(target);
  // A clone that fails late has written a number that is no descriptor.
  report(control, ended ? -ESRCH : pid, kClone, pid > 0 ? pidfd : -1);
}

}  // namespace caisson
