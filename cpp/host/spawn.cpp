#include "spawn.h"

#include <linux/memfd.h>
#include <linux/prctl.h>

#include "../base/clone.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/text.h"
#include "capabilities.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace caisson {
namespace {

constexpr unsigned kLastCapability = 63;

struct Child {
  const NewProcess& process;
  volatile long failed = 0;  // what went wrong before exec, as a negated errno
  const char* volatile call = nullptr;
};

// The numbers that its descriptors are to have may be those of others of them, so all are first
// copied to where none of them is.
long number_descriptors(std::span<const int> numbered, const char*& call) {
  int copies[kMostNumbered];
  const auto count = static_cast<unsigned>(numbered.size());
  call = "fcntl F_DUPFD";
  for (unsigned i = 0; i < count; ++i) {
    copies[i] = -1;
    if (numbered[i] < 0) continue;
    const long copy = sys::call(__NR_fcntl, numbered[i], F_DUPFD_CLOEXEC, count);
    if (copy < 0) return copy;
    copies[i] = static_cast<int>(copy);
  }
  call = "dup3";
  for (unsigned i = 0; i < count; ++i) {
    if (copies[i] < 0) {
      sys::close(static_cast<int>(i));
    } else if (const long moved = sys::call(__NR_dup3, copies[i], i, 0); moved < 0) {
      return moved;
    }
  }
  call = "close_range";
  return sys::call(__NR_close_range, count, ~0u, CLOSE_RANGE_CLOEXEC);
}

// Runs in the new process while it still shares Node's memory: raw system calls only, and no change
// of credentials but of the inheritable and ambient sets, which leave `dumpable` alone.
void start(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  const auto give_up = [&child](long result, const char* call) {
    child.failed = result;
    child.call = call;
    sys::exit_group(127);
  };
  // The descriptor table is a copy: what this does to it, Node does not see.
  if (const auto numbered = child.process.numbered; !numbered.empty()) {
    const char* call = nullptr;
    if (const long done = number_descriptors(numbered, call); done < 0) give_up(done, call);
  } else if (const long closed = sys::call(__NR_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
             closed < 0) {
    give_up(closed, "close_range");
  }
  for (const int fd : child.process.keep)
    if (fd >= 0)
      if (const long kept = sys::call(__NR_fcntl, fd, F_SETFD, 0); kept < 0)
        give_up(kept, "fcntl F_SETFD");
  // Node has closed them to its children; what it does not have itself is not there.
  if (child.process.streams)
    for (int fd = 0; fd < 3; ++fd)
      sys::call(__NR_fcntl, fd, F_SETFD, 0);
  if (const uint64_t ambient = child.process.ambient; ambient != 0) {
    Capabilities capabilities;
    if (const long got = capabilities.get(); got < 0) give_up(got, "capget");
    for (int i = 0; i < 2; ++i)
      capabilities.data[i].inheritable =
          capabilities.data[i].permitted & static_cast<uint32_t>(ambient >> 32 * i);
    if (const long set = capabilities.set(); set < 0) give_up(set, "capset");
    for (unsigned cap = 0; cap <= kLastCapability; ++cap)
      if (capabilities.inheritable(cap))
        if (const long raised = sys::call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
            raised < 0)
          give_up(raised, "prctl PR_CAP_AMBIENT_RAISE");
  }
  const char* const environment[] = {nullptr};
  const char* const path = child.process.path;
  give_up(sys::call(__NR_execveat, child.process.file, path == nullptr ? "" : path,
                    child.process.arguments, environment, path == nullptr ? AT_EMPTY_PATH : 0),
          "execveat");
}

}  // namespace

Result<int> spawn(const NewProcess& process, uint64_t namespaces, int cgroup, void* stack,
                  size_t stack_size, UniqueFd& pidfd) {
  if (process.numbered.size() > kMostNumbered) return Error{E2BIG, "spawn"};
  Child child{process};
  int descriptor = -1;
  clone_args clone{};
  clone.flags = namespaces | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  clone.pidfd = reinterpret_cast<uint64_t>(&descriptor);
  clone.exit_signal = SIGCHLD;
  clone.stack = reinterpret_cast<uint64_t>(stack);
  clone.stack_size = stack_size;
  if (cgroup >= 0) {
    clone.flags |= CLONE_INTO_CGROUP;
    clone.cgroup = static_cast<uint64_t>(cgroup);
  }
  const long pid = clone_with_stack(&clone, start, &child);
  if (pid < 0) return failure(pid, "clone3");
  pidfd.reset(descriptor);
  if (child.failed != 0) {
    // It is about to end, and no other code will reap it.
    sys::call(__NR_waitid, P_PIDFD, descriptor, nullptr, WEXITED, nullptr);
    pidfd.reset();
    return failure(child.failed, child.call);
  }
  return static_cast<int>(pid);
}

Result<UniqueFd> load_init(const char* path) {
  auto file = own_fd(sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), "openat", path);
  if (!file.ok()) return file;
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  long memory = sys::call(__NR_memfd_create, "caisson-init", flags | MFD_EXEC);
  if (memory == -EINVAL)
    memory = sys::call(__NR_memfd_create, "caisson-init", flags);  // before 6.3
  auto writable = own_fd(memory, "memfd_create", path);
  if (!writable.ok()) return writable;
  for (;;) {
    const long n =
        sys::call(__NR_sendfile, writable.value().get(), file.value().get(), nullptr, 1 << 20);
    if (n < 0) return failure(n, "sendfile", path);
    if (n == 0) break;
  }
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const long sealed = sys::call(__NR_fcntl, writable.value().get(), F_ADD_SEALS, seals);
  if (sealed < 0) return failure(sealed, "fcntl F_ADD_SEALS", path);
  // A file that is open for writing cannot be executed, so open it again and drop the first
  // descriptor.
  Text<48> link;
  link.add("/proc/self/fd/").add(static_cast<uint64_t>(writable.value().get()));
  return own_fd(sys::call(__NR_openat, AT_FDCWD, link.c_str(), O_RDONLY | O_CLOEXEC), "openat",
                path);
}

}  // namespace caisson
