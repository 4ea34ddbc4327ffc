// The broker's side of policies. What its worker asks for is checked here, as if containers had
// asked for it themselves: the worst that such a request can do is to open an address that is no
// special one, for a name that the container may connect to anyway.
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "../base/netlink.h"
#include "broker.h"
#include "forwarded_answer.h"
#include "special_ranges.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr int kRequestsAtOnce = 64;  // before others have their turn
constexpr size_t kMaxPeers = 256;
constexpr uint64_t kPatience = kSecond;  // with a client that has asked for a report

Status send_batch(const char* bytes, size_t size) {
  if (size == 0) return failure(-EMSGSIZE, "sendmsg");
  NetlinkRefusal refusal;
  NetlinkRequest request{NETLINK_NETFILTER, bytes, static_cast<uint32_t>(size)};
  request.reusable = true;
  return send_netlink(request, refusal);
}

// Until all of it is sent; false if the other side does not take it in time.
bool send_all(int socket, const uint8_t* bytes, size_t size) {
  const uint64_t end = sys::monotonic() + kPatience;
  while (size > 0) {
    const long sent =
        sys::call(__NR_sendto, socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
    if (sent > 0) {
      bytes += sent;
      size -= static_cast<size_t>(sent);
      continue;
    }
    if (sent != -EAGAIN || sys::monotonic() >= end) return false;
    pollfd waiting{socket, POLLOUT, 0};
    const timespec slice{0, 10 * kMillisecond};
    sys::call(__NR_ppoll, &waiting, 1, &slice, nullptr, 0);
  }
  return true;
}

void put_number(uint8_t* at, uint64_t number, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    at[i] = static_cast<uint8_t>(number >> 8 * i);
}

}  // namespace

Status Broker::complete(size_t slot, Registration& registration, Client& client) {
  const Registration& old = *names_.at(slot);
  const std::span<const uint8_t> bytes = names_.bytes(slot);
  const bool replaces = registration.kind == RegistrationKind::kPolicy;
  if (!replaces && (registration.has_policy || !old.has_policy))
    return registration.has_policy ? apply_policy(slot, registration) : Status();
  // The registration of the one, and the policy of the other.
  const std::span<const uint8_t> message(client.bytes, client.size);
  const bool has_policy = replaces ? registration.has_policy : old.has_policy;
  const auto before = replaces ? bytes.first(old.policy_at) : message;
  const auto policy =
      replaces ? message.subspan(registration.policy_at) : bytes.subspan(old.policy_at);
  static uint8_t whole[kMaxRegistration];
  const size_t size = before.size() + policy.size();
  if (size > sizeof whole) return failure(-ENOSPC, "resolver");
  __builtin_memcpy(whole, before.data(), before.size());
  __builtin_memcpy(whole + before.size(), policy.data(), policy.size());
  put_number(whole, size, kRegistrationPrefix);
  constexpr size_t kFlagsAt = 9;
  whole[kFlagsAt] =
      static_cast<uint8_t>((whole[kFlagsAt] & ~kHasPolicy) | (has_policy ? kHasPolicy : 0));
  __builtin_memcpy(client.bytes, whole, size);
  client.size = size;
  if (!Registration::decode(client.bytes, client.size, registration))
    return failure(-EINVAL, "resolver");
  return replaces && has_policy ? apply_policy(slot, registration) : Status();
}

Status Broker::apply_policy(size_t slot, const Registration& registration) {
  const uint64_t now = sys::monotonic();
  const NamePolicy& policy = registration.policy;
  SetBatch batch({batch_, sizeof batch_}, true);
  for (const uint8_t family : NamePolicy::kFamilies)
    for (const bool peers : {false, true})
      if (const View set = policy.set_of(family, peers); set.size > 0) batch.flush(set);
  records_.each_opened(static_cast<uint32_t>(slot), [&](const NameRecords::Opened& one) {
    const uint64_t left = one.until <= now ? 0 : (one.until - now) / kMillisecond;
    const View set = policy.set_of(one.address.family, one.peer);
    if (left == 0 || set.size == 0 || policy.judge(one.view(), true) != NameVerdict::kOpened)
      return;
    policy.each_door(one.view(), one.address.family,
                     [&](const Door& door) { batch.add(set, one.address, door, left); });
  });
  return batch.is_empty() ? Status() : send_batch(batch_, batch.finish());
}

