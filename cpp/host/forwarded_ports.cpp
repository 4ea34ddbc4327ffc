// port.forward: the ports of the host that lead to a container of a rootless user, whose bridges
// are in another network namespace. They are bound here, in the host's, and a forwarder that the
// network agent starts accepts connections there and makes others in its own (agent/forwarder.cpp).
#include <poll.h>
#include <sys/socket.h>

#include "../base/agent_channel.h"
#include "../base/kernel.h"
#include "port_socket.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr uint64_t kPatience = 10 * kSecond;
constexpr uint64_t kShortPatience = 2 * kSecond;  // at the end of a run
constexpr uint64_t kSlice = 50 * kMillisecond;    // after which the canceller is asked again
// A process that was killed closes its descriptors one after the other.
constexpr uint64_t kReleased = 100 * kMillisecond;
constexpr const char* kForwarder = "forwarder";

Status await_answer(int forwarder, const Canceller& canceller, uint64_t patience) {
  const uint64_t end = sys::monotonic() + patience;
  for (;;) {
    pollfd waiting{forwarder, POLLIN, 0};
    const timespec slice{0, kSlice};
    if (sys::call(__NR_ppoll, &waiting, 1, &slice, nullptr, 0) > 0) return {};
    if (canceller.cancels()) return Error{ECANCELED, kForwarder};
    if (sys::monotonic() >= end) return Error{ETIMEDOUT, kForwarder};
  }
}

Status ask(int forwarder, const ForwardRequest& request, const int* fds, const Canceller& canceller,
           uint64_t patience) {
  const size_t fd_count = request.task == ForwardTask::kAdd ? request.count : 0;
  Status sent = send_message(forwarder, &request, request_size(request.count), fds, fd_count);
  if (!sent.ok()) return Error{sent.error().number, kForwarder};
  if (Status there = await_answer(forwarder, canceller, patience); !there.ok()) return there;
  ForwardAnswer answer = 0;
  const long got = sys::call(__NR_recvfrom, forwarder, &answer, sizeof answer, MSG_DONTWAIT);
  if (got != sizeof answer) return Error{got < 0 ? static_cast<int>(-got) : ECHILD, kForwarder};
  if (answer != 0) return Error{answer, kForwarder};
  return {};
}

Status ask(int forwarder, ForwardTask task, const Canceller& canceller, uint64_t patience) {
  ForwardRequest request;
  request.task = task;
  request.count = 0;
  return ask(forwarder, request, nullptr, canceller, patience);
}

Result<UniqueFd> start_forwarder(int agent, uint32_t ports) {
  int pair[2];
  const long made = sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  if (made < 0) return failure(made, "socketpair");
  UniqueFd near(pair[0]);
  const UniqueFd far(pair[1]);
  AgentRequest request{};
  request.task = AgentTask::kForward;
  request.number = ports;
  NetlinkRefusal none;
  const int fd = far.get();
  if (Status started = ask_agent(agent, request, "", &fd, 1, none); !started.ok())
    return started.error();
  return near;
}

