// Policies of names: what they allow and open, what of an answer a container gets, what the two
// processes of the resolver tell each other about it, and what is remembered.
#include "../../cpp/resolver/name_policy.h"

#include <memory>
#include <string>
#include <vector>

#include "../../cpp/resolver/forwarded_answer.h"
#include "../../cpp/resolver/name_records.h"
#include "../../cpp/resolver/special_ranges.h"
#include "support/check.h"
#include "support/dns_wire.h"
#include "support/registration_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)
using namespace std::string_literals;

View view(const std::string& text) {
  return {text.data(), text.size()};
}

Address address(const std::string& bytes) {
  const auto* const at = reinterpret_cast<const uint8_t*>(bytes.data());
  return bytes.size() == 4 ? Address::v4(at) : Address::v6(at);
}

// The bytes of hexadecimal digits.
std::string hex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

// A policy, and the bytes that it refers to.
class Policy {
 public:
  Policy(uint8_t others, const std::vector<RuleParts>& rules) : bytes_(policy(others, rules)) {
    RegistrationReader at(reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size());
    expect(NamePolicy::decode(at, policy_), "a policy");
  }

  std::string judge(const std::string& name, bool plain = true) const {
    switch (policy_.judge(view(name), plain)) {
      case NameVerdict::kRefused:
        return "refused";
      case NameVerdict::kUnopened:
        return "unopened";
      case NameVerdict::kOpened:
        return "opened";
    }
    return "";
  }

  std::string doors(const std::string& name, uint8_t family = 4) const {
    std::string said;
    policy_.each_door(view(name), family, [&](const Door& door) {
      const auto range = [](unsigned first, unsigned last) {
        return first == last ? std::to_string(first)
                             : std::to_string(first) + "-" + std::to_string(last);
      };
      said += (said.empty() ? "" : " ") + range(door.first_protocol, door.last_protocol) + ":" +
              range(door.first_port, door.last_port);
    });
    return said;
  }

 private:
  std::string bytes_;
  NamePolicy policy_;
};

std::string record(const std::string& owner, unsigned type, const std::string& data,
                   uint32_t time_to_live = 300) {
  return wire(owner) + number(type) + number(1) + number(time_to_live >> 16) +
         number(time_to_live & 0xffff) + number(static_cast<unsigned>(data.size())) + data;
}

struct Rebuilt {
  dns::RebuiltAnswer answer;
  std::string reply;
};

std::string header(unsigned flags, unsigned answers, unsigned authorities = 0,
                   unsigned additional = 0) {
  return number(1) + number(flags) + number(1) + number(answers) + number(authorities) +
         number(additional);
}

Rebuilt rebuild(const std::string& name, unsigned type, const std::vector<std::string>& records,
                size_t room_size = 512) {
  const std::string question = wire(name) + number(type) + number(1);
  const std::string asked = header(0x0100, 0) + question;
  std::string reply = header(0x8180, static_cast<unsigned>(records.size())) + question;
  for (const std::string& one : records)
    reply += one;
  const auto bytes = [](const std::string& text) {
    return dns::Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  dns::Query query;
  expect(dns::parse_query(bytes(asked), query) == dns::Verdict::kQuery, "a query");
  std::vector<uint8_t> room(room_size);
  Rebuilt rebuilt;
  dns::rebuild_answer(bytes(reply), query, room, rebuilt.answer);
  rebuilt.reply = {reinterpret_cast<const char*>(room.data()), rebuilt.answer.size};
  expect(dns::check_reply(bytes(rebuilt.reply), bytes(asked)) != dns::ReplyKind::kForeign,
         "the reply to the query");
  return rebuilt;
}

unsigned count_of(const std::string& reply, size_t at) {
  return static_cast<uint8_t>(reply[at]) << 8u | static_cast<uint8_t>(reply[at + 1]);
}

const std::string kPublic("\xc0\x00\x02\x01", 4), kOther("\xc0\x00\x02\x02", 4),
    kPrivate("\x0a\x00\x00\x01", 4);

}  // namespace

