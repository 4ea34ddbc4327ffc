// port.bind: the ports of the host that are a container's. On a network of bridges, packets to them
// are translated before they come to a socket; the sockets are there so that no other process gets
// these ports. In user mode, the program that forwards them binds them itself: it is only tried.
#include <linux/in.h>
#include <linux/in6.h>
#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../steps/text_lines.h"
#include "host_machine.h"

namespace caisson {
namespace {

// lib/network/firewall/port-bindings.ts writes them.
struct Port {
  uint8_t protocol;  // IPPROTO_*
  uint8_t version;   // 4, 6
  uint16_t port;     // in network byte order
  uint8_t address[16];
};
static_assert(sizeof(Port) == 20);

constexpr uint64_t kMillisecond = 1000000;
// A container that has ended gives its ports back when its teardown is over.
constexpr uint64_t kPatience = 1000 * kMillisecond;

Status bind_to(int socket, const Port& port) {
  if (port.version == 4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = port.port;
    __builtin_memcpy(&address.sin_addr, port.address, sizeof address.sin_addr);
    return check(sys::call(__NR_bind, socket, &address, sizeof address), "bind");
  }
  // Of IPv6 alone: the same port of IPv4 may be another container's.
  const int on = 1;
  Status only = check(sys::call(__NR_setsockopt, socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on),
                      "setsockopt");
  if (!only.ok()) return only;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = port.port;
  __builtin_memcpy(&address.sin6_addr, port.address, sizeof address.sin6_addr);
  return check(sys::call(__NR_bind, socket, &address, sizeof address), "bind");
}

// Without SO_REUSEADDR: two sockets that do not listen could have the same port with it. `reuses`
// is for a program that will listen with it, as is usual: connections that have ended (TIME_WAIT)
// do not keep it from the port.
Result<UniqueFd> claim(const Port& port, bool reuses, const Canceller& canceller, uint64_t end) {
  const int type = port.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  const int family = port.version == 4 ? AF_INET : AF_INET6;
  const long opened = sys::call(__NR_socket, family, type | SOCK_CLOEXEC, port.protocol);
  // Without SCTP in the kernel no process of the host has its ports.
  if (opened == -EPROTONOSUPPORT && port.protocol == IPPROTO_SCTP) return UniqueFd{};
  if (opened < 0) return failure(opened, "socket");
  UniqueFd socket(static_cast<int>(opened));
  const int on = 1;
  if (reuses && port.protocol == IPPROTO_TCP) {
    Status set =
        check(sys::call(__NR_setsockopt, socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
              "setsockopt");
    if (!set.ok()) return set.error();
  }
  for (;;) {
    Status bound = bind_to(socket.get(), port);
    if (bound.ok()) return socket;
    if (bound.error().number != EADDRINUSE || sys::monotonic() > end) return bound.error();
    if (canceller.cancels()) return Error{ECANCELED, "bind"};
    sys::sleep(kMillisecond);
  }
}

// Descriptors in one descriptor: they are in messages to a socket that are never received, and are
// closed with it. A container may have more ports than there are slots.
class Bundle {
 public:
  Status make() {
    int ends[2];
    Status made = check(sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends),
                        "socketpair");
    if (!made.ok()) return made;
    in_.reset(ends[0]);
    out_.reset(ends[1]);
    // Full, it fails instead of waiting for a reader.
    return check(sys::call(__NR_fcntl, in_.get(), F_SETFL, O_NONBLOCK), "fcntl");
  }

  Status add(UniqueFd fd) {
    if (!fd.valid()) return {};
    fds_[count_++] = fd.release();
    return count_ == kMaxPassedFds ? flush() : Status{};
  }

  Status flush() {
    if (count_ == 0) return {};
    Status sent = send_message(in_.get(), "", 1, fds_, count_);
    while (count_ > 0)
      sys::close(fds_[--count_]);
    return sent;
  }

  UniqueFd take() { return static_cast<UniqueFd&&>(out_); }

  Bundle() = default;
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;
  ~Bundle() {
    while (count_ > 0)
      sys::close(fds_[--count_]);
  }

 private:
  UniqueFd in_, out_;
  int fds_[kMaxPassedFds];
  size_t count_ = 0;
};

}  // namespace

namespace steps {

// The error has the line of its port, such as "0.0.0.0:80/tcp".
Status port_bind(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const Blob ports = base.blob(step, 1);
  if (ports.size % sizeof(Port) != 0) return Error{EINVAL, "bind"};
  const bool only_tries = step.number[0] != 0;
  Bundle bundle;
  if (Status made = bundle.make(); !made.ok()) return made;
  const uint64_t end = sys::monotonic() + kPatience;
  for (uint32_t i = 0; i < ports.size / sizeof(Port); ++i) {
    Port port;
    __builtin_memcpy(&port, ports.data + i * sizeof port, sizeof port);
    auto socket = claim(port, only_tries, machine.canceller, end);
    if (!socket.ok()) {
      const Blob line = line_of(base.blob(step, 0), i + 1);
      Text<sizeof base.detail> words;
      words.add(line.data, line.size);
      return Error{socket.error().number, socket.error().call, base.keep(words.c_str())};
    }
    if (only_tries) continue;
    if (Status added = bundle.add(socket.take()); !added.ok()) return added;
  }
  if (only_tries) return {};
  if (Status flushed = bundle.flush(); !flushed.ok()) return flushed;
  machine.ports = bundle.take();
  return {};
}

}  // namespace steps
}  // namespace caisson
