// A program on a terminal of its own, outside of all containers (`caisson/pty`), and the process
// between it and Node: it has the other end of the terminal, copies what is typed and what is
// shown, and tells Node how the program ends. Node itself could not write to a terminal without
// waiting for its reader.
#include <linux/sched.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include <initializer_list>

#include "../base/clone.h"
#include "../base/kernel.h"
#include "../base/signals.h"
#include "../base/sys.h"
#include "subcommands.h"

namespace caisson {
namespace {

// lib/pty/host-messages.ts
enum class Said : uint32_t { kStarted = 1, kFailed = 2, kExited = 3, kKilled = 4 };
enum class Asked : uint32_t { kSignal = 1, kResize = 2 };

struct Message {
  uint32_t kind;
  uint32_t value;
};

void say(int channel, Said kind, uint32_t value) {
  const Message message{static_cast<uint32_t>(kind), value};
  sys::call(__NR_write, channel, &message, sizeof message);
}

// Bytes on their way from one descriptor to another; neither waits.
class Flow {
 public:
  Flow(int from, int to) : from_(from), to_(to) {}

  // What poll(2) is to look for at either end; -1: nothing.
  int reading() const { return size_ == 0 && !ended_ ? from_ : -1; }
  int writing() const { return size_ > 0 ? to_ : -1; }

  // False when nothing moves for now.
  bool move() {
    if (size_ == 0) {
      if (ended_) return false;
      const long got = sys::call(__NR_read, from_, bytes_, sizeof bytes_);
      if (got == -EINTR) return true;
      if (got == -EAGAIN) return false;
      // EIO: no process has the terminal open any more.
      if (got <= 0) {
        ended_ = true;
        return false;
      }
      size_ = static_cast<size_t>(got);
      done_ = 0;
    }
    const long put = sys::call(__NR_write, to_, bytes_ + done_, size_ - done_);
    if (put == -EINTR) return true;
    if (put == -EAGAIN) return false;
    // The rest is not wanted.
    done_ = put < 0 ? size_ : done_ + static_cast<size_t>(put);
    if (put < 0) ended_ = true;
    if (done_ == size_) size_ = 0;
    return true;
  }

