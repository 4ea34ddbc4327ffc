#include "set_batch.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/utsname.h>

#include "../base/sys.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr uint8_t kInet = 1;  // linux/netfilter.h: NFPROTO_INET
constexpr char kTable[] = "caisson";
constexpr uint16_t kKeyEnd = 10;         // NFTA_SET_ELEM_KEY_END, since Linux 5.6
constexpr size_t kMostElements = 32768;  // bytes of one list: an attribute has 16 bits of length

constexpr size_t aligned(size_t size) {
  return (size + 3) & ~size_t{3};
}

uint16_t big(uint16_t number) {
  return __builtin_bswap16(number);
}

constexpr uint16_t message_type(uint16_t type) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

}  // namespace

SetBatch::SetBatch(std::span<char> room, bool updates) : room_(room), updates_(updates) {
  begin_message(NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES, 0);
  end_message();
}

char* SetBatch::take(size_t size) {
  if (!fits_ || room_.size() - size_ < aligned(size)) {
    fits_ = false;
    return nullptr;
  }
  char* const taken = room_.data() + size_;
  __builtin_memset(taken, 0, aligned(size));
  size_ += aligned(size);
  return taken;
}

size_t SetBatch::begin_message(uint16_t type, uint8_t family, uint16_t resource, uint16_t flags) {
  message_ = size_;
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  const nfgenmsg body{family, NFNETLINK_V0, big(resource)};
  if (char* const at = take(sizeof header + sizeof body); at != nullptr) {
    __builtin_memcpy(at, &header, sizeof header);
    __builtin_memcpy(at + sizeof header, &body, sizeof body);
  }
  return message_;
}

// Writes its length.
void SetBatch::end_message() {
  if (elements_ != 0) end(elements_);
  elements_ = 0;
  if (!fits_) return;
  const auto length = static_cast<uint32_t>(size_ - message_);
  __builtin_memcpy(room_.data() + message_, &length, sizeof length);
}

size_t SetBatch::begin(uint16_t type, Nesting nesting) {
  const size_t at = size_;
  const nlattr head{0, static_cast<uint16_t>(type | static_cast<uint16_t>(nesting))};
  if (char* const room = take(sizeof head); room != nullptr)
    __builtin_memcpy(room, &head, sizeof head);
  return at;
}

void SetBatch::end(size_t attribute) {
  if (!fits_) return;
  const auto length = static_cast<uint16_t>(size_ - attribute);
  __builtin_memcpy(room_.data() + attribute, &length, sizeof length);
}

void SetBatch::attribute(uint16_t type, const void* bytes, size_t size) {
  const nlattr head{static_cast<uint16_t>(sizeof head + size), type};
  char* const at = take(sizeof head + size);
  if (at == nullptr) return;
  __builtin_memcpy(at, &head, sizeof head);
  __builtin_memcpy(at + sizeof head, bytes, size);
}

void SetBatch::begin_elements(uint16_t type, uint16_t flags, View set) {
  last_ = begin_message(message_type(type), kInet, 0, flags);
  attribute(NFTA_SET_ELEM_LIST_TABLE, kTable, sizeof kTable);
  char name[kMaxSetName + 1] = {};
  __builtin_memcpy(name, set.bytes, set.size);
  attribute(NFTA_SET_ELEM_LIST_SET, name, set.size + 1);
  set_ = set;
}

void SetBatch::flush(View set) {
  if (elements_ != 0) end_message();
  begin_elements(NFT_MSG_DELSETELEM, 0, set);
  end_message();
}

void SetBatch::put_key(uint16_t type, const Address& address, uint8_t protocol, uint16_t port) {
  // Each field takes a register of 4 bytes, or several.
  char key[16 + 4 + 4] = {};
  __builtin_memcpy(key, address.bytes, address.size());
  key[address.size()] = static_cast<char>(protocol);
  const uint16_t number = big(port);
  __builtin_memcpy(key + address.size() + 4, &number, sizeof number);
  const size_t at = begin(type, Nesting::kNested);
  attribute(NFTA_DATA_VALUE, key, address.size() + 8);
  end(at);
}

void SetBatch::add_element(const Address& address, const Door& door, uint64_t milliseconds) {
  const size_t at = begin(NFTA_LIST_ELEM, Nesting::kNested);
  put_key(NFTA_SET_ELEM_KEY, address, door.first_protocol, door.first_port);
  put_key(kKeyEnd, address, door.last_protocol, door.last_port);
  if (milliseconds > 0) {
    const uint64_t time = __builtin_bswap64(milliseconds);
    attribute(NFTA_SET_ELEM_TIMEOUT, &time, sizeof time);
    // Without it, an element that has the same timeout would stay as it is.
    attribute(NFTA_SET_ELEM_EXPIRATION, &time, sizeof time);
  }
  end(at);
}

void SetBatch::add(View set, const Address& address, const Door& door, uint64_t milliseconds) {
  const auto put_alone = [&](uint16_t type, uint16_t flags, uint64_t time) {
    if (elements_ != 0) end_message();
    begin_elements(type, flags, set);
    elements_ = begin(NFTA_SET_ELEM_LIST_ELEMENTS, Nesting::kNested);
    add_element(address, door, time);
    end_message();
  };
  if (!updates_) {
    // There is one to remove then.
    put_alone(NFT_MSG_NEWSETELEM, NLM_F_CREATE, milliseconds);
    put_alone(NFT_MSG_DELSETELEM, 0, 0);
    put_alone(NFT_MSG_NEWSETELEM, NLM_F_CREATE, milliseconds);
    return;
  }
  if (elements_ != 0 && (!same_bytes(set_, set) || size_ - elements_ > kMostElements))
    end_message();
  if (elements_ == 0) {
    begin_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set);
    elements_ = begin(NFTA_SET_ELEM_LIST_ELEMENTS, Nesting::kNested);
  }
  add_element(address, door, milliseconds);
}

size_t SetBatch::finish() {
  if (elements_ != 0) end_message();
  if (last_ == 0 || !fits_) return 0;
  // The end of the batch is answered since Linux 6.10 only.
  const uint16_t flags = offsetof(nlmsghdr, nlmsg_flags);
  uint16_t last;
  __builtin_memcpy(&last, room_.data() + last_ + flags, sizeof last);
  last = static_cast<uint16_t>(last | NLM_F_ACK);
  __builtin_memcpy(room_.data() + last_ + flags, &last, sizeof last);
  begin_message(NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES, 0);
  end_message();
  return fits_ ? size_ : 0;
}

bool kernel_updates_elements() {
  constexpr uint64_t kMajor = 6, kMinor = 12;
  utsname name{};
  if (sys::call(__NR_uname, &name) < 0) return false;
  const char* at = name.release;
  uint64_t major = 0, minor = 0;
  if (!parse_number(at, major) || *at++ != '.' || !parse_number(at, minor)) return false;
  return major > kMajor || (major == kMajor && minor >= kMinor);
}

}  // namespace caisson