void Broker::take_requests() {
  static uint8_t bytes[kMaxNameRequest];
  static NameRequest request;
  for (int i = 0; i < kRequestsAtOnce; ++i) {
    const size_t size = worker_.receive(bytes);
    if (size == 0) return;
    if (size <= sizeof bytes && NameRequest::decode(bytes, size, request)) handle_request(request);
  }
}

void Broker::handle_request(const NameRequest& request) {
  if (request.kind == NameRequestKind::kOpen) {
    static ChannelMessage message;
    message.head = {ChannelKind::kAnswer, 0, 0, open(request)};
    message.token = request.token;
    return worker_.send(message, sizeof message.head + sizeof message.token, nullptr, 0);
  }
  if (request.slot >= kMaxRegistrations) return;
  const Registered& one = registered_[request.slot];
  if (one.used && one.ended_until == 0 && one.serial == request.serial &&
      names_.at(request.slot)->has_policy)
    records_.refuse(request.slot, request.name, sys::clock(CLOCK_REALTIME) / kMillisecond);
}

// There has to be a set for it. An address of another container has to have that name on a common
// network; any other one must not be special.
bool Broker::may_open(const NameRequest& request, const Address& address) const {
  if (names_.at(request.slot)->policy.set_of(address.family, request.peers).size == 0) return false;
  if (!request.peers) return !is_special(address);
  Address peers[kMaxPeers];
  const auto found = names_.find(request.slot, request.name, address.family, peers, kMaxPeers);
  for (size_t i = 0; i < found.count; ++i)
    if (peers[i] == address) return true;
  return false;
}

// 0 or an errno.
int Broker::open(const NameRequest& request) {
  if (request.slot >= kMaxRegistrations) return EINVAL;
  const Registered& one = registered_[request.slot];
  if (!one.used || one.ended_until != 0 || one.serial != request.serial) return ESRCH;
  const Registration& registration = *names_.at(request.slot);
  const NamePolicy& policy = registration.policy;
  if (!registration.has_policy || policy.judge(request.name, true) != NameVerdict::kOpened)
    return EPERM;
  for (size_t i = 0; i < request.count; ++i)
    if (!may_open(request, request.addresses[i].address)) return EPERM;
  const uint64_t now = sys::monotonic();
  for (size_t i = 0; i < request.count; ++i) {
    const auto& [address, wanted] = request.addresses[i];
    const uint32_t at_least = wanted < dns::kShortestOpen ? dns::kShortestOpen : wanted;
    const uint64_t seconds = at_least > dns::kLongestOpen ? dns::kLongestOpen : at_least;
    if (!records_.open(request.slot, request.name, address, request.peers, now + seconds * kSecond,
                       now))
      return ENOBUFS;
  }
  SetBatch batch({batch_, sizeof batch_}, updates_elements_);
  for (size_t i = 0; i < request.count; ++i) {
    const Address& address = request.addresses[i].address;
    bool again = false;
    for (size_t j = 0; j < i; ++j)
      again = again || request.addresses[j].address == address;
    if (!again) add_elements(request.slot, request, address, now, batch);
  }
  return send_batch(batch_, batch.finish()).error().number;
}

void Broker::add_elements(uint32_t slot, const NameRequest& request, const Address& address,
                          uint64_t now, SetBatch& batch) const {
  const NamePolicy& policy = names_.at(slot)->policy;
  policy.each_door(request.name, address.family, [&](const Door& door) {
    uint64_t until = 0;
    records_.each_opened(slot, [&](const NameRecords::Opened& one) {
      if (one.address != address || one.peer != request.peers || one.until <= until) return;
      policy.each_door(one.view(), address.family, [&](const Door& other) {
        if (other == door) until = one.until;
      });
    });
    batch.add(policy.set_of(address.family, request.peers), address, door,
              (until - now) / kMillisecond);
  });
}

// An errno, and, if that is 0, the size of the report and the report.
bool Broker::report(const Registration& registration, const Client& client) {
  constexpr size_t kHead = 8;
  const size_t slot = slot_of(registration.id);
  if (slot == kMaxRegistrations) {
    put_number(report_, ENOENT, 4);
    return send_all(client.socket.get(), report_, 4);
  }
  const size_t size =
      records_.report(static_cast<uint32_t>(slot), {report_ + kHead, sizeof report_ - kHead});
  put_number(report_, 0, 4);
  put_number(report_ + 4, size, 4);
  return send_all(client.socket.get(), report_, kHead + size);
}

}  // namespace caisson
