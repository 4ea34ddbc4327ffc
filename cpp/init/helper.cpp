// A program beside a container, and its supervisor. The supervisor is the first process of a pid
// namespace in which the program runs with all that it forks: when the supervisor ends, which it
// does with the container, the kernel ends them, whatever they have done to their sessions, signals
// and identities. (A parent-death signal would be lost when the program changes its user.)
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>

#include <initializer_list>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/signals.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../host/capabilities.h"
#include "../program/control.h"
#include "subcommands.h"

namespace caisson {
namespace {

constexpr int kReadyFd = 3;

[[noreturn]] void fail(int channel, long result, const char* call, const char* object) {
  HelperMessage message{};
  message.magic = kHelperMagic;
  message.number = static_cast<int32_t>(-result);
  copy_text(message.call, call);
  copy_text(message.object, object);
  static_cast<void>(send_message(channel, &message, sizeof message, nullptr, 0));
  sys::exit_group(1);
}

// The end of what the program has written to its standard output and error.
class Said {
 public:
  // False when no process writes any more.
  bool read(int from) {
    for (;;) {
      char bytes[256];
      const long size = sys::call(__NR_read, from, bytes, sizeof bytes);
      if (size == -EINTR) continue;
      if (size < 0) return size == -EAGAIN;
      if (size == 0) return false;
      for (long i = 0; i < size; ++i)
        add(bytes[i]);
    }
  }
  const char* text() const { return text_; }

 private:
  void add(char byte) {
    if (size_ + 1 == sizeof text_) {
      for (size_t i = 1; i < size_; ++i)
        text_[i - 1] = text_[i];
      --size_;
    }
    text_[size_++] = byte == '\0' ? ' ' : byte;
    text_[size_] = '\0';
  }