int main() {
  test("which names a policy allows", [] {
    const Policy denies(0, {{.name = "a.example"},
                            {.name = "*.wild.example"},
                            {.verdict = 0, .name = "bad.wild.example"},
                            {.verdict = 0, .name = "*.bad.wild.example"}});
    for (const char* name : {"a.example", "A.Example", "b.wild.example", "c.b.WILD.example"})
      expect_equal(denies.judge(name), "opened", name);
    for (const char* name : {"", "example", "b.a.example", "xa.example", "wild.example",
                             ".wild.example", "bad.wild.example", "x.bad.wild.example"})
      expect_equal(denies.judge(name), "refused", name);
    expect_equal(denies.judge("a.example", false), "refused", "with a dot in a label");
    const Policy allows(1, {{.verdict = 0, .name = "*.bad"}, {.name = "good"}});
    expect_equal(allows.judge("other"), "unopened");
    expect_equal(allows.judge("good"), "opened");
    expect_equal(allows.judge("very.bad"), "refused");
    expect_equal(allows.judge("bad"), "unopened");
    expect_equal(allows.judge("other", false), "refused", "with a dot in a label");
    expect_equal(Policy(0, {}).judge("any"), "refused");
  });

  test("what is opened for an address: parts that are the same, or have nothing in common", [] {
    expect_equal(Policy(0, {{}}).doors("a.example"), "0-255:0-65535");
    const Policy web(0, {{.protocol = 6, .first = 443, .last = 443, .name = "a"}, {.name = "b"}});
    expect_equal(web.doors("a"), "6:443");
    expect_equal(web.doors("b"), "0-5:0-65535 6:0-442 6:443 6:444-65535 7-255:0-65535");
    const Policy ranges(0, {{.first = 10, .last = 20, .name = "a"},
                            {.first = 15, .last = 30, .name = "b"},
                            {.protocol = 17, .first = 20, .last = 20, .name = "*.c"}});
    expect_equal(ranges.doors("a"),
                 "0-16:10-14 0-16:15-20 17:10-14 17:15-19 17:20 18-255:10-14 "
                 "18-255:15-20");
    expect_equal(ranges.doors("b"),
                 "0-16:15-20 0-16:21-30 17:15-19 17:20 17:21-30 18-255:15-20 "
                 "18-255:21-30");
    expect_equal(ranges.doors("x.c"), "17:20");
    expect_equal(ranges.doors("c"), "");
    const Policy ping(0, {{.protocol = 1, .name = "a"}, {.protocol = 255, .name = "b"}});
    expect_equal(ping.doors("a"), "1:0-65535");
    expect_equal(ping.doors("a", 6), "58:0-65535");
    expect_equal(ping.doors("b"), "255:0-65535");
  });

  test("special ranges, to their first and last addresses", [] {
    const auto is = [](const std::string& digits) { return is_special(address(hex(digits))); };
    for (const char* special : {"00000000",
                                "00ffffff",
                                "0a000000",
                                "0affffff",
                                "64400000",
                                "647fffff",
                                "7f000001",
                                "a9fea9fe",
                                "ac100000",
                                "ac1fffff",
                                "c0000000",
                                "c00000ff",
                                "c0a80000",
                                "c0a8ffff",
                                "e0000000",
                                "f0000000",
                                "ffffffff",
                                "00000000000000000000000000000000",
                                "00000000000000000000000000000001",
                                "000000000000000000000000c0000201",
                                "00000000000000000000ffffc0000201",
                                "0000000000000000ffff0000c0000201",
                                "0064ff9b00000000000000000a000001",
                                "0064ff9b0001000000000000c0000201",
                                "01000000000000000000000000000001",
                                "2002a9fea9fe00000000000000000001",
                                "fc000000000000000000000000000000",
                                "fdffffffffffffffffffffffffffffff",
                                "fe800000000000000000000000000001",
                                "febfffffffffffffffffffffffffffff",
                                "fec00000000000000000000000000001",
                                "ff020000000000000000000000000001"})
      expect(is(special), special);
    for (const char* usual : {"01000000",
                              "09ffffff",
                              "0b000000",
                              "643fffff",
                              "64800000",
                              "7effffff",
                              "80000000",
                              "a9fdffff",
                              "a9ff0000",
                              "ac0fffff",
                              "ac200000",
                              "c0000100",
                              "c0000201",
                              "c0a7ffff",
                              "c0a90000",
                              "dfffffff",
                              "20010db8000000000000000000000001",
                              "0064ff9b0000000000000000c0000201",
                              "2002c000020100000000000000000001",
                              "fbffffffffffffffffffffffffffffff",
                              "fe7fffffffffffffffffffffffffffff"})
      expect(!is(usual), usual);
  });

  test("an answer is written anew: the aliases, and the addresses of the last one", [] {
    const auto plain = rebuild(
        "a.example", dns::kTypeA,
        {record("A.Example", dns::kTypeA, kPublic, 7), record("b.example", dns::kTypeA, kOther),
         record("a.example", dns::kTypeA, kPrivate), record("a.example", dns::kTypeA, "abc"),
         record("a.example", dns::kTypeAaaa, std::string(16, 'a'))});
    expect_equal(plain.answer.count, 1u);
    expect(plain.answer.addresses[0].address == address(kPublic), "the address");
    expect_equal(plain.answer.addresses[0].seconds, 7u);
    expect(plain.answer.removed, "the private one is removed");
    expect_equal(count_of(plain.reply, 6), 1u);

    const auto chain =
        rebuild("a", dns::kTypeA,
                {record("a", dns::kTypeCname, wire("b")), record("b", dns::kTypeCname, wire("c.d")),
                 record("c.d", dns::kTypeA, kPublic, 86400),
                 record("c.d", dns::kTypeA, kOther, 0x80000000u),
                 record("c.d", dns::kTypeCname, wire("e")), record("e", dns::kTypeA, kPublic)});
    expect_equal(chain.answer.count, 2u);
    expect_equal(chain.answer.addresses[0].seconds, 3600u);
    expect_equal(chain.answer.addresses[1].seconds, 0u);
    expect(!chain.answer.removed, "nothing is removed");
    expect_equal(count_of(chain.reply, 6), 4u);
    expect(chain.reply.find(wire("c.d")) != std::string::npos, "with its last name");

    const auto loop =
        rebuild("a", dns::kTypeA,
                {record("a", dns::kTypeCname, wire("b")), record("b", dns::kTypeCname, wire("a")),
                 record("a", dns::kTypeA, kPublic)});
    expect_equal(loop.answer.count, 1u, "each record is followed once");
    const auto dotted = rebuild("a", dns::kTypeA,
                                {record("a", dns::kTypeCname,
                                        "\x03"
                                        "b.c\0"s),
                                 record("b.c", dns::kTypeA, kPublic)});
    expect_equal(dotted.answer.count, 0u, "an alias that is another name as text");
  });

  test("what does not fit is neither passed on nor opened", [] {
    std::vector<std::string> many(100, record("a", dns::kTypeA, kPublic));
    const auto small = rebuild("a", dns::kTypeA, many);
    expect((count_of(small.reply, 2) & 0x0200u) != 0, "cut");
    expect_equal(count_of(small.reply, 6), small.answer.count);
    expect(small.answer.count < 31, "as many as fit");
    const auto large = rebuild("a", dns::kTypeA, many, 4096);
    expect_equal(large.answer.count, kMaxOpenedAtOnce);
    expect_equal(count_of(large.reply, 6), kMaxOpenedAtOnce);
  });

  test("a chain of aliases that is too long for pointers is cut", [] {
    std::vector<std::string> chain;
    std::string at = "a";
    for (int i = 0; i < 90; ++i) {
      const std::string next = std::string(60, 'x') + "." + std::string(60, 'y') + "." +
                               std::string(60, 'z') + "." + std::to_string(i);
      chain.push_back(record(at, dns::kTypeCname, wire(next)));
      at = next;
    }
    chain.push_back(record(at, dns::kTypeA, kPublic));
    const auto rebuilt = rebuild("a", dns::kTypeA, chain, 65535);
    expect_equal(rebuilt.answer.count, 0u);
    expect((count_of(rebuilt.reply, 2) & 0x0200u) != 0, "cut");
  });

  test("what is behind the answers is cut off, but for EDNS", [] {
    const std::string question = wire("a") + number(16) + number(1);
    const std::string text = record("a", 16, "\x02hi"), other = record("b", dns::kTypeA, kPublic);
    const std::string opt = "\0"s + number(dns::kTypeOpt) + number(1400) + number(0) +
                            number(0x8000) + number(5) + "abcde";
    const auto cut = [&](std::string reply) {
      const size_t size =
          dns::cut_behind_answers({reinterpret_cast<uint8_t*>(reply.data()), reply.size()});
      return reply.substr(0, size);
    };
    expect_equal(cut(header(0x8180, 1, 1, 2) + question + text + other + other + opt) ==
                     header(0x8180, 1, 0, 1) + question + text + "\0"s + number(dns::kTypeOpt) +
                         number(1400) + number(0) + number(0x8000) + number(0),
                 true, "with an OPT record");
    expect_equal(
        cut(header(0x8180, 1, 1) + question + text + other) == header(0x8180, 1) + question + text,
        true, "without one");
    expect_equal(cut(header(0x8180, 2) + question + text + other).size(), 0u, "an address");
    expect_equal(cut(header(0x8180, 1, 1) + question + text + other.substr(0, 5)).size(), 0u,
                 "one that is malformed");
  });

  test("types that are passed on", [] {
    for (const unsigned type : {1, 5, 12, 15, 16, 28, 33, 65})
      expect(dns::is_usual_type(static_cast<uint16_t>(type)), std::to_string(type));
    for (const unsigned type : {0, 10, 41, 251, 252, 253, 254, 255, 65280, 65535})
      expect(!dns::is_usual_type(static_cast<uint16_t>(type)), std::to_string(type));
  });

  test("a request is read as it was written, and nothing else is", [] {
    NameRequest request;
    request.kind = NameRequestKind::kOpen;
    request.peers = true;
    request.slot = 7;
    request.serial = 0x12345678;
    request.token = 0x123456789abcdef0;
    const std::string name(kMaxNameSize, 'n');
    request.name = view(name);
    request.count = kMaxOpenedAtOnce;
    for (size_t i = 0; i < request.count; ++i)
      request.addresses[i] = {address(i % 2 == 0 ? kPublic : std::string(16, 'a')),
                              static_cast<uint32_t>(i)};
    uint8_t bytes[kMaxNameRequest];
    const size_t size = request.encode(bytes);
    NameRequest read;
    expect(NameRequest::decode(bytes, size, read), "decoded");
    expect(read.kind == request.kind && read.peers && read.slot == 7 &&
               read.serial == request.serial && read.token == request.token,
           "its numbers");
    expect(same_bytes(read.name, request.name), "the name");
    expect_equal(read.count, request.count);
    for (size_t i = 0; i < read.count; ++i)
      expect(read.addresses[i].address == request.addresses[i].address &&
                 read.addresses[i].seconds == i,
             "an address");
    for (size_t cut = 0; cut < size; ++cut)
      expect(!NameRequest::decode(bytes, cut, read), "cut at " + std::to_string(cut));
    const size_t count_at = 18 + 1 + kMaxNameSize;
    ++bytes[count_at];
    expect(!NameRequest::decode(bytes, size, read), "one more address");
    request.kind = NameRequestKind::kRefused;
    request.peers = false;
    const size_t refused = request.encode(bytes);
    expect(NameRequest::decode(bytes, refused, read), "a refusal");
    expect(!NameRequest::decode(bytes, refused + 1, read), "a byte behind it");
    bytes[1] = 1;
    expect(!NameRequest::decode(bytes, refused, read), "a flag that it does not have");
    bytes[0] = 3;
    expect(!NameRequest::decode(bytes, refused, read), "an unknown kind");
  });

  const auto owner = std::make_unique<NameRecords>();
  NameRecords& records = *owner;
  const auto nth = [](unsigned i) { return address("\x08\x08" + number(i)); };

  test("what was opened lasts for the longest of its times, and has a limit", [&] {
    expect(records.open(1, view("a"), nth(1), false, 100, 0), "opened");
    expect(records.open(1, view("A"), nth(1), false, 50, 0), "again");
    expect(records.open(1, view("b"), nth(1), false, 60, 0), "by another name");
    expect(records.open(1, view("a"), nth(1), true, 70, 0), "as a container's");
    expect(records.open(2, view("a"), nth(1), false, 80, 0), "for another container");
    std::string said;
    records.each_opened(1, [&](const NameRecords::Opened& one) {
      said += std::string(one.name, one.name_size) + (one.peer ? "!" : "") +
              std::to_string(one.until) + " ";
    });
    expect_equal(said, "a100 b60 a!70 ");
    for (unsigned i = 2; i < kMaxOpenedOfOne - 1; ++i)
      expect(records.open(1, view("a"), nth(i), false, 1000, 0), "as many as one may have");
    expect(!records.open(1, view("a"), nth(5000), false, 1000, 59), "one more");
    expect(records.open(1, view("a"), nth(5000), false, 1000, 60), "in place of one that is over");
    expect(records.open(2, view("b"), nth(1), false, 80, 0), "others have room");
    records.forget_opened(1);
    expect(!records.has_any(1) && records.has_any(2), "forgotten");
    records.forget(2);
  });

  test("refused names are counted, further ones together", [&] {
    records.refuse(1, view("Evil"), 1000);
    records.refuse(1, view("evil"), 2000);
    for (int i = 0; i < 1000; ++i)
      records.refuse(2, view("n" + std::to_string(i)), 3000);
    records.refuse(2, view("n0"), 4000);
    expect(records.open(1, view("a"), nth(1), false, 100, 0), "opened");
    uint8_t room[16384];
    const size_t size = records.report(1, room);
    const std::string report(reinterpret_cast<const char*>(room), size);
    expect_equal(report == "\x01\0\x04"s + "evil" + "\x02"s + std::string(7, '\0') + "\xe8\x03"s +
                               std::string(6, '\0') + "\x01\0\x04\x08\x08\0\x01\x01"s + "a",
                 true, "the report");
    const size_t large = records.report(2, room);
    const std::string others(reinterpret_cast<const char*>(room), large);
    expect_equal(count_of({others[1], others[0]}, 0), kMaxRefusedOfOne);
    const size_t at = others.find("\x01*"s);
    expect(at != std::string::npos, "those for which there was no room");
    expect_equal(count_of({others[at + 3], others[at + 2]}, 0), 1000 - (kMaxRefusedOfOne - 1));
    // A report that is too large is cut between its entries.
    for (size_t small = 4; small < 200; ++small) {
      std::vector<uint8_t> few(small);
      expect(records.report(2, few) <= small, "within its room");
    }
    records.forget(1);
    records.forget(2);
    expect_equal(records.report(1, room), 4u);
  });

  return result();
}
