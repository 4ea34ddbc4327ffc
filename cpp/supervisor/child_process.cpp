#include "child_process.h"

#include <poll.h>

#include "../base/kernel.h"
#include "../base/text.h"
#include "../base/unique_fd.h"

namespace caisson {
namespace {

constexpr int kStateField = 3, kFlagsField = 9;

}  // namespace

bool reap(int pidfd, Ending& ending) {
  siginfo_t info{};
  const long waited =
      sys::call(__NR_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG | __WALL, nullptr);
  if (waited < 0 || info.si_pid == 0) return false;
  const bool normal = info.si_code == CLD_EXITED;
  ending = normal ? Ending{info.si_status, 0} : Ending{-1, info.si_status};
  return true;
}

void await_end(int pidfd, int seconds) {
  pollfd end{pidfd, POLLIN, 0};
  const timespec patience{seconds, 0};
  sys::call(__NR_ppoll, &end, 1, &patience, nullptr, 0);
  Ending ignored{};
  static_cast<void>(reap(pidfd, ignored));
}

bool is_ending(int pid) {
  Text<32> path;
  path.add("/proc/").add(static_cast<uint64_t>(pid)).add("/stat");
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (!file.valid()) return true;
  char bytes[1024];
  const long size = sys::call(__NR_read, file.get(), bytes, sizeof bytes - 1);
  if (size <= 0) return true;
  bytes[size] = '\0';
  // The command name may contain any character, so fields are counted from the last ')'.
  const char* at = bytes;
  for (const char* c = bytes; *c != '\0'; ++c)
    if (*c == ')') at = c + 1;
  for (int field = kStateField - 1; *at != '\0'; ++at) {
    if (*at != ' ') continue;
    ++field;
    if (field == kStateField && (at[1] == 'Z' || at[1] == 'X')) return true;
    if (field != kFlagsField) continue;
    const char* number = at + 1;
    uint64_t flags = 0;
    return !parse_number(number, flags) || (flags & kExitingProcess) != 0;
  }
  return true;
}

}  // namespace caisson
