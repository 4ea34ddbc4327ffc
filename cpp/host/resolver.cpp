// resolver.register: tells the resolver of a container, and starts the resolver if there is none.
// resolver.await: waits for its answer. What the resolver does in the container's network namespace
// takes some hundred microseconds, in which the host phase goes on.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../base/agent_channel.h"
#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "host_machine.h"
#include "spawn.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr uint64_t kPatience = 10 * kSecond;
constexpr uint64_t kSlice = 50 * kMillisecond;  // after which the canceller is asked again
constexpr uint64_t kPause = 2 * kMillisecond;   // before another attempt
constexpr const char* kResolver = "resolver";

// Nothing is listening there (any more): a resolver that ends closes what has not been answered.
bool is_absent(int number) {
  return number == ENOENT || number == ECONNREFUSED || number == ECONNRESET || number == EPIPE;
}

// One start, or one registration, of which each wait ends with the step.
class Attempt {
 public:
  Attempt(HostMachine& machine, const char* directory)
      : machine_(machine), directory_(directory), end_(sys::monotonic() + kPatience) {}

  bool is_over() const { return machine_.canceller.cancels() || sys::monotonic() >= end_; }
  Error over() const {
    return {machine_.canceller.cancels() ? ECANCELED : ETIMEDOUT, "ppoll", directory_};
  }

  Status await(int fd, short events) const {
    for (;;) {
      if (is_over()) return over();
      pollfd waiting{fd, events, 0};
      const timespec slice{0, kSlice};
      if (sys::call(__NR_ppoll, &waiting, 1, &slice, nullptr, 0) > 0) return {};
    }
  }

  // Sends it, by a connection of its own.
  Result<UniqueFd> tell(Blob registration) const {
    auto socket = connect();
    if (!socket.ok()) return socket;
    const int fd = socket.value().get();
    const int process = machine_.pidfd.get();
    // A stream: the descriptor is with the first part.
    for (size_t sent = 0; sent < registration.size;) {
      const size_t left = registration.size - sent;
      const long part = send(fd, registration.data + sent, left, sent == 0 ? &process : nullptr);
      if (part == -EAGAIN) {
        if (Status ready = await(fd, POLLOUT); !ready.ok()) return ready.error();
      } else if (part < 0) {
        return failure(part, "sendmsg", directory_);
      } else {
        sent += static_cast<size_t>(part);
      }
    }
    return socket;
  }

  // The same until there is a resolver, which is started if there is none.
  Result<UniqueFd> tell_any(Blob registration) const {
    for (;;) {
      auto told = tell(registration);
      if (told.ok() || !is_absent(told.error().number)) return told;
      if (is_over()) return over();
      if (Status started = start(); !started.ok()) return started.error();
      sys::sleep(kPause);
    }
  }

  // Its answer, which is 0 or an errno; an error if there was none.
  Result<int32_t> answer(int fd) const {
    int32_t answer = 0;
    for (;;) {
      const long got =
          sys::call(__NR_recvfrom, fd, &answer, sizeof answer, MSG_DONTWAIT, nullptr, nullptr);
      if (got == sizeof answer) return static_cast<int32_t&&>(answer);
      if (got != -EAGAIN) return failure(got < 0 ? got : -ECONNRESET, "recvfrom", directory_);
      if (Status ready = await(fd, POLLIN); !ready.ok()) return ready.error();
    }
  }

  // What is started ends as soon as a resolver listens, this one or another.
  Status start() const {
    if (machine_.agent >= 0) {
      AgentRequest request{};
      request.task = AgentTask::kResolver;
      request.size = static_cast<uint32_t>(length(directory_));
      NetlinkRefusal none;
      const Status started = ask_agent(machine_.agent, request, directory_, nullptr, 0, none);
      return started.ok() ? started : Error{started.error().number, kResolver, directory_};
    }
    Text<24> init;
    init.add(static_cast<uint64_t>(machine_.init_fd));
    const char* const arguments[] = {"caisson-resolver", "resolver", init.c_str(), directory_,
                                     nullptr};
    const NewProcess process{arguments, machine_.init_fd, {machine_.init_fd, -1, -1, -1, -1}, 0};
    UniqueFd first;
    auto started =
        spawn(process, 0, -1, machine_.workplace.stack, sizeof machine_.workplace.stack, first);
    if (!started.ok()) return started.error();
    Status ended = await(first.get(), POLLIN);
    if (!ended.ok()) sys::call(__NR_pidfd_send_signal, first.get(), SIGKILL, nullptr, 0);
    siginfo_t info{};
    const long waited =
        sys::call(__NR_waitid, P_PIDFD, first.get(), &info, WEXITED | __WALL, nullptr);
    if (ended.ok() && waited == 0 && info.si_status != 0)
      return Error{info.si_status, kResolver, directory_};
    return ended;
  }

 private:
  Result<UniqueFd> connect() const {
    auto directory =
        own_fd(sys::call(__NR_openat, AT_FDCWD, directory_, O_PATH | O_DIRECTORY | O_CLOEXEC),
               "openat", directory_);
    if (!directory.ok()) return directory;
    auto socket =
        own_fd(sys::call(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
               "socket", directory_);
    if (!socket.ok()) return socket;
    // A socket's path has 108 bytes at most; through the descriptor it fits.
    Text<sizeof sockaddr_un::sun_path> path;
    path.add("/proc/thread-self/fd/").add(static_cast<uint64_t>(directory.value().get()));
    path.add("/socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    copy_text(address.sun_path, path.c_str());
    for (;;) {
      const long connected =
          sys::call(__NR_connect, socket.value().get(), &address, sizeof address);
      if (connected >= 0) return socket;
      if (connected != -EAGAIN) return failure(connected, "connect", directory_);
      if (is_over()) return over();  // too many are waiting
      sys::sleep(kPause);
    }
  }

  static long send(int fd, const char* bytes, size_t size, const int* passed) {
    const Status sent = send_message(fd, bytes, size, passed, passed == nullptr ? 0 : 1);
    return sent.ok() ? static_cast<long>(size) : -sent.error().number;
  }

  HostMachine& machine_;
  const char* directory_;
  uint64_t end_;
};

Blob registration_of(const HostMachine& machine, const Step& step) {
  return machine.registration.size == 0 ? machine.blob(step, 1) : machine.registration;
}

}  // namespace

namespace steps {

Status resolver_register(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const char* directory = base.text(step, 0);
  if (!machine.pidfd.valid()) return Error{EINVAL, kResolver, directory};
  // The resolver is a process of the host, and its directory is there.
  if (machine.workplace.away)
    if (Status entered = enter_host_mounts(machine.workplace); !entered.ok()) return entered;
  auto told = Attempt(machine, directory).tell_any(registration_of(machine, step));
  if (!told.ok()) return told.error();
  base.fill(step, 0, told.value().release());
  return {};
}

Status resolver_await(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const char* directory = base.text(step, 0);
  const Attempt attempt(machine, directory);
  for (;;) {
    auto answer = attempt.answer(base.slot(step, 0));
    if (answer.ok()) {
      if (answer.value() == 0) return {};
      return Error{answer.value(), kResolver, directory};
    }
    // A resolver that ends closes what it has not answered: the next one is told.
    if (!is_absent(answer.error().number)) return answer.error();
    if (attempt.is_over()) return attempt.over();
    if (machine.workplace.away)
      if (Status entered = enter_host_mounts(machine.workplace); !entered.ok()) return entered;
    auto told = attempt.tell_any(registration_of(machine, step));
    if (!told.ok()) return told.error();
    base.fill(step, 0, told.value().release());
  }
}

}  // namespace steps
}  // namespace caisson
