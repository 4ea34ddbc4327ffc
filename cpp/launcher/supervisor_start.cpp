#include "supervisor_start.h"

#include <linux/memfd.h>
#include <sys/socket.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../host/spawn.h"

namespace caisson {

Result<UniqueFd> start_supervisor(const SupervisorStart& start, int init, Workplace& workplace) {
  auto config =
      own_fd(sys::call(__NR_memfd_create, "caisson-supervisor", MFD_CLOEXEC | MFD_ALLOW_SEALING),
             "memfd_create", "the supervisor");
  if (!config.ok()) return config.error();
  const int fd = config.value().get();
  for (size_t at = 0; at < start.config.size;) {
    const long written = sys::call(
        __NR_write, fd, static_cast<const char*>(start.config.data()) + at, start.config.size - at);
    if (written < 0) return failure(written, "write", "the supervisor");
    at += static_cast<size_t>(written);
  }
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (const long sealed = sys::call(__NR_fcntl, fd, F_ADD_SEALS, seals); sealed < 0)
    return failure(sealed, "fcntl F_ADD_SEALS", "the supervisor");
  int pair[2];
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) return failure(paired, "socketpair", "the supervisor");
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);

  const int ids = start.ids.get(), lock = start.lock.get();
  const std::string numbers[] = {std::to_string(fd), std::to_string(init),
                                 std::to_string(theirs.get()), std::to_string(ids),
                                 std::to_string(lock)};
  const char* const arguments[] = {"caisson-supervisor", "supervisor",       numbers[0].c_str(),
                                   numbers[1].c_str(),   numbers[2].c_str(), numbers[3].c_str(),
                                   numbers[4].c_str(),   start.id.c_str(),   nullptr};
  UniqueFd pidfd;
  auto pid = spawn({arguments, init, {fd, init, theirs.get(), ids, lock}, 0, true}, 0, -1,
                   workplace.stack, sizeof workplace.stack, pidfd);
  if (!pid.ok()) return pid.error();
  // What was spawned forks the supervisor and ends, so that its parent is the machine's init.
  siginfo_t info{};
  const long waited =
      sys::call(__NR_waitid, P_PIDFD, pidfd.get(), &info, WEXITED | __WALL, nullptr);
  if (waited == 0 && info.si_status != 0) return failure(-EAGAIN, "fork", "the supervisor");
  return static_cast<UniqueFd&&>(ours);
}

}  // namespace caisson
