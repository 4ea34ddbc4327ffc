#include "host_addresses.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <initializer_list>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/netlink.h"
#include "../base/netlink_messages.h"
#include "../base/sys.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr const char* kMachine = "the machine's addresses";
constexpr uint8_t kInet = 1;              // linux/netfilter.h: NFPROTO_INET
constexpr uint8_t kIpv4 = 2, kIpv6 = 10;  // NFPROTO_IPV4, NFPROTO_IPV6
constexpr uint16_t kKeyEnd = 10;          // NFTA_SET_ELEM_KEY_END, since Linux 5.6
constexpr uint16_t kNested = 0x8000;      // NLA_F_NESTED
constexpr size_t kElement = 64;           // bytes of one, at most

alignas(nlmsghdr) char received[32 << 10];
alignas(nlmsghdr) char batch[144 << 10];

Result<UniqueFd> open_socket(uint32_t groups) {
  auto socket = own_fd(
      sys::call(__NR_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE),
      "socket", kMachine);
  if (!socket.ok()) return socket;
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  own.nl_groups = groups;
  const long bound = sys::call(__NR_bind, socket.value().get(), &own, sizeof own);
  if (bound < 0) return failure(bound, "bind", kMachine);
  return socket;
}

// A route of the table that has the machine's own addresses.
bool is_local(const nlmsghdr& header, const char* body, size_t size, rtmsg& route) {
  if (header.nlmsg_type != RTM_NEWROUTE && header.nlmsg_type != RTM_DELROUTE) return false;
  return read_body(body, size, route) && route.rtm_table == RT_TABLE_LOCAL &&
         (route.rtm_type == RTN_LOCAL || route.rtm_type == RTN_ANYCAST);
}

// Appends what belongs to a batch. There is room for kMost elements of each family.
class Writer {
 public:
  explicit Writer(size_t at) : at_(at) {}

  size_t at() const { return at_; }

  void put(const void* bytes, size_t size) {
    __builtin_memset(batch + at_, 0, NLA_ALIGN(size));
    __builtin_memcpy(batch + at_, bytes, size);
    at_ += NLA_ALIGN(size);
  }
  size_t begin(uint16_t type) {
    const size_t begun = at_;
    const nlattr head{0, type};
    put(&head, sizeof head);
    return begun;
  }
  void end(size_t begun) {
    const auto size = static_cast<uint16_t>(at_ - begun);
    __builtin_memcpy(batch + begun, &size, sizeof size);
  }
  void attribute(uint16_t type, const void* bytes, size_t size) {
    const nlattr head{static_cast<uint16_t>(sizeof head + size), type};
    put(&head, sizeof head);
    put(bytes, size);
  }
  size_t begin_message(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
    const size_t begun = at_;
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = ++sequence_;
    put(&header, sizeof header);
    const nfgenmsg body{family, NFNETLINK_V0, __builtin_bswap16(resource)};
    put(&body, sizeof body);
    return begun;
  }
  void end_message(size_t begun) {
    const auto size = static_cast<uint32_t>(at_ - begun);
    __builtin_memcpy(batch + begun, &size, sizeof size);
  }
  void limit(uint16_t type) { end_message(begin_message(type, 0, 0, NFNL_SUBSYS_NFTABLES)); }
  size_t begin_elements(uint16_t type, uint16_t flags, const char* set) {
    const auto number = static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
    const size_t begun = begin_message(number, flags, kInet, 0);
    attribute(NFTA_SET_ELEM_LIST_TABLE, "caisson", sizeof "caisson");
    attribute(NFTA_SET_ELEM_LIST_SET, set, length(set) + 1);
    return begun;
  }

 private:
  size_t at_;
  static uint32_t sequence_;
};
uint32_t Writer::sequence_ = 0;

}  // namespace

