#include "message.h"

namespace caisson::dns {
namespace {

// Bits of the second 16-bit number of the header.
constexpr uint16_t kResponse = 0x8000, kOpcode = 0x7800, kTruncated = 0x0200, kRecursion = 0x0100,
                   kRecursionAvailable = 0x0080, kCheckingDisabled = 0x0010, kRcode = 0x000f;

constexpr size_t kOptSize = 11;
constexpr uint8_t kBadVersion = 16;    // RFC 6891, 9: BADVERS
constexpr size_t kPointerBits = 0xc0;  // RFC 1035, 4.1.4

void write_number(uint8_t* at, uint16_t number) {
  at[0] = static_cast<uint8_t>(number >> 8);
  at[1] = static_cast<uint8_t>(number);
}

uint16_t flags_of(Bytes message) {
  return number_at(message, 2);
}

size_t read_question(Bytes message, Name& name, uint16_t& type, uint16_t& question_class) {
  const size_t at = read_name(message, kHeaderSize, name);
  if (at == 0 || at + 4 > message.size()) return 0;
  type = number_at(message, at);
  question_class = number_at(message, at + 2);
  return at + 4;
}

// The names in the data of the types that may have compressed ones (RFC 3597, 4): a client should
// not be the first to follow them.
bool has_sound_names(Bytes message, const Record& record) {
  constexpr size_t kSoaNumbers = 20;
  size_t before = 0, names = 1, behind = 0;
  switch (record.type) {
    case 2:  // NS
    case kTypeCname:
    case kTypePtr:
    case 39:  // DNAME
      break;
    case 6:  // SOA
      names = 2;
      behind = kSoaNumbers;
      break;
    case 15:  // MX
      before = 2;
      break;
    case 33:  // SRV
      before = 6;
      break;
    default:
      return true;
  }
  const size_t end = record.data_at + record.data_size;
  size_t at = record.data_at + before;
  Name name;
  for (; names > 0; --names)
    if (at >= end || (at = read_name(message.first(end), at, name)) == 0) return false;
  return at + behind == end;
}

// A name without a dot at its end, as text; 0 if that is none.
size_t write_name(View name, uint8_t (&wire)[kMaxWireName]) {
  size_t size = 0;
  for (size_t at = 0; at <= name.size;) {
    size_t end = at;
    while (end < name.size && name.bytes[end] != '.')
      ++end;
    const size_t length = end - at;
    if (length == 0 || length > kMaxLabel || size + 1 + length + 1 > sizeof wire) return 0;
    wire[size++] = static_cast<uint8_t>(length);
    __builtin_memcpy(wire + size, name.bytes + at, length);
    size += length;
    at = end + 1;
  }
  wire[size++] = 0;
  return size;
}

}  // namespace

uint16_t number_at(Bytes message, size_t at) {
  return static_cast<uint16_t>(message[at] << 8 | message[at + 1]);
}

size_t read_name(Bytes message, size_t at, Name& name) {
  name.size = 0;
  name.plain = true;
  size_t wire = 1;       // of the name, with the root's label
  size_t behind = 0;     // the name, as soon as that is known
  size_t earliest = at;  // of the labels that have been read since the last pointer
  for (;;) {
    if (at >= message.size()) return 0;
    const size_t length = message[at];
    if ((length & kPointerBits) == kPointerBits) {
      if (at + 1 >= message.size()) return 0;
      if (behind == 0) behind = at + 2;
      const size_t target = (length & ~kPointerBits) << 8 | message[at + 1];
      if (target < kHeaderSize || target >= earliest) return 0;
      at = earliest = target;
      continue;
    }
    if (length > kMaxLabel) return 0;
    if (length == 0) return behind == 0 ? at + 1 : behind;
    wire += 1 + length;
    if (wire > kMaxWireName || at + 1 + length > message.size()) return 0;
    if (name.size > 0) name.text[name.size++] = '.';
    for (size_t i = 0; i < length; ++i) {
      const auto c = static_cast<char>(message[at + 1 + i]);
      if (c == '.' || c == '\0') name.plain = false;
      name.text[name.size++] = c;
    }
    at += 1 + length;
  }
}

size_t read_record(Bytes message, size_t at, Record& record) {
  constexpr size_t kFixed = 10;
  at = read_name(message, at, record.name);
  if (at == 0 || at + kFixed > message.size()) return 0;
  record.type = number_at(message, at);
  record.record_class = number_at(message, at + 2);
  record.time_to_live =
      static_cast<uint32_t>(number_at(message, at + 4)) << 16 | number_at(message, at + 6);
  record.data_size = number_at(message, at + 8);
  record.data_at = at + kFixed;
  const size_t end = record.data_at + record.data_size;
  return end > message.size() ? 0 : end;
}

Verdict parse_query(Bytes message, Query& query) {
  query = Query{};
  query.message = message;
  query.question_end = kHeaderSize;
  if (message.size() < kHeaderSize || (flags_of(message) & kResponse) != 0)
    return Verdict::kDropped;
  if ((flags_of(message) & kOpcode) != 0) return Verdict::kNotImplemented;
  if (number_at(message, 4) != 1) return Verdict::kFormatError;
  size_t at = read_question(message, query.name, query.type, query.question_class);
  if (at == 0) return Verdict::kFormatError;
  query.question_end = at;
  // A record takes at least 11 bytes, which bounds this however large the counts are.
  const size_t records = number_at(message, 6) + number_at(message, 8) + number_at(message, 10);
  Record record;
  for (size_t i = 0; i < records; ++i) {
    at = read_record(message, at, record);
    if (at == 0) return Verdict::kFormatError;
    if (record.type != kTypeOpt) continue;
    if (query.edns || record.name.size != 0) return Verdict::kFormatError;  // RFC 6891, 6.1.1
    query.edns = true;
    query.edns_version = static_cast<uint8_t>(record.time_to_live >> 16);
    if (record.record_class > kUsualUdpSize) query.udp_size = record.record_class;
  }
  return Verdict::kQuery;
}

Reply::Reply(std::span<uint8_t> room, const Query& query, Rcode rcode)
    : room_(room), query_(query) {
  if (query.edns) room_ = room.first(room.size() - kOptSize);
  size_ = query.question_end;
  __builtin_memcpy(room_.data(), query.message.data(), size_);
  const uint16_t kept = flags_of(query.message) & (kOpcode | kRecursion | kCheckingDisabled);
  const bool bad_version = query.edns && query.edns_version != 0;
  if (bad_version) extended_rcode_ = kBadVersion >> 4;
  write_number(&room_[2], static_cast<uint16_t>(
                              kept | kResponse | kRecursionAvailable |
                              (bad_version ? kBadVersion & kRcode : static_cast<unsigned>(rcode))));
  for (size_t at = 4; at < kHeaderSize; ++at)
    room_[at] = 0;
  write_number(&room_[4], size_ > kHeaderSize ? 1 : 0);
}

// A record, and room for its data; null if it does not fit.
uint8_t* Reply::begin_record(uint16_t type, uint32_t time_to_live, size_t data_size) {
  constexpr size_t kBeforeData = 12;
  constexpr size_t kFarthest = 0x3fff;  // that a pointer leads to
  if (size_ + kBeforeData + data_size > room_.size() || answers_ == UINT16_MAX ||
      owner_at_ > kFarthest) {
    set_truncated();
    return nullptr;
  }
  put(static_cast<uint16_t>(kPointerBits << 8 | owner_at_));
  put(type);
  put(kClassInternet);
  put(static_cast<uint16_t>(time_to_live >> 16));
  put(static_cast<uint16_t>(time_to_live));
  put(static_cast<uint16_t>(data_size));
  uint8_t* const data = &room_[size_];
  size_ += data_size;
  ++answers_;
  return data;
}

void Reply::set_truncated() {
  write_number(&room_[2], static_cast<uint16_t>(number_at(room_, 2) | kTruncated));
}

void Reply::put(uint16_t number) {
  write_number(&room_[size_], number);
  size_ += 2;
}

bool Reply::add_address(const Address& address, uint32_t time_to_live) {
  const uint16_t type = address.family == 4 ? kTypeA : kTypeAaaa;
  uint8_t* const data = begin_record(type, time_to_live, address.size());
  if (data == nullptr) return false;
  __builtin_memcpy(data, address.bytes, address.size());
  return true;
}

void Reply::add_pointer(View name) {
  uint8_t wire[kMaxWireName];
  const size_t size = write_name(name, wire);
  if (size == 0) return;
  uint8_t* const data = begin_record(kTypePtr, kTimeToLive, size);
  if (data != nullptr) __builtin_memcpy(data, wire, size);
}

bool Reply::add_alias(View name, uint32_t time_to_live) {
  uint8_t wire[kMaxWireName];
  const size_t size = write_name(name, wire);
  if (size == 0) return false;
  uint8_t* const data = begin_record(kTypeCname, time_to_live, size);
  if (data == nullptr) return false;
  __builtin_memcpy(data, wire, size);
  owner_at_ = size_ - size;
  return true;
}

size_t Reply::finish() {
  write_number(&room_[6], answers_);
  if (!query_.edns) return size_;
  uint8_t* const opt = room_.data() + size_;  // the room was kept free for it
  opt[0] = 0;
  write_number(opt + 1, kTypeOpt);
  write_number(opt + 3, kOwnUdpSize);
  opt[5] = extended_rcode_;
  for (size_t i = 6; i < kOptSize; ++i)
    opt[i] = 0;
  write_number(&room_[10], 1);
  return size_ + kOptSize;
}

ReplyKind check_reply(Bytes reply, Bytes sent) {
  if (reply.size() < kHeaderSize || number_at(reply, 0) != number_at(sent, 0))
    return ReplyKind::kForeign;
  const uint16_t flags = flags_of(reply);
  if ((flags & kResponse) == 0 || (flags & kOpcode) != 0) return ReplyKind::kForeign;
  const uint16_t rcode = flags & kRcode;
  // A server that has not understood the query may leave out the question.
  if (number_at(reply, 4) == 0) return rcode == 0 ? ReplyKind::kForeign : ReplyKind::kFailure;
  if (number_at(reply, 4) != 1) return ReplyKind::kForeign;
  Name asked, answered;
  uint16_t asked_type = 0, asked_class = 0, type = 0, question_class = 0;
  if (read_question(sent, asked, asked_type, asked_class) == 0) return ReplyKind::kForeign;
  size_t at = read_question(reply, answered, type, question_class);
  if (at == 0 || type != asked_type || question_class != asked_class ||
      !same_name(asked.view(), answered.view()))
    return ReplyKind::kForeign;
  if (rcode == static_cast<uint16_t>(Rcode::kServerFailure) ||
      rcode == static_cast<uint16_t>(Rcode::kRefused))
    return ReplyKind::kFailure;
  if ((flags & kTruncated) != 0) return ReplyKind::kCut;
  const size_t records = number_at(reply, 6) + number_at(reply, 8) + number_at(reply, 10);
  Record record;
  for (size_t i = 0; i < records; ++i)
    if ((at = read_record(reply, at, record)) == 0 || !has_sound_names(reply, record))
      return ReplyKind::kFailure;
  return ReplyKind::kAnswer;
}

Rcode rcode_of(Bytes message) {
  return static_cast<Rcode>(flags_of(message) & kRcode);
}

namespace {

// Strips `suffix` off the end of `name`, without regard to case.
bool strip(View& name, View suffix) {
  if (name.size < suffix.size) return false;
  const View end{name.bytes + name.size - suffix.size, suffix.size};
  if (!same_name(end, suffix)) return false;
  name.size -= suffix.size;
  return true;
}

bool parse_reverse_v4(View text, Address& address) {
  address.family = 4;
  size_t at = 0;
  for (int part = 3; part >= 0; --part) {
    unsigned number = 0;
    const size_t begin = at;
    for (; at < text.size && text.bytes[at] >= '0' && text.bytes[at] <= '9'; ++at)
      number = number * 10 + static_cast<unsigned>(text.bytes[at] - '0');
    const size_t digits = at - begin;
    if (digits == 0 || digits > 3 || number > 255 || (digits > 1 && text.bytes[begin] == '0'))
      return false;
    address.bytes[part] = static_cast<uint8_t>(number);
    if (part > 0 && (at >= text.size || text.bytes[at++] != '.')) return false;
  }
  return at == text.size;
}

bool parse_reverse_v6(View text, Address& address) {
  constexpr size_t kNibbles = 32;
  address.family = 6;
  if (text.size != kNibbles * 2 - 1) return false;
  for (size_t i = 0; i < kNibbles; ++i) {
    const char c = lower(text.bytes[2 * i]);
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return false;
    if (i > 0 && text.bytes[2 * i - 1] != '.') return false;
    const auto nibble = static_cast<unsigned>(digit ? c - '0' : c - 'a' + 10);
    uint8_t& byte = address.bytes[(kNibbles - 1 - i) / 2];
    byte = static_cast<uint8_t>(byte | nibble << (i % 2 == 0 ? 0 : 4));
  }
  return true;
}

}  // namespace

bool parse_reverse(View name, Address& address) {
  address = Address{};
  constexpr char kV4[] = ".in-addr.arpa", kV6[] = ".ip6.arpa";
  if (strip(name, {kV4, sizeof kV4 - 1})) return parse_reverse_v4(name, address);
  if (strip(name, {kV6, sizeof kV6 - 1})) return parse_reverse_v6(name, address);
  return false;
}

}  // namespace caisson::dns