 private:
  int from_, to_;
  bool ended_ = false;
  size_t size_ = 0, done_ = 0;
  char bytes_[16 << 10];
};

struct Child {
  const TerminalProgram& program;
  int terminal;
  volatile long failed = 0;  // a negated errno
};

// Runs while it shares the memory of its parent, which waits for its exec.
void start(void* given) {
  Child& child = *static_cast<Child*>(given);
  const auto need = [&child](long result) {
    if (result >= 0) return;
    child.failed = result;
    sys::exit_group(127);
  };
  need(sys::call(__NR_setsid));
  need(sys::call(__NR_ioctl, child.terminal, TIOCSCTTY, 0));
  for (const int fd : {0, 1, 2})
    need(sys::call(__NR_dup3, child.terminal, fd, 0));
  need(sys::call(__NR_chdir, child.program.directory));
  reset_signals(ignored_signals());
  constexpr uint64_t kNone = 0;
  need(sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &kNone, nullptr, sizeof kNone));
  need(sys::call(__NR_execve, child.program.path, child.program.arguments,
                 child.program.environment));
}

long resize(int terminal, uint32_t size) {
  winsize window{};
  window.ws_col = static_cast<unsigned short>(size >> 16);
  window.ws_row = static_cast<unsigned short>(size);
  return sys::call(__NR_ioctl, terminal, TIOCSWINSZ, &window);
}

// False when Node has gone.
bool obey(int channel, int terminal, int pidfd) {
  Message message;
  const long size =
      sys::call(__NR_recvfrom, channel, &message, sizeof message, MSG_WAITALL, nullptr, nullptr);
  if (size == -EINTR) return true;
  if (size != sizeof message) return false;
  if (message.kind == static_cast<uint32_t>(Asked::kSignal))
    sys::call(__NR_pidfd_send_signal, pidfd, message.value, nullptr, 0);
  else if (message.kind == static_cast<uint32_t>(Asked::kResize))
    resize(terminal, message.value);
  return true;
}

void report_end(int channel, int pidfd) {
  siginfo_t info{};
  long waited;
  do
    waited = sys::call(__NR_waitid, P_PIDFD, pidfd, &info, WEXITED, nullptr);
  while (waited == -EINTR);
  say(channel, waited == 0 && info.si_code == CLD_EXITED ? Said::kExited : Said::kKilled,
      static_cast<uint32_t>(info.si_status));
}

// What was shown before the end of the program, also to a slow reader. Programs that it has left
// behind may still have the terminal, but are not waited for.
void show_rest(Flow& shown, int channel) {
  for (;;) {
    if (shown.move()) continue;
    if (shown.writing() < 0) return;
    pollfd polled[] = {{shown.writing(), POLLOUT, 0}, {channel, 0, 0}};
    sys::call(__NR_ppoll, polled, 2, nullptr, nullptr, 0);
    if ((polled[1].revents & (POLLHUP | POLLERR)) != 0) return;
  }
}

struct Terminal {
  int master = -1, slave = -1;
};

long open_terminal(uint32_t size, Terminal& terminal) {
  const long master =
      sys::call(__NR_openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (master < 0) return master;
  terminal.master = static_cast<int>(master);
  const int unlocked = 0;
  if (const long done = sys::call(__NR_ioctl, master, TIOCSPTLCK, &unlocked); done < 0) return done;
  const long slave = sys::call(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return slave;
  terminal.slave = static_cast<int>(slave);
  return resize(terminal.master, size);
}

}  // namespace

void terminal_main(int data, int channel, uint32_t size, const TerminalProgram& program) {
  const auto need = [channel](long result) {
    if (result >= 0) return;
    say(channel, Said::kFailed, static_cast<uint32_t>(-result));
    sys::exit_group(1);
  };
  // What is typed at Node's own terminal is not for this process.
  need(sys::call(__NR_setsid));
  for (const int fd : {data, channel})
    need(sys::call(__NR_fcntl, fd, F_SETFD, FD_CLOEXEC));
  need(sys::call(__NR_fcntl, data, F_SETFL, O_RDWR | O_NONBLOCK));
  Terminal terminal;
  need(open_terminal(size, terminal));
  Child child{program, terminal.slave};
  alignas(16) static unsigned char stack[16 << 10];
  int pidfd = -1;
  clone_args clone{};
  clone.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
  clone.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  clone.exit_signal = SIGCHLD;
  clone.stack = reinterpret_cast<uint64_t>(stack);
  clone.stack_size = sizeof stack;
  const long pid = clone_with_stack(&clone, start, &child);
  need(pid);
  need(child.failed);
  say(channel, Said::kStarted, static_cast<uint32_t>(pid));
  // The slave stays open here: without any, the master would say all the time that it is hung up.
  Flow typed(data, terminal.master), shown(terminal.master, data);
  for (bool hung_up = false;;) {
    const auto of_data = [hung_up](int fd) { return hung_up ? -1 : fd; };
    pollfd polled[] = {{channel, POLLIN, 0},
                       {pidfd, POLLIN, 0},
                       {of_data(data), 0, 0},
                       {of_data(typed.reading()), POLLIN, 0},
                       {of_data(typed.writing()), POLLOUT, 0},
                       {of_data(shown.reading()), POLLIN, 0},
                       {of_data(shown.writing()), POLLOUT, 0}};
    const long ready =
        sys::call(__NR_ppoll, polled, sizeof polled / sizeof *polled, nullptr, nullptr, 0);
    if (ready < 0) continue;
    if (polled[1].revents != 0) break;
    // The master is closed with this process: the programs of the terminal get SIGHUP.
    if (polled[0].revents != 0 && !obey(channel, terminal.master, pidfd)) sys::exit_group(0);
    if (polled[2].revents != 0) {
      // Node has closed its end, both ways. The end of the program is told all the same.
      hung_up = true;
      sys::close(terminal.master);
      sys::close(terminal.slave);
      continue;
    }
    if ((polled[3].revents | polled[4].revents) != 0) typed.move();
    if ((polled[5].revents | polled[6].revents) != 0) shown.move();
  }
  show_rest(shown, channel);
  report_end(channel, pidfd);
  sys::exit_group(0);
}

}  // namespace caisson
