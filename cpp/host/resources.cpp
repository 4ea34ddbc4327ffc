// fd.dup, pipe.make, cgroup.make, cgroup.write
#include <fcntl.h>

#include "../base/mount_api.h"
#include "host_machine.h"

namespace caisson::steps {
namespace {

constexpr int kExists = 17;

}  // namespace

Status fd_dup(Machine& machine, const Step& step) {
  auto copy = own_fd(sys::call(__NR_fcntl, step.number[0], F_DUPFD_CLOEXEC, 3),
                     "fcntl F_DUPFD_CLOEXEC", nullptr);
  if (!copy.ok()) return copy.error();
  machine.fill(step, 0, copy.value().release());
  return {};
}

// Slot 0 is the container's end, slot 1 Node's (non-blocking). number: whether the container
// writes, and the owner's uid and gid, without which the container could not open /dev/stdout
// again.
Status pipe_make(Machine& machine, const Step& step) {
  int ends[2];
  if (const long made = sys::call(__NR_pipe2, ends, O_CLOEXEC); made < 0)
    return failure(made, "pipe2");
  const bool container_writes = step.number[0] != 0;
  const int inside = ends[container_writes ? 1 : 0], outside = ends[container_writes ? 0 : 1];
  machine.fill(step, 0, inside);
  machine.fill(step, 1, outside);
  if (const long owned = sys::call(__NR_fchown, inside, step.number[1], step.number[2]); owned < 0)
    return failure(owned, "fchown", "a pipe");
  const long flags = sys::call(__NR_fcntl, outside, F_GETFL);
  return check(sys::call(__NR_fcntl, outside, F_SETFL, flags | O_NONBLOCK), "fcntl F_SETFL",
               "a pipe");
}

Status cgroup_make(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  const long made = sys::call(__NR_mkdirat, AT_FDCWD, path, 0755);
  if (made == -kExists && step.number[0] != 0) {
    host(machine).skip = step.number[1];
    return {};
  }
  return check(made, "mkdir", path);
}

Status cgroup_write(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  const Blob value = machine.blob(step, 1);
  auto file = own_fd(sys::call(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), "openat", path);
  if (!file.ok()) return file.error();
  return check(sys::call(__NR_write, file.value().get(), value.data, value.size), "write", path);
}

}  // namespace caisson::steps
