#include "port_socket.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <sys/socket.h>

#include "../base/kernel.h"
#include "../steps/text_lines.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kPatience = 1000 * kMillisecond;
constexpr int kBacklog = 4096;  // the kernel's own limit is net.core.somaxconn

Status bind_to(int socket, const PortAddress& port) {
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

// Without SO_REUSEADDR if it is kept: two sockets that do not listen could have the same port with
// it. Of two that listen, the second one gets EADDRINUSE.
Result<UniqueFd> open_socket(const PortAddress& port, Bind how) {
  const int type = port.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  const int family = port.version == 4 ? AF_INET : AF_INET6;
  const long opened = sys::call(__NR_socket, family, type | SOCK_CLOEXEC, port.protocol);
  if (opened < 0) return failure(opened, "socket");
  UniqueFd socket(static_cast<int>(opened));
  const int on = 1;
  if (how != Bind::kKeep && port.protocol == IPPROTO_TCP) {
    Status set =
        check(sys::call(__NR_setsockopt, socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
              "setsockopt");
    if (!set.ok()) return set.error();
  }
  return socket;
}

Result<UniqueFd> attempt(const PortAddress& port, Bind how) {
  auto socket = open_socket(port, how);
  if (!socket.ok()) return socket;
  const int fd = socket.value().get();
  if (Status bound = bind_to(fd, port); !bound.ok()) return bound.error();
  if (how != Bind::kListen || port.protocol == IPPROTO_UDP) return socket;
  Status listens = check(sys::call(__NR_listen, fd, kBacklog), "listen");
  if (!listens.ok()) return listens.error();
  return socket;
}

}  // namespace

Result<UniqueFd> bind_port(const PortAddress& port, Bind how, const Canceller& canceller,
                           uint64_t end) {
  for (;;) {
    auto socket = attempt(port, how);
    if (socket.ok()) return socket;
    // Without SCTP in the kernel no process of the host has its ports.
    if (socket.error().number == EPROTONOSUPPORT && port.protocol == IPPROTO_SCTP)
      return UniqueFd{};
    if (socket.error().number != EADDRINUSE || sys::monotonic() > end) return socket;
    if (canceller.cancels()) return Error{ECANCELED, "bind"};
    sys::sleep(kMillisecond);
  }
}

uint64_t end_of_patience() {
  return sys::monotonic() + kPatience;
}

Error port_error(Error error, Machine& machine, const Step& step, uint32_t index) {
  const Blob line = line_of(machine.blob(step, 0), index + 1);
  Text<sizeof machine.detail> words;
  words.add(line.data, line.size);
  return Error{error.number, error.call, machine.keep(words.c_str())};
}

}  // namespace caisson
