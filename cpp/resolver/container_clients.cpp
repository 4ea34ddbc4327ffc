// The worker's side towards containers: datagrams, and connections by TCP (RFC 7766).
#include <sys/socket.h>

#include "worker.h"

namespace caisson {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kIdleTime = 10 * kSecond;  // of a connection, until its next message
// Of one socket at a time, before the others have their turn.
constexpr int kDatagramsAtOnce = 32;

}  // namespace

void Worker::receive_datagrams(uint32_t slot) {
  const uint32_t serial = containers_[slot].serial;
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    const Container& container = containers_[slot];
    if (!container.used || container.serial != serial) return;
    Client client{};
    client.slot = slot;
    socklen_t size = sizeof client.from;
    const long got = sys::call(__NR_recvfrom, container.datagrams, incoming_, sizeof incoming_,
                               MSG_DONTWAIT, &client.from, &size);
    if (got < 0) return;
    take_query(client, {incoming_, static_cast<size_t>(got)});
  }
}

void Worker::accept(uint32_t slot) {
  Container& container = containers_[slot];
  if (!container.used) return;
  const long fd =
      sys::call(__NR_accept4, container.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM) sys::sleep(1'000'000);
    return;
  }
  uint32_t index = 0;
  while (index < kMaxConnections && connections_[index].used)
    ++index;
  if (index == kMaxConnections || container.connections == kMaxConnectionsOfOne ||
      !epoll_.add(static_cast<int>(fd), Source::kConnection, index, EPOLLIN)) {
    sys::close(static_cast<int>(fd));
    return;
  }
  Connection& connection = connections_[index];
  connection.used = true;
  connection.fd = static_cast<int>(fd);
  connection.slot = slot;
  connection.waits = false;
  connection.in_size = connection.out_size = connection.out_sent = 0;
  connection_due_[index] = sys::monotonic() + kIdleTime;
  ++container.connections;
}

void Worker::close_connection(uint32_t index) {
  Connection& connection = connections_[index];
  sys::close(connection.fd);
  connection.used = false;
  connection_due_[index] = 0;
  --containers_[connection.slot].connections;
  if (connection.waits) drop(connection.pending);
}

void Worker::handle_connection(uint32_t index, uint32_t events) {
  Connection& connection = connections_[index];
  if (!connection.used) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close_connection(index);
  if (connection.out_size > 0)
    write_connection(index);
  else if (!connection.waits && !read_connection(connection))
    close_connection(index);
  take_arrived(index);
}

// False at its end.
bool Worker::read_connection(Connection& connection) {
  const long got =
      sys::call(__NR_recvfrom, connection.fd, connection.in + connection.in_size,
                sizeof connection.in - connection.in_size, MSG_DONTWAIT, nullptr, nullptr);
  if (got == -EAGAIN) return true;
  if (got <= 0) return false;
  connection.in_size += static_cast<size_t>(got);
  return true;
}

void Worker::take_arrived(uint32_t index) {
  Connection& connection = connections_[index];
  while (connection.used && !connection.waits && connection.out_size == 0) {
    if (connection.in_size < kTcpPrefix) break;
    const size_t size = dns::number_at(connection.in, 0);
    if (size > kMaxForwardedQuery) return close_connection(index);
    const size_t whole = kTcpPrefix + size;
    if (connection.in_size < whole) break;
    // Out of the way of what follows it.
    __builtin_memcpy(incoming_, connection.in + kTcpPrefix, size);
    connection.in_size -= whole;
    __builtin_memmove(connection.in, connection.in + whole, connection.in_size);
    Client client{};
    client.slot = connection.slot;
    client.by_tcp = true;
    client.connection = index;
    take_query(client, {incoming_, size});
  }
  if (connection.used) watch(index);
}

// For what it is to be looked at next, and for how long.
void Worker::watch(uint32_t index) {
  const Connection& connection = connections_[index];
  uint32_t events = connection.waits ? 0u : EPOLLIN;
  if (connection.out_size > 0) events = EPOLLOUT;
  connection_due_[index] = connection.waits ? 0 : sys::monotonic() + kIdleTime;
  if (!epoll_.change(connection.fd, Source::kConnection, index, events)) close_connection(index);
}

void Worker::write_connection(uint32_t index) {
  Connection& connection = connections_[index];
  const long sent =
      sys::call(__NR_sendto, connection.fd, connection.out + connection.out_sent,
                connection.out_size - connection.out_sent, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
  if (sent < 0 && sent != -EAGAIN) return close_connection(index);
  if (sent > 0) connection.out_sent += static_cast<size_t>(sent);
  if (connection.out_sent < connection.out_size) return watch(index);
  connection.out_size = connection.out_sent = 0;
}

std::span<uint8_t> Worker::room_for(const Client& client) {
  if (!client.by_tcp) return outgoing_;
  return {connections_[client.connection].out + kTcpPrefix, dns::kMaxMessage};
}

void Worker::take_query(const Client& client, dns::Bytes message) {
  // A container that has been registered before this query came is known to it.
  const uint32_t serial = containers_[client.slot].serial;
  take_messages();
  const Container& container = containers_[client.slot];
  if (!container.used || container.serial != serial) return;
  const std::span<uint8_t> room = room_for(client);
  const size_t limit = client.by_tcp ? dns::kMaxMessage : dns::kUsualUdpSize;
  dns::Query query;
  size_t size = 0;
  switch (answer_locally(names_, client.slot, message, limit, random_, room, query, size)) {
    case Local::kReplied:
      if (!open_local(client, query, room.first(size))) send_reply(client, room.first(size));
      return;
    case Local::kRefused:
      return refuse(client, query, room.first(size));
    case Local::kDropped:
      if (client.by_tcp) close_connection(client.connection);
      return;
    case Local::kUnknown:
      if (!forward(client, query)) send_failure(client, query);
      return;
  }
}

// A refusal that cannot be counted is not sent: the client asks again.
void Worker::refuse(const Client& client, const dns::Query& query, dns::Bytes reply) {
  NameRequest refused;
  refused.kind = NameRequestKind::kRefused;
  refused.slot = client.slot;
  refused.serial = containers_[client.slot].serial;
  refused.name = query.name.view();
  if (request(refused)) return send_reply(client, reply);
  if (client.by_tcp) close_connection(client.connection);
}

void Worker::send_failure(const Client& client, const dns::Query& query) {
  const std::span<uint8_t> room = room_for(client);
  dns::Reply reply(room, query, dns::Rcode::kServerFailure);
  send_reply(client, room.first(reply.finish()));
}

void Worker::send_reply(const Client& client, dns::Bytes reply) {
  if (!client.by_tcp) {
    // As much as the container's socket takes: a datagram may be lost.
    sys::call(__NR_sendto, containers_[client.slot].datagrams, reply.data(), reply.size(),
              MSG_DONTWAIT | MSG_NOSIGNAL, &client.from, sizeof client.from);
    return;
  }
  Connection& connection = connections_[client.connection];
  if (reply.data() != connection.out + kTcpPrefix)
    __builtin_memmove(connection.out + kTcpPrefix, reply.data(), reply.size());
  connection.out[0] = static_cast<uint8_t>(reply.size() >> 8);
  connection.out[1] = static_cast<uint8_t>(reply.size());
  connection.out_size = kTcpPrefix + reply.size();
  connection.out_sent = 0;
  write_connection(client.connection);
}

}  // namespace caisson
