#include "confined.h"

#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/id_map_wait.h"
#include "../base/kernel.h"
#include "../base/sys.h"
#include "archive_commands.h"
#include "jail.h"
#include "report.h"

namespace caisson {
namespace {

constexpr size_t kLongestPath = 4096;

int report_failure(const Error& error, int fd) {
  const Trouble trouble{Refusal::kSystem, error.call, error.number};
  return Report().trouble(trouble, error.object == nullptr ? "" : error.object).send(fd) ? 0 : 1;
}

Status die_with_parent() {
  return check(sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL), "prctl PR_SET_PDEATHSIG");
}

// The mounts of an open directory are those of the mount namespace in which it was opened; the
// working directory moves along.
Status enter_own_user_namespace() {
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  const long moved = sys::call(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS);
  const bool mapped = await_id_maps(kChannelFd, moved);
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  sys::close(kChannelFd);
  if (!mapped) return failure(moved < 0 ? moved : -EPERM, "unshare");
  if (Status ruled = die_with_parent(); !ruled.ok()) return ruled;
  return {};
}

// All of them, for the confined process; that of mounts comes later.
Status leave_namespaces(bool has_network) {
  uint64_t apart = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  if (!has_network) {
    apart |= CLONE_NEWNET;
  } else if (const long joined = sys::call(__NR_setns, kNetworkFd, CLONE_NEWNET); joined < 0) {
    return failure(joined, "setns");
  }
  return check(sys::call(__NR_unshare, apart), "unshare");
}

long set_opaque(int root, const char* path, const char* attribute) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const UniqueFd directory(static_cast<int>(sys::call(__NR_openat2, root, path, &how, sizeof how)));
  if (!directory.valid()) return directory.get();
  return sys::call(__NR_fsetxattr, directory.get(), attribute, "y", 1, 0);
}

// Until the confined process has ended.
void serve(int channel, int root, const char* attribute) {
  char path[kLongestPath];
  for (;;) {
    const long size = sys::call(__NR_recvfrom, channel, path, sizeof path, 0, nullptr, nullptr);
    if (size == -EINTR) continue;
    if (size <= 0) return;
    if (size == sizeof path) return;
    path[size] = '\0';
    const bool whole = strlen(path) == static_cast<size_t>(size);
    const auto answer = static_cast<int32_t>(whole ? set_opaque(root, path, attribute) : -EINVAL);
    if (sys::call(__NR_sendto, channel, &answer, sizeof answer, MSG_NOSIGNAL, nullptr, 0) < 0)
      return;
  }
}

[[noreturn]] void become_confined(int mount, const JailFds& fds, const Arguments& arguments,
                                  void (*work)(const Arguments&)) {
  Status confined = die_with_parent();
  if (confined.ok()) confined = enter_jail(mount, fds);
  if (!confined.ok()) {
    // They may have been arranged, or not yet.
    const bool arranged = sys::call(__NR_fcntl, fds.report, F_GETFD) < 0;
    sys::exit_group(report_failure(confined.error(), arranged ? 1 : fds.report));
  }
  work(arguments);
  sys::exit_group(1);
}

}  // namespace

int run_confined(const Arguments& arguments, void (*work)(const Arguments&)) {
  const auto failed = [](const Error& error) { return report_failure(error, kReportFd); };
  if (Status ruled = die_with_parent(); !ruled.ok()) return failed(ruled.error());
  if (const long moved = sys::call(__NR_fchdir, kDirectoryFd); moved < 0)
    return failed(failure(moved, "fchdir"));
  const bool rootless = arguments.number("user-namespace", 0) != 0;
  if (rootless)
    if (Status entered = enter_own_user_namespace(); !entered.ok()) return failed(entered.error());
  const UniqueFd root(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!root.valid()) return failed(failure(root.get(), "openat"));
  auto mount = clone_directory(root.get());
  if (!mount.ok()) return failed(mount.error());
  int pair[2];
  if (const long made = sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
      made < 0)
    return failed(failure(made, "socketpair"));
  UniqueFd near(pair[0]), far(pair[1]);
  if (Status apart = leave_namespaces(arguments.number("network", 0) != 0); !apart.ok())
    return failed(apart.error());
  const int directories = arguments.number("directories", 0) != 0 ? kDirectoriesFd : -1;
  // The C library's, which the threads of the child need.
  const pid_t child = fork();
  if (child < 0) return failed(failure(-EAGAIN, "fork"));
  if (child == 0)
    become_confined(mount.value().get(), {0, kReportFd, far.get(), directories}, arguments, work);
  // Its caller sees the input closed when the confined process has ended.
  sys::close(0);
  far.reset();
  mount.value().reset();
  if (Status confined = confine_outside(); !confined.ok()) {
    sys::call(__NR_kill, child, SIGKILL);
    return failed(confined.error());
  }
  serve(near.get(), root.get(), rootless ? "user.overlay.opaque" : "trusted.overlay.opaque");
  near.reset();
  int status = 0;
  long ended;
  do
    ended = sys::call(__NR_wait4, child, &status, 0, nullptr);
  while (ended == -EINTR);
  if (ended == child && WIFEXITED(status)) return WEXITSTATUS(status);
  Report report;
  report.text("kind", "killed")
      .text("detail", "the process that reads the archive was killed")
      .number("signal", WIFSIGNALED(status) ? static_cast<uint64_t>(WTERMSIG(status)) : 0);
  return report.send(kReportFd) ? 0 : 1;
}

}  // namespace caisson
