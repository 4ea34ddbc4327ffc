#include "user_namespace.h"

#include <linux/prctl.h>
#include <linux/sched.h>

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson {
namespace {

// That it is the process that was meant is seen by the step that opens it again (process.open).
long join_user_namespace(uint32_t pid) {
  const long process = sys::call(__NR_pidfd_open, pid, 0);
  if (process < 0) return process;
  const long joined = sys::call(__NR_setns, process, CLONE_NEWUSER);
  sys::close(static_cast<int>(process));
  return joined < 0 ? joined : sys::call(__NR_unshare, CLONE_NEWNS);
}

}  // namespace

bool enter_user_namespace(int channel, uint32_t joined) {
  // newuidmap(1) maps the ids of its caller's processes only, by the owner of /proc/<pid>: that is
  // root while a process is not dumpable.
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  // The mount namespace belongs to the user namespace in which it is made.
  const long moved = joined != 0 ? join_user_namespace(joined)
                                 : sys::call(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS);
  const auto answer = static_cast<int32_t>(moved < 0 ? moved : sys::call(__NR_getpid));
  if (sys::call(__NR_write, channel, &answer, sizeof answer) != sizeof answer || moved < 0)
    return false;
  char mapped = 0;
  long got;
  do
    got = sys::call(__NR_read, channel, &mapped, sizeof mapped);
  while (got == -EINTR);
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  return got == sizeof mapped;
}

}  // namespace caisson
