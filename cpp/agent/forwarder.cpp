// Its ports are sockets of the host's network namespace, which it was sent; what it opens itself is
// in the shared one. One loop around epoll_pwait(2), and all memory from the beginning: nothing is
// allocated for a connection or a datagram.
#include "forwarder.h"

#include <linux/prctl.h>
#include <linux/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <new>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/signals.h"
#include "../host/capabilities.h"
#include "connections.h"
#include "flows.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kNever = ~uint64_t{0};
// After which a connection is accepted again when there was no descriptor for one.
constexpr uint64_t kPause = 100 * kMillisecond;
constexpr int kAcceptedAtOnce = 16;
// A client that has gone without a word is found in two minutes.
constexpr int kIdleSeconds = 60, kProbeSeconds = 15, kProbes = 4;

// As many as there are descriptors for, up to these.
constexpr uint32_t kMostConnections = 16'384;
constexpr uint32_t kMostFlows = 4096;
constexpr uint32_t kFewestFlows = 64;
constexpr uint32_t kOwnDescriptors = 16;

struct Limits {
  uint32_t connections, flows;
};

Limits limits_for(uint64_t descriptors, uint32_t ports) {
  const uint64_t taken = ports + kOwnDescriptors;
  const uint64_t left = descriptors > taken ? descriptors - taken : 0;
  Limits limits{0, kFewestFlows};
  while (limits.flows < kMostFlows && limits.flows * 8 <= left)
    limits.flows *= 2;
  const uint64_t rest = left > limits.flows ? (left - limits.flows) / 2 : 1;
  limits.connections = rest > kMostConnections ? kMostConnections : static_cast<uint32_t>(rest);
  return limits;
}

template <class T>
T* map_memory(size_t count) {
  const long memory = sys::call(__NR_mmap, nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory < 0 && memory > -4096) sys::exit_group(ENOMEM);
  return reinterpret_cast<T*>(memory);
}

