// The holder has nothing to do: the namespaces exist while it does, others enter them by its pid,
// and pasta ends with it. Each process that uses the network has the FIFO `alive` open for writing:
// engines, and the supervisors of containers. When they have ended, however, the kernel says so.
#include "user_network_holder.h"

#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/stat.h>

#include <initializer_list>

#include "../agent/host_addresses.h"
#include "../base/kernel.h"
#include "../base/link.h"
#include "../base/mount_api.h"
#include "../base/sys.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr const char* kAlive = "alive";
constexpr const char* kEnding = "ending";
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kPatience = 10'000 * kMillisecond;  // for the first user
constexpr uint64_t kGrace = 2'000 * kMillisecond;      // for the next one

[[noreturn]] void fail(int ready, Error error) {
  HolderMessage message{};
  message.number = error.number;
  copy_text(message.call, error.call);
  copy_text(message.object, error.object);
  sys::call(__NR_write, ready, &message, sizeof message);
  sys::exit_group(1);
}

// A machine without IPv6 has no such file.
Status switch_on(const char* path, bool is_optional) {
  auto file = own_fd(sys::call(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), "openat", path);
  if (!file.ok()) return is_optional ? Status() : Status(file.error());
  const long written = sys::call(__NR_write, file.value().get(), "1", 1);
  return is_optional ? Status() : check(written, "write", path);
}

Result<UniqueFd> open_alive(const char* directory, bool keeps) {
  if (const long moved = sys::call(__NR_chdir, directory); moved < 0)
    return failure(moved, "chdir", directory);
  // Those of a holder that was killed. Users of its network have its FIFO open.
  if (keeps)
    sys::call(__NR_renameat2, AT_FDCWD, kEnding, AT_FDCWD, kAlive, RENAME_NOREPLACE);
  else
    sys::call(__NR_unlinkat, AT_FDCWD, kAlive, 0);
  sys::call(__NR_unlinkat, AT_FDCWD, kEnding, 0);
  const long made = sys::call(__NR_mknodat, AT_FDCWD, kAlive, S_IFIFO | 0600, 0);
  if (made < 0 && !(keeps && made == -EEXIST)) return failure(made, "mknodat", kAlive);
  return own_fd(sys::call(__NR_openat, AT_FDCWD, kAlive, O_RDONLY | O_NONBLOCK | O_CLOEXEC),
                "openat", kAlive);
}

// Whether a process has it open for writing, at some time until then. The kernel reports the end of
// writers (POLLHUP), and not that there has been none yet; a read that would wait says there is
// one.
bool has_writer(int alive) {
  char byte;
  return sys::call(__NR_read, alive, &byte, 1) == -EAGAIN;
}

bool await_writer(int alive, uint64_t patience) {
  const uint64_t end = sys::monotonic() + patience;
  while (!has_writer(alive)) {
    if (sys::monotonic() >= end) return false;
    sys::sleep(20 * kMillisecond);
  }
  return true;
}

// The addresses of the machine are followed until then.
void await_end_of_writers(int alive, HostAddresses& addresses) {
  for (;;) {
    pollfd waiting[] = {{alive, 0, 0}, {addresses.changes.get(), POLLIN, 0}};
    if (sys::call(__NR_ppoll, waiting, 2, nullptr, nullptr, 0) <= 0) continue;
    if (waiting[1].revents != 0) addresses.update();
    if ((waiting[0].revents & POLLHUP) != 0) return;
  }
}

// Keeps these descriptors, from 3 on, and closes what else there is.
void keep_only(UniqueFd* const* kept, size_t count) {
  const long null = sys::call(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd)
    sys::call(__NR_dup3, null, fd, 0);
  // Above those that they are placed on.
  constexpr int kFar = 16;
  for (size_t i = 0; i < count; ++i)
    kept[i]->reset(static_cast<int>(sys::call(__NR_fcntl, kept[i]->get(), F_DUPFD_CLOEXEC, kFar)));
  for (size_t i = 0; i < count; ++i)
    kept[i]->reset(static_cast<int>(sys::call(__NR_dup3, kept[i]->get(), 3 + i, O_CLOEXEC)));
  sys::call(__NR_close_range, 3 + count, ~0u, 0);
}

}  // namespace

void hold_user_network(const char* directory, int ready, int network) {
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-network");
  sys::call(__NR_umask, 077);
  HostAddresses addresses;
  if (Status opened = addresses.open(); !opened.ok()) fail(ready, opened.error());
  const bool keeps = network >= 0;
  const long entered =
      keeps ? sys::call(__NR_setns, network, CLONE_NEWNET) : sys::call(__NR_unshare, CLONE_NEWNET);
  if (entered < 0)
    fail(ready, {static_cast<int>(-entered), keeps ? "setns" : "unshare", "a network namespace"});
  if (Status up = set_link_up("lo"); !up.ok()) fail(ready, up.error());
  if (Status on = switch_on("/proc/sys/net/ipv4/ip_forward", false); !on.ok())
    fail(ready, on.error());
  static_cast<void>(switch_on("/proc/sys/net/ipv6/conf/all/forwarding", true));
  auto alive = open_alive(directory, keeps);
  if (!alive.ok()) fail(ready, alive.error());
  // The user's processes enter by /proc/<pid> and its pidfd.
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  const HolderMessage fine{};
  if (sys::call(__NR_write, ready, &fine, sizeof fine) != sizeof fine) sys::exit_group(1);
  // Nothing else of its creator: a FIFO, sockets, and the working directory.
  UniqueFd* const kept[] = {&alive.value(), &addresses.changes, &addresses.questions};
  keep_only(kept, 3);
  const int fifo = alive.value().get();
  uint64_t patience = kPatience;
  for (;;) {
    if (await_writer(fifo, patience)) {
      await_end_of_writers(fifo, addresses);
      patience = kGrace;
      continue;
    }
    // A process that has opened the FIFO sees that it has its name still, or that it has not. In
    // the first case it is seen here.
    sys::call(__NR_renameat2, AT_FDCWD, kAlive, AT_FDCWD, kEnding, 0);
    if (!has_writer(fifo)) break;
    sys::call(__NR_renameat2, AT_FDCWD, kEnding, AT_FDCWD, kAlive, 0);
  }
  sys::call(__NR_unlinkat, AT_FDCWD, kEnding, 0);
  sys::exit_group(0);
}

}  // namespace caisson