// Ports that are bound, and not yet with the forwarder.
class Batch {
 public:
  Batch() {
    request_.task = ForwardTask::kAdd;
    request_.count = 0;
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch() { close_all(); }

  void add(UniqueFd socket, const ForwardedPort& port) {
    request_.ports[request_.count] = port;
    fds_[request_.count++] = socket.release();
  }
  bool full() const { return request_.count == kMaxPassedFds; }

  Status send(int forwarder, const Canceller& canceller) {
    if (request_.count == 0) return {};
    Status sent = ask(forwarder, request_, fds_, canceller, kPatience);
    close_all();
    return sent;
  }

 private:
  void close_all() {
    while (request_.count > 0)
      sys::close(fds_[--request_.count]);
  }

  ForwardRequest request_;
  int fds_[kMaxPassedFds];
};

// Where `forward` has failed, if it was at none of the ports.
constexpr uint32_t kNoPort = ~0u;

// A forwarder that has all of these ports. `at`: the one that could not be bound, or kNoPort.
Result<UniqueFd> forward(int agent, Blob ports, const Canceller& canceller, uint64_t end,
                         uint32_t& at) {
  at = kNoPort;
  const auto count = static_cast<uint32_t>(ports.size / sizeof(ForwardedPort));
  auto started = start_forwarder(agent, count);
  if (!started.ok()) return started;
  const int forwarder = started.value().get();
  Batch batch;
  for (uint32_t i = 0; i < count; ++i) {
    ForwardedPort port;
    __builtin_memcpy(&port, ports.data + i * sizeof port, sizeof port);
    auto socket = bind_port(port.from, Bind::kListen, canceller, end);
    if (!socket.ok()) {
      at = i;
      return socket.error();
    }
    if (!socket.value().valid()) return Error{EPROTONOSUPPORT, "socket"};
    batch.add(socket.take(), port);
    if (!batch.full()) continue;
    if (Status sent = batch.send(forwarder, canceller); !sent.ok()) return sent.error();
  }
  if (Status sent = batch.send(forwarder, canceller); !sent.ok()) return sent.error();
  return started;
}

const Step* find_step(const Program& program) {
  for (size_t i = 0; i < program.count(Phase::kHost); ++i) {
    const Step& step = program.step(Phase::kHost, i);
    if (step.op == Op::kPortForward) return &step;
  }
  return nullptr;
}

Status lead(int forwarder, Blob ports) {
  ForwardRequest request;
  request.task = ForwardTask::kLead;
  const size_t count = ports.size / sizeof(ForwardedPort);
  for (size_t done = 0; done < count; done += request.count) {
    request.count =
        static_cast<uint32_t>(count - done < kMaxPassedFds ? count - done : kMaxPassedFds);
    __builtin_memcpy(request.ports, ports.data + done * sizeof(ForwardedPort),
                     request.count * sizeof(ForwardedPort));
    Status led = ask(forwarder, request, nullptr, {}, kShortPatience);
    if (!led.ok()) return led;
  }
  return {};
}

}  // namespace

void redirect_forwarder(UniqueFd& forwarder, const Program& next) {
  if (!forwarder.valid()) return;
  const Step* step = find_step(next);
  Status led = ask(forwarder.get(), ForwardTask::kClear, {}, kShortPatience);
  if (led.ok() && step != nullptr) led = lead(forwarder.get(), next.blob(*step, 1));
  if (!led.ok()) forwarder.reset();
}

Status replace_forwarder(Workplace& workplace, const Program& present, const Program& next) {
  const Step* step = find_step(present);
  if (step == nullptr) return {};
  if (!workplace.agent.valid()) return Error{EBADF, kForwarder};
  uint32_t at = kNoPort;
  const uint64_t end = sys::monotonic() + kReleased;
  auto started = forward(workplace.agent.get(), present.blob(*step, 1), {}, end, at);
  if (!started.ok()) return started.error();
  workplace.forwarder = started.take();
  if (&next != &present) redirect_forwarder(workplace.forwarder, next);
  return workplace.forwarder.valid() ? Status() : Status(Error{ECHILD, kForwarder});
}

void pause_forwarder(UniqueFd& forwarder) {
  if (!forwarder.valid()) return;
  if (!ask(forwarder.get(), ForwardTask::kPause, {}, kShortPatience).ok()) forwarder.reset();
}

void end_forwarder(UniqueFd& forwarder) {
  if (!forwarder.valid()) return;
  sys::call(__NR_shutdown, forwarder.get(), SHUT_WR);
  // The end of its channel, after which it has no port any more.
  static_cast<void>(await_answer(forwarder.get(), {}, kShortPatience));
  forwarder.reset();
}

namespace steps {

// The error has the line of its port, such as "0.0.0.0:8080/tcp".
Status port_forward(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const Canceller& canceller = machine.canceller;
  const Blob ports = base.blob(step, 1);
  if (ports.size % sizeof(ForwardedPort) != 0) return Error{EINVAL, "bind"};
  if (machine.agent < 0) return Error{EBADF, kForwarder};
  // That of an earlier run has these ports; unless it has been killed.
  UniqueFd& kept = machine.workplace.forwarder;
  if (kept.valid() && ask(kept.get(), ForwardTask::kResume, canceller, kPatience).ok()) return {};
  kept.reset();
  uint32_t at = kNoPort;
  auto started = forward(machine.agent, ports, canceller, end_of_patience(), at);
  if (!started.ok())
    return at == kNoPort ? started.error() : port_error(started.error(), base, step, at);
  kept = started.take();
  return {};
}

}  // namespace steps
}  // namespace caisson