// All that its user may have.
uint64_t raise_descriptors() {
  rlimit limit{};
  sys::call(__NR_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  limit.rlim_cur = limit.rlim_max;
  sys::call(__NR_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr);
  return limit.rlim_cur;
}

uint64_t random_seed() {
  uint64_t seed = 0;
  sys::call(__NR_getrandom, &seed, sizeof seed, 0);
  return seed;
}

int option_of(int socket, int name) {
  int value = 0;
  uint32_t size = sizeof value;
  sys::call(__NR_getsockopt, socket, SOL_SOCKET, name, &value, &size);
  return value;
}

Status set_option(int socket, int level, int name, int value) {
  return check(sys::call(__NR_setsockopt, socket, level, name, &value, sizeof value), "setsockopt");
}

// Connections inherit all of it.
Status prepare_listener(int socket) {
  struct {
    int level, name, value;
  } const options[] = {
      {SOL_SOCKET, SO_KEEPALIVE, 1},       {IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds},
      {IPPROTO_TCP, TCP_KEEPCNT, kProbes}, {IPPROTO_TCP, TCP_KEEPINTVL, kProbeSeconds},
      {IPPROTO_TCP, TCP_NODELAY, 1},       {SOL_SOCKET, SO_OOBINLINE, 1},
  };
  for (const auto& [level, name, value] : options)
    if (Status set = set_option(socket, level, name, value); !set.ok()) return set;
  return {};
}

bool same_port(const PortAddress& a, const PortAddress& b) {
  return __builtin_memcmp(&a, &b, sizeof a) == 0;
}

class Forwarder {
 public:
  Forwarder(int channel, uint32_t ports, const Limits& limits)
      : channel_(channel),
        ports_(map_memory<ForwardPort>(ports)),
        most_ports_(ports),
        connections_(events_, map_memory<Connection>(limits.connections), limits.connections),
        flows_(events_, ports_,
               FlowTable(map_memory<Flow>(limits.flows), map_memory<uint32_t>(limits.flows),
                         limits.flows, random_seed())) {}

  [[noreturn]] void run() {
    if (!events_.open() || !listeners_.open() ||
        !events_.add(channel_, ForwardSource::kChannel, 0, EPOLLIN) ||
        !events_.add(listeners_.get(), ForwardSource::kListeners, 0, EPOLLIN))
      sys::exit_group(1);
    for (;;) {
      events_.wait(milliseconds_left(),
                   [this](const ForwardEvents::Event& event) { handle(event); });
      connections_.go_on();
      flows_due_ = flows_.expire(sys::monotonic());
      listen_if_possible();
    }
  }

 private:
  int milliseconds_left() const {
    if (connections_.has_more()) return 0;
    const uint64_t due = listens_again_ < flows_due_ ? listens_again_ : flows_due_;
    if (due == kNever) return -1;
    const uint64_t now = sys::monotonic();
    return due <= now ? 0 : static_cast<int>((due - now + kMillisecond - 1) / kMillisecond);
  }

  void handle(const ForwardEvents::Event& event) {
    switch (event.source) {
      case ForwardSource::kChannel:
        return serve();
      case ForwardSource::kListeners:
        return listeners_.wait(
            0, [this](const ForwardEvents::Event& listener) { accept(ports_[listener.index]); });
      case ForwardSource::kClient:
      case ForwardSource::kContainer:
        return connections_.handle(event.index, event.source == ForwardSource::kContainer,
                                   event.events);
      case ForwardSource::kDatagrams:
        return flows_.receive(event.index, sys::monotonic(), has_container_);
      case ForwardSource::kFlow:
        return flows_.answer(event.index, sys::monotonic());
      case ForwardSource::kListener:
        return;
    }
  }

  // More connections than there is room for stay with the kernel, in the order in which they came,
  // until others have ended. What it does not keep either (net.core.somaxconn) gets no answer.
  void accept(const ForwardPort& port) {
    for (int i = 0; i < kAcceptedAtOnce && connections_.has_room(); ++i) {
      const long accepted = sys::call(__NR_accept4, port.socket.get(), nullptr, nullptr,
                                      SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted == -EAGAIN) return;
      const bool lacks =
          accepted == -EMFILE || accepted == -ENFILE || accepted == -ENOBUFS || accepted == -ENOMEM;
      if (lacks) return pause_listening();
      if (accepted < 0) continue;  // it has ended already
      UniqueFd client(static_cast<int>(accepted));
      if (!has_container_ || !port.target.is_set()) {
        reset_connection(client);
        continue;
      }
      if (!connections_.add(static_cast<UniqueFd&&>(client), port.target)) return pause_listening();
    }
  }

  void pause_listening() { listens_again_ = sys::monotonic() + kPause; }

  void listen_if_possible() {
    if (listens_again_ != kNever && listens_again_ <= sys::monotonic()) listens_again_ = kNever;
    const bool listens = connections_.has_room() && listens_again_ == kNever;
    if (listens == listens_) return;
    listens_ = listens;
    events_.change(listeners_.get(), ForwardSource::kListeners, 0, listens ? uint32_t{EPOLLIN} : 0);
  }

  // One request of the supervisor.
  void serve() {
    int fds[kMaxPassedFds];
    auto got = receive_message(channel_, &request_, sizeof request_, fds);
    if (got.ok() && got.value().size == 0) end();
    const ForwardAnswer answer =
        got.ok() ? execute(got.value(), fds) : static_cast<ForwardAnswer>(got.error().number);
    if (sys::call(__NR_sendto, channel_, &answer, sizeof answer, MSG_NOSIGNAL, nullptr, 0) < 0)
      end();
  }

  ForwardAnswer execute(const Received& received, const int* fds) {
    const bool adds = request_.task == ForwardTask::kAdd;
    const bool whole = received.size >= request_size(0) && request_.count <= kMaxPassedFds &&
                       received.size == request_size(request_.count);
    if (!whole || received.fd_count != (adds ? request_.count : 0)) {
      for (size_t i = 0; i < received.fd_count; ++i)
        sys::close(fds[i]);
      return EBADMSG;
    }
    switch (request_.task) {
      case ForwardTask::kAdd:
        return add(fds);
      case ForwardTask::kPause:
        has_container_ = false;
        connections_.end_all();
        flows_.end_all();
        return 0;
      case ForwardTask::kResume:
        has_container_ = true;
        return 0;
      case ForwardTask::kClear:
        flows_.end_all();
        for (uint32_t i = 0; i < port_count_; ++i)
          ports_[i].target = {};
        return 0;
      case ForwardTask::kLead:
        lead();
        return 0;
    }
    return ENOSYS;
  }

  // Ports that are not here are of the next run.
  void lead() {
    for (uint32_t i = 0; i < request_.count; ++i)
      for (uint32_t at = 0; at < port_count_; ++at)
        if (same_port(ports_[at].from, request_.ports[i].from))
          ports_[at].target = SocketAddress(request_.ports[i].to);
  }

  ForwardAnswer add(const int* fds) {
    int number = 0;
    for (uint32_t i = 0; i < request_.count; ++i) {
      UniqueFd socket(fds[i]);
      if (number != 0) continue;
      if (port_count_ == most_ports_) {
        number = EMFILE;
        continue;
      }
      ForwardPort& port = *new (&ports_[port_count_]) ForwardPort{};
      port.socket = static_cast<UniqueFd&&>(socket);
      port.from = request_.ports[i].from;
      port.target = SocketAddress(request_.ports[i].to);
      port.family = option_of(port.socket.get(), SO_DOMAIN);
      Status added = watch(port, port_count_++);
      if (!added.ok()) number = added.error().number;
    }
    return number;
  }

  Status watch(const ForwardPort& port, uint32_t index) {
    const int socket = port.socket.get();
    const bool is_tcp = option_of(socket, SO_TYPE) == SOCK_STREAM;
    Status prepared = is_tcp ? prepare_listener(socket) : Flows::prepare(port);
    if (!prepared.ok()) return prepared;
    // accept4(2) of a connection that has ended in between would wait.
    const long set = sys::call(__NR_fcntl, socket, F_SETFL, O_NONBLOCK);
    if (set < 0) return failure(set, "fcntl");
    const bool watched = is_tcp ? listeners_.add(socket, ForwardSource::kListener, index, EPOLLIN)
                                : events_.add(socket, ForwardSource::kDatagrams, index, EPOLLIN);
    return watched ? Status{} : Status{Error{ENOSPC, "epoll_ctl"}};
  }

  // The supervisor waits for the end of the channel: the ports are free then.
  [[noreturn]] void end() {
    connections_.end_all();
    for (uint32_t i = 0; i < port_count_; ++i)
      ports_[i].socket.reset();
    sys::exit_group(0);
  }

  int channel_;
  ForwardEvents events_, listeners_;
  ForwardPort* ports_;
  uint32_t most_ports_;
  uint32_t port_count_ = 0;
  Connections connections_;
  Flows flows_;
  bool has_container_ = true;
  bool listens_ = true;
  uint64_t listens_again_ = kNever;  // monotonic, ns
  uint64_t flows_due_ = kNever;
  ForwardRequest request_;
};

// It parses nothing that comes from a network, and needs no rights.
bool drop_rights() {
  Capabilities none;
  return none.set() >= 0 && sys::call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) >= 0 &&
         sys::call(__NR_prctl, PR_SET_DUMPABLE, 0) >= 0;
}

alignas(Forwarder) unsigned char forwarder_memory[sizeof(Forwarder)];

}  // namespace

void run_forwarder(int channel, uint32_t ports) {
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-forward");
  // Next to the three that are /dev/null.
  constexpr int kChannel = 3;
  if (channel != kChannel) sys::call(__NR_dup3, channel, kChannel, O_CLOEXEC);
  sys::call(__NR_close_range, kChannel + 1, ~0u, 0);
  const uint64_t descriptors = raise_descriptors();
  if (!drop_rights()) sys::exit_group(1);
  auto* forwarder =
      new (forwarder_memory) Forwarder(kChannel, ports, limits_for(descriptors, ports));
  forwarder->run();
}

}  // namespace caisson
