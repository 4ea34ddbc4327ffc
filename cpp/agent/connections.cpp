#include "connections.h"

#include <linux/tcp.h>

#include <new>

namespace caisson {
namespace {

constexpr int kClient = 0, kContainer = 1;

void set_option(int socket, int level, int name, int value) {
  sys::call(__NR_setsockopt, socket, level, name, &value, sizeof value);
}

}  // namespace

void reset_connection(UniqueFd& socket) {
  if (!socket.valid()) return;
  const linger at_once{1, 0};
  sys::call(__NR_setsockopt, socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket.reset();
}

bool Connections::add(UniqueFd client, const SocketAddress& target) {
  constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  const long opened = sys::call(__NR_socket, target.family(),
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (opened < 0 || !has_room()) {
    if (opened >= 0) sys::close(static_cast<int>(opened));
    reset_connection(client);
    return false;
  }
  UniqueFd container(static_cast<int>(opened));
  set_option(container.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(container.get(), SOL_SOCKET, SO_OOBINLINE, 1);
  const long connected = sys::call(__NR_connect, container.get(), &target.any, target.size);
  if (connected < 0 && connected != -EINPROGRESS) {
    reset_connection(client);
    return true;
  }
  uint32_t index = free_;
  if (index == kNone)
    index = used_++;
  else
    free_ = all_[index].next;
  Connection& connection = *new (&all_[index]) Connection{};
  connection.next = kNone;
  connection.connected = connected >= 0;
  connection.sides[kClient] = static_cast<UniqueFd&&>(client);
  connection.sides[kContainer] = static_cast<UniqueFd&&>(container);
  ++count_;
  // After connect(2): before it, a socket has ended for epoll(7).
  if (events_.add(connection.sides[kClient].get(), ForwardSource::kClient, index, kEvents) &&
      events_.add(connection.sides[kContainer].get(), ForwardSource::kContainer, index, kEvents))
    return true;
  close(index, true);
  return false;
}

void Connections::handle(uint32_t index, bool of_container, uint32_t events) {
  Connection& connection = all_[index];
  if (!connection.sides[kClient].valid()) return;  // an event of the same wait has ended it
  const int side = of_container ? kContainer : kClient;
  const bool failed = (events & EPOLLERR) != 0;
  if ((events & EPOLLOUT) != 0 && of_container) connection.connected = true;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) connection.blocked[1 - side] = false;
  if (failed) connection.failed = true;
  if (!connection.waiting) serve(index);
}

// What one side has sent, to the other one.
Connections::Outcome Connections::forward(Connection& connection, int from) {
  if (connection.ended[from] || connection.blocked[from]) return Outcome::kWaits;
  const int source = connection.sides[from].get(), target = connection.sides[1 - from].get();
  for (int round = 0; round < kRounds; ++round) {
    const long got = sys::call(__NR_recvfrom, source, buffer_, sizeof buffer_,
                               MSG_PEEK | MSG_DONTWAIT, nullptr, nullptr);
    if (got == -EAGAIN) return Outcome::kWaits;
    if (got < 0) return Outcome::kFailed;
    if (got == 0) {
      // A socket that is still connecting would give up.
      if (from == kClient && !connection.connected) return Outcome::kWaits;
      connection.ended[from] = true;
      sys::call(__NR_shutdown, target, SHUT_WR);
      return Outcome::kWaits;
    }
    const long sent =
        sys::call(__NR_sendto, target, buffer_, got, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
    if (sent == -EAGAIN) {
      connection.blocked[from] = true;
      return Outcome::kWaits;
    }
    if (sent < 0) return Outcome::kFailed;
    // tcp(7): nothing is copied.
    const long taken =
        sys::call(__NR_recvfrom, source, buffer_, sent, MSG_TRUNC | MSG_DONTWAIT, nullptr, nullptr);
    if (taken != sent) return Outcome::kFailed;
  }
  return Outcome::kMore;
}

void Connections::serve(uint32_t index) {
  Connection& connection = all_[index];
  const Outcome there = forward(connection, kClient);
  // An error is told once: what is read after it looks like an orderly end.
  const Outcome back = there == Outcome::kFailed ? there : forward(connection, kContainer);
  if (there == Outcome::kFailed || back == Outcome::kFailed) {
    close(index, true);
    return;
  }
  if (connection.ended[kClient] && connection.ended[kContainer]) {
    close(index, connection.failed);
    return;
  }
  if (there == Outcome::kMore || back == Outcome::kMore) {
    connection.waiting = true;
    connection.next = kNone;
    (first_waiting_ == kNone ? first_waiting_ : all_[last_waiting_].next) = index;
    last_waiting_ = index;
    return;
  }
  // Everything that there was has been forwarded.
  if (connection.failed) close(index, true);
}

void Connections::go_on() {
  // Those that are added from here on are next time's.
  uint32_t index = first_waiting_;
  first_waiting_ = last_waiting_ = kNone;
  while (index != kNone) {
    const uint32_t next = all_[index].next;
    all_[index].waiting = false;
    serve(index);
    index = next;
  }
  reuse_closed();
}

void Connections::end_all() {
  first_waiting_ = last_waiting_ = kNone;
  for (uint32_t index = 0; index < used_; ++index) {
    Connection& connection = all_[index];
    if (!connection.sides[kClient].valid()) continue;
    const Outcome back = forward(connection, kContainer);
    close(index, back == Outcome::kFailed || !connection.ended[kContainer]);
  }
}

// It is not in the list of those that wait.
void Connections::close(uint32_t index, bool by_reset) {
  Connection& connection = all_[index];
  for (UniqueFd& side : connection.sides) {
    if (by_reset) reset_connection(side);
    side.reset();
  }
  connection.waiting = false;
  connection.next = closed_;
  closed_ = index;
  --count_;
}

void Connections::reuse_closed() {
  while (closed_ != kNone) {
    const uint32_t index = closed_;
    closed_ = all_[index].next;
    all_[index].next = free_;
    free_ = index;
  }
}

}  // namespace caisson
