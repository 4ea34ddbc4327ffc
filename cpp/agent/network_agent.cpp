#include "network_agent.h"

#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../base/agent_channel.h"
#include "../base/clone.h"
#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/signals.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../steps/start_time.h"
#include "forwarder.h"

namespace caisson {
namespace {

char* map_memory(size_t size) {
  const long memory = sys::call(__NR_mmap, nullptr, size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory < 0 && memory > -4096) sys::exit_group(ENOMEM);
  return reinterpret_cast<char*>(memory);
}

Status write_file(const char* path, const char* text, size_t size) {
  auto file = own_fd(sys::call(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), "openat", path);
  if (!file.ok()) return file.error();
  const long written = sys::call(__NR_write, file.value().get(), text, size);
  return check(written, "write", path);
}

// All ids of this user namespace, as its own map has them, in a child of it.
Status map_ids(uint32_t pid, const char* name) {
  Text<64> own, other;
  own.add("/proc/self/").add(name);
  other.add("/proc/").add(static_cast<uint64_t>(pid)).add("/").add(name);
  auto file = own_fd(sys::call(__NR_openat, AT_FDCWD, own.c_str(), O_RDONLY | O_CLOEXEC), "openat",
                     "id map");
  if (!file.ok()) return file.error();
  static char map[4096];
  const long size = sys::call(__NR_read, file.value().get(), map, sizeof map - 1);
  if (size < 0) return failure(size, "read");
  map[size] = '\0';
  Text<4096> lines;
  for (const char* at = map; *at != '\0';) {
    uint64_t numbers[3];
    for (uint64_t& number : numbers) {
      while (*at == ' ')
        ++at;
      if (!parse_number(at, number)) return Error{EBADMSG, "read"};
    }
    lines.add(numbers[0]).add(" ").add(numbers[0]).add(" ").add(numbers[2]).add("\n");
    while (*at == '\n')
      ++at;
  }
  return write_file(other.c_str(), lines.c_str(), lines.size());
}

constexpr const char* kProcess = "a process";

// The network namespace of a process, which may be another one's by now.
Result<UniqueFd> network_of(uint32_t pid, uint64_t start_time) {
  Text<32> path;
  path.add("/proc/").add(static_cast<uint64_t>(pid));
  auto process =
      own_fd(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC),
             "openat", kProcess);
  if (!process.ok()) return Error{ESRCH, "openat"};
  // Of the process that this directory is of, even if the pid is another one's.
  const int directory = process.value().get();
  auto stat =
      own_fd(sys::call(__NR_openat, directory, "stat", O_RDONLY | O_CLOEXEC), "openat", kProcess);
  if (!stat.ok()) return Error{ESRCH, "openat"};
  auto began = read_start_time(stat.value().get());
  if (!began.ok() || began.value() != start_time) return Error{ESRCH, "openat"};
  return own_fd(sys::call(__NR_openat, directory, "ns/net", O_RDONLY | O_CLOEXEC), "openat",
                kProcess);
}

class Agent {
 public:
  Agent(int channel, int init_fd)
      : channel_(channel),
        init_fd_(init_fd),
        bytes_(map_memory(kMostAgentBytes)),
        data_(map_memory(kMostAgentBytes)) {}

  [[noreturn]] void run() {
    for (;;) {
      AgentRequest request;
      int fds[kMaxPassedFds];
      auto got = receive_message(channel_, &request, sizeof request, fds);
      if (!got.ok() || got.value().size == 0) sys::exit_group(0);
      const size_t head = got.value().size;
      char* rest = reinterpret_cast<char*>(&request) + head;
      if (!receive_all(channel_, rest, sizeof request - head).ok() ||
          request.magic != kAgentMagic || request.size > kMostAgentBytes ||
          !receive_all(channel_, bytes_, request.size).ok())
        sys::exit_group(1);
      answer(request, fds, got.value().fd_count);
      for (size_t i = 0; i < got.value().fd_count; ++i)
        if (fds[i] >= 0) sys::close(fds[i]);
    }
  }