Status HostAddresses::open() {
  auto heard = open_socket(RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
  if (!heard.ok()) return heard.error();
  auto asking = open_socket(0);
  if (!asking.ok()) return asking.error();
  changes = heard.take();
  questions = asking.take();
  return {};
}

bool HostAddresses::changed() {
  bool found = false;
  for (;;) {
    const long size = sys::call(__NR_recvfrom, changes.get(), received, sizeof received,
                                MSG_DONTWAIT, nullptr, nullptr);
    if (size == -EINTR) continue;
    // Some were lost.
    if (size == -ENOBUFS) found = true;
    if (size == -ENOBUFS) continue;
    if (size <= 0) return found;
    each_message(received, static_cast<size_t>(size),
                 [&](const nlmsghdr& header, const char* body, size_t length) {
                   rtmsg route;
                   found = found || is_local(header, body, length, route);
                   return !found;
                 });
  }
}

// One that is in another one is left out: the kernel takes no ranges that overlap.
void HostAddresses::add(const Block& block) {
  const auto contains = [](const Block& outer, const Block& inner) {
    if (outer.size != inner.size || outer.prefix > inner.prefix) return false;
    for (size_t bit = 0; bit < outer.prefix; ++bit)
      if (((outer.bytes[bit / 8] ^ inner.bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
    return true;
  };
  size_t kept = 0;
  for (size_t i = 0; i < count_; ++i) {
    if (contains(blocks_[i], block)) return;
    if (!contains(block, blocks_[i])) blocks_[kept++] = blocks_[i];
  }
  count_ = kept;
  if (count_ < kMost) blocks_[count_++] = block;
}

void HostAddresses::take(const char* message, size_t size) {
  nlmsghdr header{};
  header.nlmsg_type = RTM_NEWROUTE;
  rtmsg route;
  if (!is_local(header, message, size, route)) return;
  Block block{};
  block.size = route.rtm_family == AF_INET ? 4 : 16;
  block.prefix = route.rtm_dst_len;
  if (route.rtm_family != AF_INET && route.rtm_family != AF_INET6) return;
  const char* address = find_attribute<rtmsg>(message, size, RTA_DST, block.size);
  if (address == nullptr) return;
  __builtin_memcpy(block.bytes, address, block.size);
  add(block);
}

bool HostAddresses::ask() {
  const NetlinkQuestion<rtmsg> question(RTM_GETROUTE);
  count_ = 0;
  const long sent =
      sys::call(__NR_sendto, questions.get(), &question, sizeof question, 0, nullptr, 0);
  if (sent < 0) return false;
  for (bool done = false; !done;) {
    const long size = sys::call(__NR_recvfrom, questions.get(), received, sizeof received,
                                MSG_DONTWAIT, nullptr, nullptr);
    if (size == -EINTR) continue;
    if (size <= 0) return false;
    each_message(received, static_cast<size_t>(size),
                 [&](const nlmsghdr& header, const char* body, size_t length) {
                   done = header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR;
                   if (header.nlmsg_type == RTM_NEWROUTE) take(body, length);
                   return !done;
                 });
  }
  return true;
}

// All elements of one set. Returns where the next message begins.
size_t HostAddresses::put_set(size_t at, const char* name, uint8_t size, bool acknowledge) {
  Writer writer(at);
  const auto flags = static_cast<uint16_t>(acknowledge ? NLM_F_ACK : 0);
  bool some = false;
  for (size_t i = 0; i < count_; ++i)
    some = some || blocks_[i].size == size;
  const size_t flush = writer.begin_elements(NFT_MSG_DELSETELEM, some ? 0 : flags, name);
  writer.end_message(flush);
  if (!some) return writer.at();
  const size_t message =
      writer.begin_elements(NFT_MSG_NEWSETELEM, static_cast<uint16_t>(NLM_F_CREATE | flags), name);
  const size_t list = writer.begin(NFTA_SET_ELEM_LIST_ELEMENTS | kNested);
  for (size_t i = 0; i < count_; ++i) {
    const Block& block = blocks_[i];
    if (block.size != size) continue;
    const size_t element = writer.begin(NFTA_LIST_ELEM | kNested);
    for (const bool last : {false, true}) {
      // Each field takes a register of 4 bytes, or several.
      uint8_t key[4 + 16] = {size == 4 ? kIpv4 : kIpv6};
      for (size_t bit = 0; bit < size_t{8} * size; ++bit) {
        const auto mask = static_cast<uint8_t>(0x80 >> bit % 8);
        const bool set = bit < block.prefix ? (block.bytes[bit / 8] & mask) != 0 : last;
        if (set) key[4 + bit / 8] = static_cast<uint8_t>(key[4 + bit / 8] | mask);
      }
      const auto type = static_cast<uint16_t>(last ? kKeyEnd : uint16_t{NFTA_SET_ELEM_KEY});
      const size_t bound = writer.begin(static_cast<uint16_t>(type | kNested));
      writer.attribute(NFTA_DATA_VALUE, key, size_t{4} + size);
      writer.end(bound);
    }
    writer.end(element);
  }
  writer.end(list);
  writer.end_message(message);
  return writer.at();
}

void HostAddresses::update() {
  static_assert(kMost * kElement < (64 << 10), "an attribute has 16 bits of length");
  static_assert(2 * kMost * kElement + 1024 < sizeof batch);
  if (!changed() || !ask()) return;
  Writer begin(0);
  begin.limit(NFNL_MSG_BATCH_BEGIN);
  size_t at = put_set(begin.at(), "host6", 16, false);
  at = put_set(at, "host4", 4, true);
  Writer end(at);
  end.limit(NFNL_MSG_BATCH_END);
  NetlinkRequest request{NETLINK_NETFILTER, batch, static_cast<uint32_t>(end.at())};
  request.reusable = true;
  NetlinkRefusal refusal;
  static_cast<void>(send_netlink(request, refusal));
}

}  // namespace caisson
