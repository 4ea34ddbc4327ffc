#include <linux/keyctl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <termios.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../program/control.h"
#include "../steps/resolve.h"
#include "container_steps.h"

namespace caisson::steps {
namespace {

// /dev/pts/ptmx must be the multiplexer of a devpts: anything else could be a trap of the image's
// (CVE-2025-52565).
Status check_multiplexer(int fd, const char* path) {
  struct statfs where {};
  if (const long got = sys::call(__NR_fstatfs, fd, &where); got < 0)
    return failure(got, "fstatfs", path);
  struct statx info {};
  const long got = sys::call(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &info);
  if (got < 0) return failure(got, "statx", path);
  if (where.f_type != DEVPTS_SUPER_MAGIC || info.stx_rdev_major != 5 || info.stx_rdev_minor != 2)
    return Error{ENODEV, "open", path};
  return {};
}

}  // namespace

// A pseudoterminal on the container's own devpts. Its near end stays in the slot; the far end goes
// to Node's side (non-blocking), with a copy of the near one: as long as a process has that open,
// the far end waits for the next output rather than fail. number: columns << 16 | rows, owner's
// uid, whether to show it as /dev/console.
Status tty_open(Machine& machine, const Step& step) {
  const char* path = "dev/pts/ptmx";
  const int root = machine.slot(step, 1);
  auto opened = open_below(root, path, O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
  if (!opened.ok()) return opened.error();
  const int master = opened.value().get();
  if (Status checked = check_multiplexer(master, path); !checked.ok()) return checked;
  const int unlocked = 0;
  if (const long done = sys::call(__NR_ioctl, master, TIOCSPTLCK, &unlocked); done < 0)
    return failure(done, "ioctl TIOCSPTLCK", path);
  auto peer = own_fd(sys::call(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC),
                     "ioctl TIOCGPTPEER", path);
  if (!peer.ok()) return peer.error();
  winsize size{};
  size.ws_col = static_cast<unsigned short>(step.number[0] >> 16);
  size.ws_row = static_cast<unsigned short>(step.number[0]);
  if (size.ws_col != 0 || size.ws_row != 0)
    if (const long done = sys::call(__NR_ioctl, master, TIOCSWINSZ, &size); done < 0)
      return failure(done, "ioctl TIOCSWINSZ", path);
  if (const long owned = sys::call(__NR_fchown, peer.value().get(), step.number[1], -1); owned < 0)
    return failure(owned, "fchown", path);
  if (step.number[2] != 0) {
    auto console = ensure_file(root, "dev/console");
    if (!console.ok()) return console.error();
    unsigned index = 0;
    if (const long got = sys::call(__NR_ioctl, master, TIOCGPTN, &index); got < 0)
      return failure(got, "ioctl TIOCGPTN", path);
    Text<32> name;
    name.add("dev/pts/").add(index);
    auto node = open_below(root, name.c_str(), O_PATH | O_NOFOLLOW);
    if (!node.ok()) return node.error();
    auto copy = clone_tree(node.value().get(), "", false);
    if (!copy.ok()) return copy.error();
    Status shown = attach_mount(copy.value().get(), console.value().get(), "dev/console");
    if (!shown.ok()) return shown;
  }
  const TerminalMessage message{kTerminalMagic};
  const int ends[] = {master, peer.value().get()};
  Status sent = send_message(container(machine).control, &message, sizeof message, ends, 2);
  if (!sent.ok()) return sent;
  machine.fill(step, 0, peer.value().release());
  return {};
}

Status fd_own(Machine& machine, const Step& step) {
  const long owned = sys::call(__NR_fchown, machine.slot(step, 0), step.number[0], step.number[1]);
  return check(owned, "fchown", "a pipe");
}

// Descriptors 0, 1 and 2. All others are close-on-exec, and `exec` makes sure of it.
Status stdio_set(Machine& machine, const Step& step) {
  for (int target = 0; target < 3; ++target) {
    const int fd = machine.slot(step, target);
    if (fd < 0) continue;
    // dup3 refuses what is in its place already, and leaves it to be closed by exec.
    const long placed =
        fd == target ? sys::call(__NR_fcntl, fd, F_SETFD, 0) : sys::call(__NR_dup3, fd, target, 0);
    if (placed < 0) return failure(placed, "dup3");
  }
  return {};
}

Status session_new(Machine&, const Step& step) {
  if (const long session = sys::call(__NR_setsid); session < 0) return failure(session, "setsid");
  // The caller's keys would be possessed by the container, too (session-keyring(7)). Where there is
  // no such call for this process, there is none for the program either.
  const long keyring = sys::call(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  if (keyring < 0 && keyring != -EPERM && keyring != -ENOSYS)
    return failure(keyring, "keyctl KEYCTL_JOIN_SESSION_KEYRING");
  if (step.number[0] == 0) return {};
  return check(sys::call(__NR_ioctl, 0, TIOCSCTTY, 0), "ioctl TIOCSCTTY");
}

}  // namespace caisson::steps
