#include "worker.h"

#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/refusal_notice.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;

// The earliest of these and `next`, where 0 is none.
template <size_t N>
uint64_t earliest(const uint64_t (&due)[N], uint64_t next) {
  for (const uint64_t one : due)
    if (one != 0 && (next == 0 || one < next)) next = one;
  return next;
}

}  // namespace

bool Worker::open(int channel) {
  channel_ = channel;
  return epoll_.open() && epoll_.add(channel_, Source::kChannel, 0, EPOLLIN);
}

void Worker::run() {
  for (;;) {
    epoll_.wait(milliseconds_left(), [this](const SourceEvent& event) { handle(event); });
    deliver_opened();
    handle_deadlines();
  }
}

void Worker::handle(const SourceEvent& event) {
  // Of what an earlier event has closed there may be events that were fetched with it. None of
  // these functions waits, so that one for another descriptor does no harm.
  switch (event.source) {
    case Source::kChannel:
      return take_messages();
    case Source::kDatagrams:
      return receive_datagrams(event.index);
    case Source::kListener:
      return accept(event.index);
    case Source::kConnection:
      return handle_connection(event.index, event.events);
    case Source::kUpstream:
      return handle_upstream(event.index, event.events);
  }
}

void Worker::take_messages() {
  ChannelMessage message;
  int fds[kMaxPassedFds];
  for (;;) {
    auto received = receive_message(channel_, &message, sizeof message, fds);
    if (!received.ok() && received.error().number == EAGAIN) return;
    // Whatever else is wrong with it, another worker does better.
    if (!received.ok() || received.value().size < sizeof message.head) sys::exit_group(0);
    const Received& got = received.value();
    if (message.head.slot >= kMaxRegistrations) sys::exit_group(1);
    switch (message.head.kind) {
      case ChannelKind::kSet:
        set(message, got.size - sizeof message.head, {fds, got.fd_count});
        break;
      case ChannelKind::kClear:
        clear(message.head.slot);
        break;
      case ChannelKind::kAnswer:
        take_answer({message.token, message.head.number});
        break;
    }
  }
}

void Worker::set(const ChannelMessage& message, size_t size, std::span<const int> fds) {
  const uint32_t slot = message.head.slot;
  const bool is_new = fds.size() >= 2;
  if (is_new) clear(slot);
  Container& container = containers_[slot];
  if (!names_.set(slot, message.registration, size)) sys::exit_group(1);
  if (!is_new) return;
  container.used = true;
  container.serial = message.head.serial;
  container.datagrams = fds[0];
  container.listener = fds[1];
  container.notices = fds.size() > 2 ? fds[2] : -1;
  if (!epoll_.add(container.datagrams, Source::kDatagrams, slot, EPOLLIN) ||
      !epoll_.add(container.listener, Source::kListener, slot, EPOLLIN))
    sys::exit_group(1);
}

void Worker::clear(uint32_t slot) {
  Container& container = containers_[slot];
  names_.clear(slot);
  if (!container.used) return;
  for (uint32_t i = 0; i < kMaxConnections; ++i)
    if (connections_[i].used && connections_[i].slot == slot) close_connection(i);
  for (uint32_t i = 0; i < kMaxPending; ++i)
    if (pending_[i].used && pending_[i].client.slot == slot) drop(i);
  sys::close(container.datagrams);
  sys::close(container.listener);
  end_notices(container);
  container.used = false;
  container.serial = 0;
}

bool Worker::request(NameRequest& request) {
  static uint8_t bytes[kMaxNameRequest];
  const size_t size = request.encode(bytes);
  const long sent =
      sys::call(__NR_sendto, channel_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
  if (sent != static_cast<long>(size)) return false;
  if (request.kind == NameRequestKind::kRefused) notify(containers_[request.slot]);
  return true;
}

// Before the client has the reply, after which its program may end.
void Worker::notify(Container& container) {
  if (container.notices >= 0) send_notice(container.notices, RefusalNotice::kRefused);
  end_notices(container);
}

void Worker::end_notices(Container& container) {
  if (container.notices >= 0) sys::close(container.notices);
  container.notices = -1;
}

int Worker::milliseconds_left() const {
  const uint64_t next = earliest(pending_due_, earliest(connection_due_, 0));
  if (next == 0) return -1;
  const uint64_t now = sys::monotonic();
  return next <= now ? 0 : static_cast<int>((next - now + kMillisecond - 1) / kMillisecond);
}

void Worker::handle_deadlines() {
  const uint64_t now = sys::monotonic();
  for (uint32_t i = 0; i < kMaxPending; ++i)
    if (pending_due_[i] != 0 && pending_due_[i] <= now) give_up(i);
  for (uint32_t i = 0; i < kMaxConnections; ++i)
    if (connection_due_[i] != 0 && connection_due_[i] <= now) close_connection(i);
}

}  // namespace caisson
