// The worker's side of a container's policy: a reply with addresses waits until the broker has
// opened them.
#include "forwarded_answer.h"
#include "worker.h"

namespace caisson {
namespace {

constexpr uint64_t kPatience = 2'000'000'000;  // with the broker

bool has_set(const NamePolicy& policy, const dns::Query& query, bool peers) {
  return policy.set_of(query.type == dns::kTypeA ? 4 : 6, peers).size > 0;
}

}  // namespace

// The policy may be another one by now than when the query was passed on.
void Worker::deliver_by_policy(uint32_t index, std::span<uint8_t> reply) {
  const Client client = pending_[index].client;
  const NamePolicy& policy = names_.at(client.slot)->policy;
  dns::Query query;
  static_cast<void>(dns::parse_query(pending_[index].message(), query));
  const NameVerdict verdict = policy.judge(query.name.view(), query.name.plain);
  std::span<uint8_t> room = room_for(client);
  if (verdict == NameVerdict::kRefused) {
    drop(index);
    dns::Reply refused(room, query, dns::Rcode::kRefused);
    refuse(client, query, room.first(refused.finish()));
    return;
  }
  if (query.type != dns::kTypeA && query.type != dns::kTypeAaaa) {
    const size_t size = dns::cut_behind_answers(reply);
    if (size == 0) return ask_next(index);
    drop(index);
    return send_upstream(client, query, reply.first(size), false);
  }
  // By TCP the reply lies where the one for the client is written.
  if (reply.data() != incoming_) {
    __builtin_memcpy(incoming_, reply.data(), reply.size());
    reply = {incoming_, reply.size()};
  }
  if (!client.by_tcp) {
    const size_t most = query.udp_size < kMaxHeldReply ? query.udp_size : kMaxHeldReply;
    room = room.first(most);
  }
  dns::RebuiltAnswer answer;
  dns::rebuild_answer(reply, query, room, answer);
  const dns::Bytes rebuilt = room.first(answer.size);
  NameRequest asked;
  asked.slot = client.slot;
  asked.serial = containers_[client.slot].serial;
  asked.name = query.name.view();
  if (answer.removed) {
    asked.kind = NameRequestKind::kRefused;
    if (!request(asked)) return fail(index);
  }
  if (verdict == NameVerdict::kOpened && answer.count > 0) {
    if (!has_set(policy, query, false)) {
      drop(index);
      return send_nothing(client, query);
    }
    asked.count = answer.count;
    for (size_t i = 0; i < answer.count; ++i)
      asked.addresses[i] = answer.addresses[i];
    return open(index, rebuilt, asked);
  }
  drop(index);
  send_reply(client, rebuilt);
}

// The container has no addresses of that family: the name is known, and has none.
void Worker::send_nothing(const Client& client, const dns::Query& query) {
  const std::span<uint8_t> room = room_for(client);
  dns::Reply nothing(room, query, dns::Rcode::kNoError);
  send_reply(client, room.first(nothing.finish()));
}

// False if nothing in the reply has to be opened.
bool Worker::open_local(const Client& client, const dns::Query& query, std::span<uint8_t> reply) {
  const Registration* registration = names_.at(client.slot);
  if (registration == nullptr || !registration->has_policy ||
      registration->policy.judge(query.name.view(), query.name.plain) != NameVerdict::kOpened)
    return false;
  NameRequest asked;
  dns::each_answered_address(reply, [&](const Address& address) {
    if (asked.count < kMaxOpenedAtOnce)
      asked.addresses[asked.count++] = {address, dns::kTimeToLive};
  });
  if (asked.count == 0) return false;
  if (!has_set(registration->policy, query, true)) {
    send_nothing(client, query);
    return true;
  }
  const uint32_t index = take_pending(client, query);
  if (index == kMaxPending || (!client.by_tcp && reply.size() > kMaxHeldReply)) {
    if (index != kMaxPending) drop(index);
    send_failure(client, query);
    return true;
  }
  asked.peers = true;
  asked.slot = client.slot;
  asked.serial = containers_[client.slot].serial;
  asked.name = query.name.view();
  open(index, reply, asked);
  return true;
}

// Keeps the reply, and asks for its addresses.
void Worker::open(uint32_t index, dns::Bytes reply, NameRequest& asked) {
  Pending& pending = pending_[index];
  if (pending.fd >= 0) sys::close(pending.fd);
  pending.fd = -1;
  pending.opens = true;
  pending.token = ++last_token_;
  pending.held_size = reply.size();
  if (!pending.client.by_tcp) __builtin_memcpy(pending.held, reply.data(), reply.size());
  pending_due_[index] = sys::monotonic() + kPatience;
  asked.kind = NameRequestKind::kOpen;
  asked.token = pending.token * kMaxPending + index;
  if (!request(asked)) fail(index);
}

void Worker::take_answer(const Answer& answer) {
  // There is one for each query that waits, at most; others are not waited for any more.
  if (answer_count_ < kMaxPending) answers_[answer_count_++] = answer;
}

void Worker::deliver_opened() {
  // While these are told, further ones may arrive.
  for (size_t i = 0; i < answer_count_; ++i) {
    const Answer answer = answers_[i];
    const auto index = static_cast<uint32_t>(answer.token % kMaxPending);
    Pending& pending = pending_[index];
    if (!pending.used || !pending.opens || pending.token != answer.token / kMaxPending) continue;
    const Client client = pending.client;
    if (answer.number != 0) {
      fail(index);
    } else {
      drop(index);
      // It lies in the table: nothing takes its place before it is sent.
      const dns::Bytes reply =
          client.by_tcp
              ? dns::Bytes(connections_[client.connection].out + kTcpPrefix, pending.held_size)
              : dns::Bytes(pending.held, pending.held_size);
      send_reply(client, reply);
    }
    if (client.by_tcp) take_arrived(client.connection);
  }
  answer_count_ = 0;
}

}  // namespace caisson