  char text_[sizeof HelperMessage::object] = {};
  size_t size_ = 0;
};

void drain(int signals) {
  char info[128];  // struct signalfd_siginfo
  while (sys::call(__NR_read, signals, info, sizeof info) == sizeof info) {
  }
}

// Reaps children, and says whether none is left.
bool all_ended() {
  long reaped;
  do
    reaped = sys::call(__NR_wait4, -1, nullptr, WNOHANG | __WALL, nullptr);
  while (reaped > 0 || reaped == -EINTR);
  return reaped == -ECHILD;
}

struct Pipe {
  int read_end = -1, write_end = -1;
};

Pipe make_pipe(int channel) {
  int ends[2];
  if (const long made = sys::call(__NR_pipe2, ends, O_CLOEXEC); made < 0)
    fail(channel, made, "pipe2", "");
  return {ends[0], ends[1]};
}

[[noreturn]] void give_up(int failed, long result) {
  const auto number = static_cast<int32_t>(-result);
  sys::call(__NR_write, failed, &number, sizeof number);
  sys::exit_group(1);
}

// In the host's network namespace, and with all rights in the container's user namespace. What
// fails is told by `failed`, which else ends with the exec.
[[noreturn]] void become_program(const char* program, char** arguments, int go, int said, int ready,
                                 int failed) {
  char byte = 0;
  if (sys::call(__NR_read, go, &byte, 1) != 1) sys::exit_group(1);
  for (const int fd : {1, 2})
    if (const long placed = sys::call(__NR_dup3, said, fd, 0); placed < 0) give_up(failed, placed);
  // Everything else is close-on-exec, also what may have had that number: the lowest one.
  if (ready >= 0) {
    const long placed = ready == kReadyFd ? sys::call(__NR_fcntl, ready, F_SETFD, 0)
                                          : sys::call(__NR_dup3, ready, kReadyFd, 0);
    if (placed < 0) give_up(failed, placed);
  }
  const uint64_t none = 0;
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
  const char* const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
  give_up(failed, sys::call(__NR_execve, program, arguments, environment));
}

// Becomes a process through which the program may open the container's network namespace, as its
// /proc/<pid>/ns/net: a process with the same ids may open that of a process without rights
// (ptrace(2), "access mode checking"). The container's own processes have rights, and a program
// that gives its own up before it looks could not open theirs.
void lend_network(int channel, int network) {
  if (const long joined = sys::call(__NR_setns, network, CLONE_NEWNET); joined < 0)
    fail(channel, joined, "setns", "the container's network namespace");
  Capabilities none;
  if (const long dropped = none.set(); dropped < 0) fail(channel, dropped, "capset", "");
  if (const long opened = sys::call(__NR_prctl, PR_SET_DUMPABLE, 1); opened < 0)
    fail(channel, opened, "prctl", "PR_SET_DUMPABLE");
}

// Among users of its own the kernel makes sure of that (mount_namespaces(7)): what the program does
// to its mounts is not for the host, where most mounts are shared. slirp4netns unmounts all of
// them. What is unmounted there is to go here.
void keep_mounts_apart(int channel) {
  if (const long made = sys::call(__NR_unshare, CLONE_NEWNS); made < 0)
    fail(channel, made, "unshare", "a mount namespace for the program");
  const long apart = sys::call(__NR_mount, "none", "/", nullptr, MS_REC | MS_SLAVE, nullptr);
  if (apart < 0) fail(channel, apart, "mount", "/");
}

// The program's argument of that number is replaced.
void replace_argument(const HelperArguments& given, size_t place, const char* text) {
  size_t count = 0;
  while (given.arguments[count] != nullptr)
    ++count;
  if (place >= count) fail(given.channel, -EINVAL, "execve", given.program);
  given.arguments[place] = const_cast<char*>(text);
}

[[noreturn]] void keep(const HelperArguments& given) {
  const auto& [channel, container, users, network, place, ready_way, ports, program, arguments] =
      given;
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-helper");
  sys::call(__NR_umask, 077);
  sys::call(__NR_chdir, "/");
  for (const int fd : {channel, container, network})
    sys::call(__NR_fcntl, fd, F_SETFD, FD_CLOEXEC);
  // Node's own streams are close-on-exec. What of these is free the program would take for its own,
  // and lose when it goes into the background.
  const long null = sys::call(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR);
  if (null < 0) fail(channel, null, "openat", "/dev/null");
  for (int fd = 0; fd < 3; ++fd)
    sys::call(__NR_dup3, null, fd, 0);
  if (null > 2) sys::close(static_cast<int>(null));

  // Its own pid here is 1, and /proc belongs to an outer pid namespace.
  char self[24];
  const long size = sys::call(__NR_readlinkat, AT_FDCWD, "/proc/self", self, sizeof self);
  if (size < 0) fail(channel, size, "readlink", "/proc/self");
  Text<64> path;
  path.add("/proc/").add(self, static_cast<size_t>(size)).add("/ns/net");
  replace_argument(given, place, path.c_str());
  Text<64> socket;
  long directory = -1;
  if (ports.count > 0) {
    const char* call = nullptr;
    directory = make_socket_directory(call);
    if (directory < 0) fail(channel, directory, call, "tmpfs");
    socket.add("/proc/").add(self, static_cast<size_t>(size)).add("/fd/");
    socket.add(static_cast<uint64_t>(directory)).add("/socket");
    replace_argument(given, ports.place, socket.c_str());
  }

  const Pipe go = make_pipe(channel), said = make_pipe(channel), failed = make_pipe(channel);
  Pipe ready;
  if (ready_way == kReadyByByte) ready = make_pipe(channel);
  int child = -1;
  clone_args clone{};
  clone.flags = CLONE_PIDFD;
  clone.pidfd = reinterpret_cast<uint64_t>(&child);
  clone.exit_signal = SIGCHLD;
  const long pid = sys::call(__NR_clone3, &clone, sizeof clone);
  if (pid < 0) fail(channel, pid, "clone3", "");
  if (pid == 0) {
    sys::close(go.write_end);
    become_program(program, arguments, go.read_end, said.write_end, ready.write_end,
                   failed.write_end);
  }
  for (const int fd : {go.read_end, said.write_end, failed.write_end, ready.write_end})
    if (fd >= 0) sys::close(fd);
  lend_network(channel, network);
  sys::close(network);
  sys::call(__NR_write, go.write_end, "", 1);
  sys::close(go.write_end);
  int32_t number = 0;
  if (sys::call(__NR_read, failed.read_end, &number, sizeof number) == sizeof number)
    fail(channel, -number, "execve", program);
  sys::close(failed.read_end);

  sys::call(__NR_fcntl, said.read_end, F_SETFL, O_NONBLOCK);
  static Said words;
  // What has gone into the background is a child of this process, too.
  const uint64_t child_ended = uint64_t{1} << (SIGCHLD - 1);
  const auto children = static_cast<int>(
      sys::call(__NR_signalfd4, -1, &child_ended, sizeof child_ended, O_CLOEXEC | O_NONBLOCK));
  pollfd waiting[] = {{container, POLLIN, 0},
                      {child, POLLIN, 0},
                      {said.read_end, POLLIN, 0},
                      {ready.read_end, POLLIN, 0},
                      {children, POLLIN, 0}};
  bool told = false;
  for (;;) {
    if (sys::call(__NR_ppoll, waiting, 5, nullptr, nullptr, 0) < 0) continue;
    if (waiting[0].revents != 0) sys::exit_group(0);
    bool is_ready = false;
    if (waiting[3].revents != 0) {
      char byte;
      is_ready = sys::call(__NR_read, ready.read_end, &byte, 1) == 1;
      waiting[3].fd = -1;
    }
    if (waiting[2].revents != 0 && !words.read(said.read_end)) waiting[2].fd = -1;
    if (waiting[1].revents != 0) {
      waiting[1].fd = -1;
      int status = 0;
      while (sys::call(__NR_wait4, pid, &status, __WALL, nullptr) == -EINTR) {
      }
      if (ready_way == kReadyByEnding) is_ready = status == 0;
      if (!is_ready && !told) {
        words.read(said.read_end);
        fail(channel, -EIO, kHelperEnded, words.text());
      }
    }
    if (waiting[4].revents != 0) drain(children);
    // This process ends with the program.
    if (told && all_ended()) sys::exit_group(0);
    if (!is_ready || told) continue;
    told = true;
    if (ports.count > 0) {
      const RefusedRequest refused = send_requests(socket.c_str(), ports);
      if (refused.call != nullptr) fail(channel, refused.result, refused.call, refused.text);
      sys::close(static_cast<int>(directory));
    }
    HelperMessage message{};
    message.magic = kHelperMagic;
    static_cast<void>(send_message(channel, &message, sizeof message, nullptr, 0));
    sys::close(channel);
    if (all_ended()) sys::exit_group(0);
  }
}

}  // namespace

void helper_main(const HelperArguments& given) {
  const int channel = given.channel, users = given.users;
  sys::call(__NR_setsid);
  reset_signals(kAllSignals);
  const uint64_t all = ~uint64_t{0};
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
  if (users >= 0) {
    if (const long joined = sys::call(__NR_setns, users, CLONE_NEWUSER); joined < 0)
      fail(channel, joined, "setns", "the container's user namespace");
    sys::close(users);
    long become = sys::call(__NR_setgroups, 0, nullptr);
    if (become >= 0) become = sys::call(__NR_setresgid, 0, 0, 0);
    if (become >= 0) become = sys::call(__NR_setresuid, 0, 0, 0);
    if (become < 0) fail(channel, become, "setresuid", "container root");
  }
  // A mount can only be made in a mount namespace that belongs to the user namespace, too.
  if (users < 0 || given.ports.count > 0) keep_mounts_apart(channel);
  int supervisor = -1;
  clone_args clone{};
  clone.flags = CLONE_PIDFD | CLONE_NEWPID;
  clone.pidfd = reinterpret_cast<uint64_t>(&supervisor);
  clone.exit_signal = SIGCHLD;
  const long pid = sys::call(__NR_clone3, &clone, sizeof clone);
  if (pid < 0) fail(channel, pid, "clone3", "");
  if (pid == 0) keep(given);
  HelperMessage message{};
  message.magic = kHelperMagic;
  const bool sent = send_message(channel, &message, sizeof message, &supervisor, 1).ok();
  if (!sent) sys::call(__NR_pidfd_send_signal, supervisor, 9, nullptr, 0);
  sys::exit_group(sent ? 0 : 1);
}

}  // namespace caisson
