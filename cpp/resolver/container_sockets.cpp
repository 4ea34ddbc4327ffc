#include "container_sockets.h"

#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "../base/kernel.h"
#include "../base/link.h"
#include "../base/mount_api.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr uint8_t kAddress[] = {127, 0, 0, 11};
constexpr int kBacklog = 32;

bool is_in(int own) {
  struct statx mine {
  }, current{};
  return sys::call(__NR_statx, own, "", AT_EMPTY_PATH, STATX_INO, &mine) < 0 ||
         sys::call(__NR_statx, AT_FDCWD, "/proc/self/ns/net", 0, STATX_INO, &current) < 0 ||
         mine.stx_ino == current.stx_ino;
}

Result<UniqueFd> open_socket(int type, uint16_t port) {
  auto made = own_fd(sys::call(__NR_socket, AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                     "socket", nullptr);
  if (!made.ok()) return made;
  const int fd = made.value().get(), on = 1;
  if (const long set = sys::call(__NR_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      set < 0)
    return failure(set, "setsockopt", "127.0.0.11");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  __builtin_memcpy(&address.sin_addr, kAddress, sizeof kAddress);
  address.sin_port = static_cast<uint16_t>(port << 8 | port >> 8);
  if (const long bound = sys::call(__NR_bind, fd, &address, sizeof address); bound < 0)
    return failure(bound, "bind", "127.0.0.11");
  if (type == SOCK_STREAM)
    if (const long listens = sys::call(__NR_listen, fd, kBacklog); listens < 0)
      return failure(listens, "listen", "127.0.0.11");
  return made;
}

Status open_both(int own, uint16_t port, ContainerSockets& sockets) {
  if (is_in(own)) return failure(-EINVAL, "setns", "the container's network namespace");
  // As the container does itself, perhaps later: without the interface it has no address. A socket
  // that is bound before (IP_FREEBIND) would send its replies from 127.0.0.1.
  if (Status up = set_link_up("lo"); !up.ok()) return up;
  auto datagrams = open_socket(SOCK_DGRAM, port);
  if (!datagrams.ok()) return datagrams.error();
  auto listener = open_socket(SOCK_STREAM, port);
  if (!listener.ok()) return listener.error();
  sockets.datagrams = datagrams.take();
  sockets.listener = listener.take();
  return {};
}

}  // namespace

Status open_in_container(int pidfd, int own, uint16_t port, ContainerSockets& sockets) {
  if (const long entered = sys::call(__NR_setns, pidfd, CLONE_NEWNET); entered < 0)
    return failure(entered, "setns", "the container's network namespace");
  Status opened = open_both(own, port, sockets);
  // Everything else that this process does would be done in the wrong place.
  if (sys::call(__NR_setns, own, CLONE_NEWNET) < 0) sys::exit_group(1);
  return opened;
}

}  // namespace caisson
