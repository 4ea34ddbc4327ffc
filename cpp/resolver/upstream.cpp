// The worker's side towards the name servers that queries are forwarded to. Each query has a socket
// of its own for each server, and with it a source port that the kernel has chosen at random, and
// an id of its own (RFC 5452, 9.2).
#include <sys/socket.h>

#include "worker.h"

namespace caisson {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kPatience = 2 * kSecond;      // with a server before another one
constexpr uint64_t kLastPatience = 4 * kSecond;  // with the last one
constexpr uint32_t kMaxForeign = 32;  // messages that are no reply, before a server is given up
constexpr int kNoSocket = -1;

struct SocketAddress {
  union {
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  socklen_t size;
};

uint16_t network_order(uint16_t number) {
  return static_cast<uint16_t>(number << 8 | number >> 8);
}

SocketAddress address_of(const Server& server) {
  SocketAddress address{};
  if (server.address.family == 4) {
    address.size = sizeof address.v4;
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = network_order(server.port);
    __builtin_memcpy(&address.v4.sin_addr, server.address.bytes, 4);
  } else {
    address.size = sizeof address.v6;
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = network_order(server.port);
    address.v6.sin6_scope_id = server.scope;
    __builtin_memcpy(&address.v6.sin6_addr, server.address.bytes, 16);
  }
  return address;
}

void set_id(std::span<uint8_t> message, uint16_t id) {
  message[0] = static_cast<uint8_t>(id >> 8);
  message[1] = static_cast<uint8_t>(id);
}

}  // namespace

// kMaxPending if there is no room.
uint32_t Worker::take_pending(const Client& client, const dns::Query& query) {
  Container& container = containers_[client.slot];
  if (query.message.size() > kMaxForwardedQuery || container.pending >= kMaxPendingOfOne)
    return kMaxPending;
  uint32_t index = 0;
  while (index < kMaxPending && pending_[index].used)
    ++index;
  if (index == kMaxPending) return index;
  Pending& pending = pending_[index];
  pending.used = true;
  pending.opens = false;
  pending.fd = kNoSocket;
  pending.client = client;
  pending.client_id = query.id();
  pending.server = 0;
  pending.query_size = query.message.size();
  pending.query[0] = static_cast<uint8_t>(pending.query_size >> 8);
  pending.query[1] = static_cast<uint8_t>(pending.query_size);
  __builtin_memcpy(pending.query + kTcpPrefix, query.message.data(), pending.query_size);
  ++container.pending;
  if (client.by_tcp) {
    Connection& connection = connections_[client.connection];
    connection.waits = true;
    connection.pending = index;
  }
  return index;
}

// False if there is no server to ask, or no room.
bool Worker::forward(const Client& client, const dns::Query& query) {
  const Registration* registration = names_.at(client.slot);
  if (registration == nullptr || !registration->forwards || registration->server_count == 0)
    return false;
  const uint32_t index = take_pending(client, query);
  if (index == kMaxPending) return false;
  ask(index);
  return true;
}

// The first server, beginning with the current one, that can be reached at all.
void Worker::ask(uint32_t index) {
  Pending& pending = pending_[index];
  const Registration* registration = names_.at(pending.client.slot);
  for (; registration != nullptr && pending.server < registration->server_count; ++pending.server) {
    if (!connect_to(index, registration->servers[pending.server])) continue;
    const bool last = pending.server + 1 == registration->server_count;
    pending_due_[index] = sys::monotonic() + (last ? kLastPatience : kPatience);
    return;
  }
  fail(index);
}

void Worker::give_up(uint32_t index) {
  const Client client = pending_[index].client;
  if (!pending_[index].opens) return ask_next(index);
  fail(index);
  if (client.by_tcp) take_arrived(client.connection);
}

// The client's, instead of the one that a server was sent.
void Worker::restore_id(uint32_t index) {
  set_id(pending_[index].message(), pending_[index].client_id);
}

void Worker::fail(uint32_t index) {
  Pending& pending = pending_[index];
  const Client client = pending.client;
  dns::Query query;
  restore_id(index);
  static_cast<void>(dns::parse_query(pending.message(), query));
  // The query lies in the table: nothing takes its place before the reply is written.
  drop(index);
  send_failure(client, query);
}

bool Worker::connect_to(uint32_t index, const Server& server) {
  Pending& pending = pending_[index];
  const bool by_tcp = pending.client.by_tcp;
  const int family = server.address.family == 4 ? AF_INET : AF_INET6;
  const long fd = sys::call(__NR_socket, family,
                            (by_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  pending.fd = static_cast<int>(fd);
  pending.foreign = 0;
  pending.received = 0;
  set_id(pending.message(), random_.next());
  const SocketAddress address = address_of(server);
  const long connected = sys::call(__NR_connect, pending.fd, &address, address.size);
  bool sound = connected >= 0 || (by_tcp && connected == -EINPROGRESS);
  if (sound && !by_tcp)
    sound =
        sys::call(__NR_sendto, pending.fd, pending.message().data(), pending.query_size,
                  MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0) == static_cast<long>(pending.query_size);
  if (sound) sound = epoll_.add(pending.fd, Source::kUpstream, index, by_tcp ? EPOLLOUT : EPOLLIN);
  if (sound) return true;
  sys::close(pending.fd);
  pending.fd = kNoSocket;
  return false;
}

void Worker::ask_next(uint32_t index) {
  Pending& pending = pending_[index];
  sys::close(pending.fd);
  pending.fd = kNoSocket;
  pending_due_[index] = 0;
  ++pending.server;
  const Client client = pending.client;
  ask(index);
  if (client.by_tcp) take_arrived(client.connection);
}

void Worker::drop(uint32_t index) {
  Pending& pending = pending_[index];
  if (pending.fd >= 0) sys::close(pending.fd);
  pending.used = false;
  pending_due_[index] = 0;
  --containers_[pending.client.slot].pending;
  if (pending.client.by_tcp) connections_[pending.client.connection].waits = false;
}

void Worker::handle_upstream(uint32_t index, uint32_t events) {
  if (!pending_[index].used || pending_[index].opens) return;
  if (pending_[index].client.by_tcp)
    receive_reply_by_tcp(index, events);
  else
    receive_reply(index);
}

void Worker::receive_reply(uint32_t index) {
  // From the server's address and port, as the socket is connected.
  const long got = sys::call(__NR_recvfrom, pending_[index].fd, incoming_, sizeof incoming_,
                             MSG_DONTWAIT, nullptr, nullptr);
  if (got == -EAGAIN) return;
  if (got < 0) return ask_next(index);
  take_reply(index, {incoming_, static_cast<size_t>(got)});
}

void Worker::receive_reply_by_tcp(uint32_t index, uint32_t events) {
  Pending& pending = pending_[index];
  Connection& connection = connections_[pending.client.connection];
  if ((events & EPOLLOUT) != 0) {
    // A new connection has room for all of it.
    const size_t size = kTcpPrefix + pending.query_size;
    const long sent = sys::call(__NR_sendto, pending.fd, pending.query, size,
                                MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
    if (sent == -EAGAIN) return;  // an event of an earlier socket
    if (sent != static_cast<long>(size) ||
        !epoll_.change(pending.fd, Source::kUpstream, index, EPOLLIN))
      ask_next(index);
    return;
  }
  size_t whole = kTcpPrefix;
  if (pending.received >= kTcpPrefix) whole += dns::number_at(connection.out, 0);
  const long got = sys::call(__NR_recvfrom, pending.fd, connection.out + pending.received,
                             whole - pending.received, MSG_DONTWAIT, nullptr, nullptr);
  if (got == -EAGAIN) return;
  if (got <= 0) return ask_next(index);
  pending.received += static_cast<size_t>(got);
  if (pending.received < kTcpPrefix) return;
  const size_t size = dns::number_at(connection.out, 0);
  if (size < dns::kHeaderSize) return ask_next(index);
  if (pending.received < kTcpPrefix + size) return;
  pending.received = 0;
  take_reply(index, {connection.out + kTcpPrefix, size});
}

void Worker::take_reply(uint32_t index, std::span<uint8_t> reply) {
  Pending& pending = pending_[index];
  switch (dns::check_reply(reply, pending.message())) {
    case dns::ReplyKind::kForeign:
      if (++pending.foreign > kMaxForeign || pending.client.by_tcp) ask_next(index);
      return;
    case dns::ReplyKind::kFailure:
      return ask_next(index);
    case dns::ReplyKind::kCut:
      return deliver(index, reply, true);
    case dns::ReplyKind::kAnswer:
      return deliver(index, reply, false);
  }
}

// The one way of a forwarded answer to its client.
void Worker::deliver(uint32_t index, std::span<uint8_t> reply, bool cut) {
  Pending& pending = pending_[index];
  const Client client = pending.client;
  const Registration* registration = names_.at(client.slot);
  restore_id(index);
  set_id(reply, pending.client_id);
  if (!cut && registration != nullptr && registration->has_policy) {
    deliver_by_policy(index, reply);
    if (client.by_tcp) take_arrived(client.connection);
    return;
  }
  dns::Query query;
  static_cast<void>(dns::parse_query(pending.message(), query));
  drop(index);
  send_upstream(client, query, reply, cut);
}

void Worker::send_upstream(const Client& client, const dns::Query& query, std::span<uint8_t> reply,
                           bool cut) {
  if (cut || (!client.by_tcp && reply.size() > query.udp_size)) {
    // The client asks again by TCP; of what was cut off nothing is passed on.
    const std::span<uint8_t> room = room_for(client);
    dns::Reply empty(room, query, dns::rcode_of(reply));
    empty.set_truncated();
    reply = room.first(empty.finish());
  }
  send_reply(client, reply);
  if (client.by_tcp) take_arrived(client.connection);
}

}  // namespace caisson
