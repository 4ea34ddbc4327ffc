// DNS messages (RFC 1035, section 4; RFC 6891): reading queries and replies of other processes, and
// writing replies. All of it is bounded, allocates nothing, and trusts no length or offset.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <span>

#include "address.h"

namespace caisson::dns {

using Bytes = std::span<const uint8_t>;

constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxWireName = 255;    // RFC 1035, 2.3.4
constexpr size_t kMaxLabel = 63;        // RFC 1035, 2.3.4
constexpr size_t kUsualUdpSize = 512;   // RFC 1035, 2.3.4: without EDNS
constexpr size_t kMaxMessage = 65535;   // over TCP, RFC 1035, 4.2.2
constexpr uint16_t kOwnUdpSize = 1232;  // what this resolver takes without fragments
constexpr uint32_t kTimeToLive = 600;   // seconds; Docker's

enum Type : uint16_t {
  kTypeA = 1,
  kTypeCname = 5,
  kTypePtr = 12,
  kTypeAaaa = 28,
  kTypeOpt = 41,
  kTypeIxfr = 251,
  kTypeAxfr = 252,
};
constexpr uint16_t kClassInternet = 1;

enum class Rcode : uint8_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNameError = 3,
  kNotImplemented = 4,
  kRefused = 5,
};

// A name as text: labels with dots between them, without the dot of the root. Empty for the root.
struct Name {
  char text[kMaxWireName];
  size_t size = 0;
  // False if a label contains a dot or a NUL: the text stands for another name.
  bool plain = true;

  View view() const { return {text, size}; }
};

// Reads the name at `at`, with compression, and returns the offset behind it; 0 if there is none. A
// pointer has to lead to an earlier place than the labels that it ends, so that there are no loops.
size_t read_name(Bytes message, size_t at, Name& name);

uint16_t number_at(Bytes message, size_t at);

// One query, as far as it is understood here.
struct Query {
  Bytes message;
  Name name;
  uint16_t type = 0;
  uint16_t question_class = 0;
  size_t question_end = 0;  // offset behind the question; kHeaderSize if there is none
  bool edns = false;
  uint8_t edns_version = 0;
  uint16_t udp_size = kUsualUdpSize;  // that the client can receive

  uint16_t id() const { return number_at(message, 0); }
};

enum class Verdict {
  kQuery,
  kDropped,  // not a query at all: no reply, so that two servers cannot answer each other
  kFormatError,
  kNotImplemented,
};
Verdict parse_query(Bytes message, Query& query);

// A reply to a query, written to `room`: header, question, answers, and an OPT record if the query
// has one.
class Reply {
 public:
  Reply(std::span<uint8_t> room, const Query& query, Rcode rcode);

  // With the name of the question, or of the last alias. What does not fit sets the TC bit: false.
  bool add_address(const Address& address, uint32_t time_to_live = kTimeToLive);
  // A PTR record; `name` is text as in Name, and its labels may be too long: then nothing is added.
  void add_pointer(View name);
  // A CNAME record: further records are those of this name, which is as that of add_pointer().
  bool add_alias(View name, uint32_t time_to_live);
  // The client is to ask again by TCP.
  void set_truncated();
  // The size of the reply; no more records follow.
  size_t finish();

 private:
  uint8_t* begin_record(uint16_t type, uint32_t time_to_live, size_t data_size);
  void put(uint16_t number);

  std::span<uint8_t> room_;
  const Query& query_;
  size_t size_ = 0;
  size_t owner_at_ = kHeaderSize;  // the name of the next record
  uint16_t answers_ = 0;
  uint8_t extended_rcode_ = 0;
};

// How a datagram of an upstream server relates to a query that was sent to it as `sent`.
enum class ReplyKind {
  kAnswer,   // well-formed to its end: every record, and the names in the usual ones
  kCut,      // has the TC bit; it may end anywhere
  kFailure,  // the server cannot or will not answer, or its message is malformed: the next server
  kForeign,  // not the reply to this query
};
ReplyKind check_reply(Bytes reply, Bytes sent);

Rcode rcode_of(Bytes message);

// One record of a message. `data` begins at `data_at`.
struct Record {
  Name name;
  uint16_t type, record_class;
  uint32_t time_to_live;
  size_t data_at, data_size;
};

// Reads the record at `at`; returns the offset behind it, or 0 if it is malformed.
size_t read_record(Bytes message, size_t at, Record& record);

// Calls `visit` for each A and AAAA record among the answers of a reply that check_reply() has
// found to be an answer.
template <class Visit>
void each_answered_address(Bytes reply, Visit visit) {
  size_t at = kHeaderSize;
  Name question;
  for (int left = number_at(reply, 4); left > 0; --left) {
    at = read_name(reply, at, question);
    if (at == 0 || (at += 4) > reply.size()) return;
  }
  Record record;
  for (int left = number_at(reply, 6); left > 0; --left) {
    if ((at = read_record(reply, at, record)) == 0) return;
    const uint8_t* data = reply.data() + record.data_at;
    if (record.record_class != kClassInternet) continue;
    if (record.type == kTypeA && record.data_size == 4) visit(Address::v4(data));
    if (record.type == kTypeAaaa && record.data_size == 16) visit(Address::v6(data));
  }
}

// The address of a name below in-addr.arpa (RFC 1035, 3.5) or ip6.arpa (RFC 3596, 2.5).
bool parse_reverse(View name, Address& address);

}  // namespace caisson::dns