 private:
  void answer(const AgentRequest& request, int* fds, size_t fd_count) {
    filled_ = 0;
    NetlinkRefusal refusal;
    const Status done = execute(request, fds, fd_count, refusal);
    AgentAnswer said{};
    said.magic = kAgentMagic;
    said.size = static_cast<uint32_t>(filled_);
    if (!done.ok()) {
      said.number = done.error().number;
      said.sequence = refusal.sequence;
      said.size = 0;
      copy_text(said.call, done.error().call);
      copy_text(said.reason, refusal.reason);
    }
    if (!send_all(channel_, reinterpret_cast<const char*>(&said), sizeof said).ok() ||
        !send_all(channel_, data_, said.size).ok())
      sys::exit_group(0);
  }

  Status execute(const AgentRequest& request, int* fds, size_t fd_count, NetlinkRefusal& refusal) {
    if (request.pid == 0) return execute(request, fd_count > 0 ? fds[0] : -1, true, refusal);
    auto network = network_of(request.pid, request.start_time);
    if (!network.ok()) return network.error();
    const int there = network.value().get();
    if (request.namespace_at != 0) return execute(request, there, true, refusal);
    auto here = own_fd(sys::call(__NR_openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
                       "openat", kProcess);
    if (!here.ok()) return here.error();
    if (const long entered = sys::call(__NR_setns, there, CLONE_NEWNET); entered < 0)
      return failure(entered, "setns");
    const Status done = execute(request, -1, false, refusal);
    // What is asked next is about the shared network.
    if (sys::call(__NR_setns, here.value().get(), CLONE_NEWNET) < 0) sys::exit_group(1);
    return done;
  }

  // `network`: the namespace that is named in the messages, or the other descriptor of the task, or
  // -1. `reusable`: this process is in
  // its own one.
  Status execute(const AgentRequest& request, int network, bool reusable, NetlinkRefusal& refusal) {
    NetlinkRequest netlink{static_cast<int>(request.number), bytes_, request.size};
    netlink.namespace_at = request.namespace_at;
    netlink.namespace_fd = network;
    netlink.reusable = reusable;
    const NetlinkSink sink{[](void* self, const char* bytes, size_t size) {
                             return static_cast<Agent*>(self)->take(bytes, size);
                           },
                           this};
    switch (request.task) {
      case AgentTask::kNetlink:
        if (netlink.namespace_at != 0 && network < 0) return Error{EBADF, "sendmsg"};
        return send_netlink(netlink, refusal);
      case AgentTask::kDump:
        return dump_netlink(netlink, sink, refusal);
      case AgentTask::kSysctl:
        return write_sysctl(request.size);
      case AgentTask::kResolver:
        return start_resolver(request.size);
      case AgentTask::kMapIds:
        if (Status mapped = map_ids(request.number, "uid_map"); !mapped.ok()) return mapped;
        return map_ids(request.number, "gid_map");
      case AgentTask::kForward:
        if (network < 0) return Error{EBADF, "sendmsg"};
        return start_forwarder(network, request.number);
      default:
        return Error{ENOSYS, "agent"};
    }
  }

  bool take(const char* bytes, size_t size) {
    if (size > kMostAgentBytes - filled_) return false;
    __builtin_memcpy(data_ + filled_, bytes, size);
    filled_ += size;
    return true;
  }

  Status write_sysctl(size_t size) {
    if (size >= kMostAgentBytes) return Error{EMSGSIZE, "write"};
    bytes_[size] = '\0';
    const size_t end = length(bytes_);
    if (end >= size) return Error{EINVAL, "write"};
    for (const char* at = bytes_; *at != '\0'; ++at)
      if (at[0] == '.' && at[1] == '.') return Error{EINVAL, "openat"};
    Text<256> path;
    path.add("/proc/sys/net/").add(bytes_);
    if (path.truncated()) return Error{ENAMETOOLONG, "openat"};
    return write_file(path.c_str(), bytes_ + end + 1, size - end - 1);
  }

  // As resolver.register: what is started ends as soon as a resolver listens.
  Status start_resolver(size_t size) {
    if (size >= kMostAgentBytes) return Error{EMSGSIZE, "agent"};
    bytes_[size] = '\0';
    clone_args clone{};
    clone.exit_signal = SIGCHLD;
    const long pid = sys::call(__NR_clone3, &clone, sizeof clone);
    if (pid < 0) return failure(pid, "fork");
    if (pid == 0) {
      sys::call(__NR_fcntl, init_fd_, F_SETFD, 0);
      Text<16> init;
      init.add(static_cast<uint64_t>(init_fd_));
      const char* const arguments[] = {"caisson-resolver", "resolver", init.c_str(), bytes_,
                                       nullptr};
      const char* const environment[] = {nullptr};
      sys::call(__NR_execveat, init_fd_, "", arguments, environment, AT_EMPTY_PATH);
      sys::exit_group(127);
    }
    int status = 0;
    long waited;
    do
      waited = sys::call(__NR_wait4, pid, &status, __WALL, nullptr);
    while (waited == -EINTR);
    if (waited < 0) return failure(waited, "fork");
    if (status == 0) return {};
    return Error{(status & 0x7f) == 0 ? status >> 8 & 0xff : ECHILD, "resolver"};
  }

  // It ends with its channel.
  static Status start_forwarder(int channel, uint32_t ports) {
    if (ports > kMostForwardedPorts) return Error{E2BIG, "fork"};
    // Those that have ended.
    while (sys::call(__NR_wait4, -1, nullptr, WNOHANG | __WALL, nullptr) > 0) {
    }
    clone_args clone{};
    clone.exit_signal = SIGCHLD;
    const long pid = sys::call(__NR_clone3, &clone, sizeof clone);
    if (pid == 0) run_forwarder(channel, ports);
    return check(pid, "fork");
  }

  int channel_, init_fd_;
  char* bytes_;
  char* data_;
  size_t filled_ = 0;
};

// Keeps these two, and closes what else there is.
void keep_only(int& channel, int& init_fd) {
  const long null = sys::call(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR);
  if (null < 0) sys::exit_group(1);
  for (int fd = 0; fd < 3; ++fd)
    sys::call(__NR_dup3, null, fd, 0);
  // Above what they are placed on.
  const long far_channel = sys::call(__NR_fcntl, channel, F_DUPFD, 16);
  const long far_init = sys::call(__NR_fcntl, init_fd, F_DUPFD, 16);
  if (far_channel < 0 || far_init < 0) sys::exit_group(1);
  sys::call(__NR_dup3, far_channel, 3, O_CLOEXEC);
  sys::call(__NR_dup3, far_init, 4, O_CLOEXEC);
  sys::call(__NR_close_range, 5, ~0u, 0);
  channel = 3;
  init_fd = 4;
}

}  // namespace

const char* enter_network_of(int pidfd, long& result) {
  result = sys::call(__NR_setns, pidfd, CLONE_NEWUSER);
  if (result == 0) result = sys::call(__NR_setns, pidfd, CLONE_NEWNET);
  return result < 0 ? "setns" : nullptr;
}

void run_network_agent(int channel, int init_fd) {
  sys::call(__NR_setsid);
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-agent");
  keep_only(channel, init_fd);
  reset_signals(kAllSignals);
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &kAllSignals, nullptr, sizeof kAllSignals);
  sys::call(__NR_umask, 077);
  sys::call(__NR_chdir, "/");
  // The user's processes find the network by it when its holder was killed. Those of containers
  // have no rights in its user namespace.
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  Agent(channel, init_fd).run();
}

}  // namespace caisson
