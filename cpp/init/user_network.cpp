// The shared network of a rootless user: its namespaces, their holder, and what connects them to
// the outside (docs/decisions/0023-networks-of-rootless-users.md).
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/socket.h>

#include <initializer_list>

#include "../agent/network_agent.h"
#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/signals.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../program/control.h"
#include "../resolver/run_directory.h"
#include "subcommands.h"
#include "user_namespace.h"
#include "user_network_holder.h"

namespace caisson {
namespace {

[[noreturn]] void report(int channel, long pid, const char* call, const char* object,
                         uint32_t helper = 0) {
  UserNetworkMessage message{};
  message.pid = static_cast<int32_t>(pid);
  message.helper = helper;
  copy_text(message.call, call);
  copy_text(message.object, object);
  sys::call(__NR_write, channel, &message, sizeof message);
  sys::exit_group(pid < 0 ? 1 : 0);
}

long fork_process(int& pidfd) {
  clone_args clone{};
  clone.flags = CLONE_PIDFD;
  clone.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  clone.exit_signal = SIGCHLD;
  return sys::call(__NR_clone3, &clone, sizeof clone);
}

// Waits until the program is ready; what it has said otherwise is in `message`.
bool connect_outside(const HelperArguments& given, int near, UniqueFd& supervisor,
                     HelperMessage& message) {
  int helper = -1;
  const long pid = fork_process(helper);
  if (pid < 0) {
    message.number = static_cast<int32_t>(-pid);
    copy_text(message.call, "clone3");
    return false;
  }
  if (pid == 0) helper_main(given);
  sys::close(helper);
  sys::close(given.channel);
  for (;;) {
    int fds[kMaxPassedFds];
    auto got = receive_message(near, &message, sizeof message, fds);
    if (!got.ok() || got.value().size != sizeof message) {
      message = {};
      message.number = ECHILD;
      copy_text(message.call, "recvmsg");
      return false;
    }
    // First comes the pidfd of the helper's supervisor, which ends with the holder.
    if (got.value().fd_count == 0) return message.number == 0;
    for (size_t i = 0; i < got.value().fd_count; ++i)
      supervisor.reset(fds[i]);
  }
}

struct Outside {
  uint64_t place;
  const char* program;
  char** arguments;
};

// The holder of a network namespace.
struct Holder {
  long pid = -1;
  int pidfd = -1;
  bool is_new = false;
};

[[noreturn]] void give_up(int channel, const Holder& holder, long result, const char* call,
                          const char* object) {
  if (holder.is_new) sys::call(__NR_pidfd_send_signal, holder.pidfd, SIGKILL, nullptr, 0);
  report(channel, result, call, object);
}

// In the user namespace of the network. `network`: the one that it is to hold, or -1.
Holder start_holder(int channel, const char* directory, int network) {
  int ready[2];
  if (const long made = sys::call(__NR_pipe2, ready, O_CLOEXEC); made < 0)
    report(channel, made, "pipe2", "");
  Holder holder;
  holder.is_new = true;
  holder.pid = fork_process(holder.pidfd);
  if (holder.pid < 0) report(channel, holder.pid, "clone3", "");
  if (holder.pid == 0) hold_user_network(directory, ready[1], network);
  sys::close(ready[1]);
  HolderMessage held{};
  const long got = sys::call(__NR_read, ready[0], &held, sizeof held);
  if (got != sizeof held) report(channel, -ECHILD, "read", "the holder of the network");
  if (held.number != 0) report(channel, -held.number, held.call, held.object);
  sys::close(ready[0]);
  return holder;
}

long open_network_of(uint64_t pid) {
  Text<48> path;
  path.add("/proc/").add(pid).add("/ns/net");
  return sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC);
}

[[noreturn]] void connect_holder(int channel, const Holder& holder, const Outside& outside) {
  const long network = open_network_of(static_cast<uint64_t>(holder.pid));
  if (network < 0) give_up(channel, holder, network, "openat", "the network of the holder");
  int pair[2];
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) give_up(channel, holder, paired, "socketpair", "");
  HelperMessage message{};
  UniqueFd helper;
  const auto& [place, program, arguments] = outside;
  const bool connected =
      connect_outside({pair[1], holder.pidfd, -1, static_cast<int>(network), place, kReadyByEnding,
                       SlirpPorts{nullptr, 0, 0}, program, arguments},
                      pair[0], helper, message);
  message.call[sizeof message.call - 1] = '\0';
  message.object[sizeof message.object - 1] = '\0';
  if (!connected) give_up(channel, holder, -message.number, message.call, message.object);
  auto name = name_process(helper.get());
  report(channel, holder.pid, "", "", name.ok() ? name.value().pid : 0);
}

void begin(int channel) {
  sys::call(__NR_setsid);
  sys::call(__NR_fcntl, channel, F_SETFD, FD_CLOEXEC);
  reset_signals(kAllSignals);
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &kAllSignals, nullptr, sizeof kAllSignals);
}

bool is_inode(int fd, uint64_t inode) {
  struct statx info {};
  return sys::call(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_INO, &info) >= 0 &&
         info.stx_ino == inode;
}

}  // namespace

void user_network_main(int channel, const char* directory, uint64_t place, const char* program,
                       char** arguments) {
  begin(channel);
  if (!enter_user_namespace(channel)) sys::exit_group(1);
  connect_holder(channel, start_holder(channel, directory, -1), {place, program, arguments});
}

void recover_user_network_main(int channel, const char* directory, const UserNetworkPlace& network,
                               uint64_t place, const char* program, char** arguments) {
  begin(channel);
  constexpr const char* kProcess = "a process of the network";
  const auto opened =
      static_cast<int>(sys::call(__NR_pidfd_open, static_cast<uint32_t>(network.pid), 0));
  if (opened < 0) report(channel, opened, "pidfd_open", kProcess);
  const long namespace_fd = open_network_of(network.pid);
  if (namespace_fd < 0) report(channel, namespace_fd, "openat", kProcess);
  // It may be another process by now.
  if (!is_inode(static_cast<int>(namespace_fd), network.inode))
    report(channel, -ESRCH, "openat", kProcess);
  if (const long entered = sys::call(__NR_setns, opened, CLONE_NEWUSER); entered < 0)
    report(channel, entered, "setns", kProcess);
  Holder holder;
  holder.pid = static_cast<long>(network.pid);
  holder.pidfd = opened;
  if (!network.has_holder)
    holder = start_holder(channel, directory, static_cast<int>(namespace_fd));
  connect_holder(channel, holder, {place, program, arguments});
}

void network_agent_main(int channel, uint64_t holder) {
  const long process = sys::call(__NR_pidfd_open, holder, 0);
  long result = process;
  if (process >= 0) enter_network_of(static_cast<int>(process), result);
  const auto number = static_cast<int32_t>(result < 0 ? -result : 0);
  sys::call(__NR_write, channel, &number, sizeof number);
  if (number != 0) sys::exit_group(1);
  const long init = sys::call(__NR_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (init < 0) sys::exit_group(1);
  run_network_agent(channel, static_cast<int>(init));
}

}  // namespace caisson
