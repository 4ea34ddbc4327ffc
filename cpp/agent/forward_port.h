// A published port: the socket of the host, and where it leads.
#pragma once

#include <linux/in.h>
#include <linux/in6.h>
#include <sys/socket.h>

#include "../base/forwarded_port.h"
#include "../base/unique_fd.h"

namespace caisson {

// An address as connect(2) takes it.
struct SocketAddress {
  SocketAddress() = default;
  explicit SocketAddress(const PortAddress& from) {
    if (from.version == 4) {
      four.sin_family = AF_INET;
      four.sin_port = from.port;
      __builtin_memcpy(&four.sin_addr, from.address, sizeof four.sin_addr);
      size = sizeof four;
    } else if (from.version == 6) {
      six.sin6_family = AF_INET6;
      six.sin6_port = from.port;
      __builtin_memcpy(&six.sin6_addr, from.address, sizeof six.sin6_addr);
      size = sizeof six;
    }
  }

  bool is_set() const { return size != 0; }
  int family() const { return any.sa_family; }

  union {
    sockaddr any;
    sockaddr_in four;
    sockaddr_in6 six = {};
  };
  uint32_t size = 0;
};

struct ForwardPort {
  UniqueFd socket;
  int family;  // of the socket; that of the container's address may be another one
  PortAddress from;
  SocketAddress target;  // not set: it leads nowhere at present
};

}  // namespace caisson
