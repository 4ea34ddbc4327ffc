#include <linux/prctl.h>
#include <linux/sched.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../steps/start_time.h"
#include "view.h"

namespace caisson::archive {
namespace {

// The process, if it is the one that began at that time.
Status open_process(uint64_t pid, uint64_t start_time, UniqueFd& process) {
  const long opened = sys::call(__NR_pidfd_open, pid, 0);
  if (opened < 0) return failure(opened, "pidfd_open");
  process.reset(static_cast<int>(opened));
  Text<64> path;
  path.add("/proc/").add(pid).add("/stat");
  const UniqueFd stat(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (!stat.valid()) return Error{ESRCH, "openat", "/proc"};
  auto began = read_start_time(stat.get());
  if (!began.ok()) return began.error();
  return began.value() == start_time ? Status() : Status(Error{ESRCH, "pidfd_open"});
}

// Root of the user namespace that was just joined. A namespace of one user has no other groups.
Status become_root() {
  const long cleared = sys::call(__NR_setgroups, 0, nullptr);
  if (cleared < 0 && cleared != -EPERM) return failure(cleared, "setgroups");
  if (const long set = sys::call(__NR_setresgid, 0, 0, 0); set < 0)
    return failure(set, "setresgid");
  return check(sys::call(__NR_setresuid, 0, 0, 0), "setresuid");
}

}  // namespace

// Words: pid, start time, whether it has a user namespace, the number of paths and the paths.
Status open_running(Request& request, View& view) {
  const uint64_t pid = request.number();
  const uint64_t start_time = request.number();
  view.user_namespace = request.flag();
  if (!request.valid()) return Error{EINVAL, "request"};
  if (Status opened = open_process(pid, start_time, view.process); !opened.ok()) return opened;
  // Nothing of this process is visible inside, where it has no pid; and no process of the
  // container's user namespace may look into it (CVE-2016-9962).
  const int namespaces = CLONE_NEWNS | (view.user_namespace ? CLONE_NEWUSER : 0);
  if (const long joined = sys::call(__NR_setns, view.process.get(), namespaces); joined < 0)
    return failure(joined, "setns");
  if (view.user_namespace)
    if (Status root = become_root(); !root.ok()) return root;
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  auto root = own_fd(sys::call(__NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC),
                     "openat", "/");
  if (!root.ok()) return root.error();
  view.root = root.take();
  // Clones of these mounts alone: volumes, and what the engine mounts, are not in them.
  for (uint64_t paths = request.number(); paths > 0 && request.valid(); --paths) {
    const char* const place = request.word();
    auto part = clone_tree(AT_FDCWD, place, false);
    if (!part.ok()) return part.error();
    view.parts.push_back({place, part.take()});
  }
  return {};
}

}  // namespace caisson::archive
