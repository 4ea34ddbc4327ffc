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
#include "subcommands.h"
#include "user_namespace.h"
#include "user_network_holder.h"

namespace caisson {
namespace {

[[noreturn]] void report(int channel, long pid, const char* call, const char* object) {
  UserNetworkMessage message{};
  message.pid = static_cast<int32_t>(pid);
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
bool connect_outside(const HelperArguments& given, int near, HelperMessage& message) {
  int helper = -1;
  const long pid = fork_process(helper);
  if (pid < 0) {
    message.number = static_cast<int32_t>(-pid);
    copy_text(message.call, "clone3");
    return false;
  }
  if (pid == 0) helper_main(given);
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
    for (size_t i = 0; i < got.value().fd_count; ++i)
      sys::close(fds[i]);
    if (got.value().fd_count == 0) return message.number == 0;
  }
}

}  // namespace

void user_network_main(int channel, const char* directory, uint64_t place, const char* program,
                       char** arguments) {
  sys::call(__NR_setsid);
  sys::call(__NR_fcntl, channel, F_SETFD, FD_CLOEXEC);
  reset_signals(kAllSignals);
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &kAllSignals, nullptr, sizeof kAllSignals);
  if (!enter_user_namespace(channel)) sys::exit_group(1);
  int ready[2];
  if (const long made = sys::call(__NR_pipe2, ready, O_CLOEXEC); made < 0)
    report(channel, made, "pipe2", "");
  int holder = -1;
  const long pid = fork_process(holder);
  if (pid < 0) report(channel, pid, "clone3", "");
  if (pid == 0) hold_user_network(directory, ready[1]);
  sys::close(ready[1]);
  HolderMessage held{};
  const long got = sys::call(__NR_read, ready[0], &held, sizeof held);
  if (got != sizeof held) report(channel, -ECHILD, "read", "the holder of the network");
  if (held.number != 0) report(channel, -held.number, held.call, held.object);
  const auto give_up = [&](long result, const char* call, const char* object) {
    sys::call(__NR_pidfd_send_signal, holder, SIGKILL, nullptr, 0);
    report(channel, result, call, object);
  };
  Text<48> path;
  path.add("/proc/").add(static_cast<uint64_t>(pid)).add("/ns/net");
  const long network = sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC);
  if (network < 0) give_up(network, "openat", path.c_str());
  int pair[2];
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) give_up(paired, "socketpair", "");
  HelperMessage message{};
  const bool connected =
      connect_outside({pair[1], holder, -1, static_cast<int>(network), place, kReadyByEnding,
                       SlirpPorts{nullptr, 0, 0}, program, arguments},
                      pair[0], message);
  message.call[sizeof message.call - 1] = '\0';
  message.object[sizeof message.object - 1] = '\0';
  if (!connected) give_up(-message.number, message.call, message.object);
  report(channel, pid, "", "");
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
