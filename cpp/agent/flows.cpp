#include "flows.h"

#include <linux/ipv6.h>

namespace caisson {
namespace {

// As Docker's.
constexpr uint64_t kSilence = 90'000'000'000;
// How many datagrams are forwarded before it is another socket's turn.
constexpr int kAtOnce = 32;

// Where a datagram comes from and to which address of the host it was sent: ip(7), ipv6(7).
struct Envelope {
  SocketAddress client;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))];

  static_assert(sizeof(in6_pktinfo) >= sizeof(in_pktinfo));
};

bool is_multicast(const uint8_t* address) {
  return address[0] == 0xff;
}

// False: the address of the host is not known.
bool read_local(msghdr& message, uint8_t* local) {
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return false;
  if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
    in_pktinfo info;
    __builtin_memcpy(&info, CMSG_DATA(header), sizeof info);
    __builtin_memcpy(local, &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
    return true;
  }
  if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info;
    __builtin_memcpy(&info, CMSG_DATA(header), sizeof info);
    // The kernel chooses an address for an answer then.
    if (!is_multicast(info.ipi6_addr.in6_u.u6_addr8))
      __builtin_memcpy(local, &info.ipi6_addr, sizeof info.ipi6_addr);
    return true;
  }
  return false;
}

template <class Info>
void put_info(msghdr& message, int level, int type, const Info& info) {
  message.msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof info);
  __builtin_memcpy(CMSG_DATA(header), &info, sizeof info);
}

bool read_key(msghdr& message, const SocketAddress& client, FlowKey& key) {
  if (!read_local(message, key.local)) return false;
  if (client.family() == AF_INET) {
    __builtin_memcpy(key.client, &client.four.sin_addr, sizeof client.four.sin_addr);
    key.client_port = client.four.sin_port;
    return true;
  }
  __builtin_memcpy(key.client, &client.six.sin6_addr, sizeof client.six.sin6_addr);
  key.client_port = client.six.sin6_port;
  key.scope = client.six.sin6_scope_id;
  return true;
}

}  // namespace

Status Flows::prepare(const ForwardPort& port) {
  const int on = 1;
  const int socket = port.socket.get();
  const long set =
      port.family == AF_INET
          ? sys::call(__NR_setsockopt, socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof on)
          : sys::call(__NR_setsockopt, socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  return check(set, "setsockopt");
}

void Flows::receive(uint32_t port, uint64_t now, bool has_container) {
  const int socket = ports_[port].socket.get();
  for (int i = 0; i < kAtOnce; ++i) {
    Envelope envelope;
    iovec part{buffer_, sizeof buffer_};
    msghdr message{};
    message.msg_name = &envelope.client.any;
    message.msg_namelen = sizeof envelope.client.six;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = envelope.control;
    message.msg_controllen = sizeof envelope.control;
    const long got = sys::call(__NR_recvmsg, socket, &message, MSG_DONTWAIT);
    if (got < 0) return;
    FlowKey key{};
    key.port = port;
    if (!has_container || !ports_[port].target.is_set() || !read_key(message, envelope.client, key))
      continue;
    const uint32_t index = flow_of(key, ports_[port].target, now);
    if (index == FlowTable::kNone) continue;
    const int target = table_[index].socket;
    constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
    // The first attempt may be told of an earlier datagram (ECONNREFUSED).
    if (sys::call(__NR_sendto, target, buffer_, got, kFlags, nullptr, 0) == -ECONNREFUSED)
      sys::call(__NR_sendto, target, buffer_, got, kFlags, nullptr, 0);
  }
}

// kNone: there is no socket for it, and the datagram is lost.
uint32_t Flows::flow_of(const FlowKey& key, const SocketAddress& target, uint64_t now) {
  const uint32_t known = table_.find(key);
  if (known != FlowTable::kNone) {
    table_.touch(known, now);
    return known;
  }
  if (table_.is_full()) end(table_.oldest());
  UniqueFd socket(static_cast<int>(sys::call(
      __NR_socket, target.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP)));
  if (!socket.valid()) return FlowTable::kNone;
  if (sys::call(__NR_connect, socket.get(), &target.any, target.size) < 0) return FlowTable::kNone;
  const uint32_t index = table_.add(key, socket.get(), now);
  if (events_.add(socket.get(), ForwardSource::kFlow, index, EPOLLIN)) {
    socket.release();
    return index;
  }
  table_.remove(index);
  return FlowTable::kNone;
}

void Flows::answer(uint32_t index, uint64_t now) {
  const Flow& flow = table_[index];
  if (flow.socket < 0) return;  // an event of the same wait has ended it
  const int socket = ports_[flow.key.port].socket.get();
  Envelope envelope;
  SocketAddress& client = envelope.client;
  msghdr message{};
  message.msg_control = envelope.control;
  message.msg_controllen = sizeof envelope.control;
  if (ports_[flow.key.port].family == AF_INET) {
    client.four = {};
    client.four.sin_family = AF_INET;
    client.four.sin_port = flow.key.client_port;
    __builtin_memcpy(&client.four.sin_addr, flow.key.client, sizeof client.four.sin_addr);
    client.size = sizeof client.four;
    in_pktinfo info{};
    __builtin_memcpy(&info.ipi_spec_dst, flow.key.local, sizeof info.ipi_spec_dst);
    put_info(message, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    client.six.sin6_family = AF_INET6;
    client.six.sin6_port = flow.key.client_port;
    client.six.sin6_scope_id = flow.key.scope;
    __builtin_memcpy(&client.six.sin6_addr, flow.key.client, sizeof client.six.sin6_addr);
    client.size = sizeof client.six;
    in6_pktinfo info{};
    __builtin_memcpy(&info.ipi6_addr, flow.key.local, sizeof info.ipi6_addr);
    put_info(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  message.msg_name = &client.any;
  message.msg_namelen = client.size;
  for (int i = 0; i < kAtOnce; ++i) {
    // Also what the container's kernel says: that it does not listen, which UDP does not pass on.
    const long got = sys::call(__NR_recvfrom, flow.socket, buffer_, sizeof buffer_, MSG_DONTWAIT,
                               nullptr, nullptr);
    if (got < 0) return;
    table_.touch(index, now);
    iovec part{buffer_, static_cast<size_t>(got)};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    sys::call(__NR_sendmsg, socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

uint64_t Flows::expire(uint64_t now) {
  for (;;) {
    const uint32_t index = table_.oldest();
    if (index == FlowTable::kNone) return kNever;
    const uint64_t end_of_silence = table_[index].seen + kSilence;
    if (end_of_silence > now) return end_of_silence;
    end(index);
  }
}

void Flows::end(uint32_t index) {
  sys::close(table_[index].socket);
  table_.remove(index);
}

void Flows::end_all() {
  while (table_.count() > 0)
    end(table_.oldest());
}

}  // namespace caisson
