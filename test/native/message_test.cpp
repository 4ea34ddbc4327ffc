// DNS messages: names with compression and their bounds, queries, replies, and which reply of a
// server is taken for one.
#include "../../cpp/resolver/message.h"

#include <string>
#include <vector>

#include "support/check.h"
#include "support/dns_wire.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)
using namespace caisson::dns;      // NOLINT(google-build-using-namespace)
using namespace std::string_literals;

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Counts {
  unsigned questions = 1, answers = 0, authorities = 0, additional = 0;
};

std::string header(unsigned flags, const Counts& counts = {}, unsigned id = 0x1234) {
  return number(id) + number(flags) + number(counts.questions) + number(counts.answers) +
         number(counts.authorities) + number(counts.additional);
}

std::string question(const std::string& name, unsigned type = kTypeA) {
  return wire(name) + number(type) + number(1);
}

std::string record(const std::string& wire_name, unsigned type, const std::string& data) {
  return wire_name + number(type) + number(1) + number(0) + number(60) +
         number(static_cast<unsigned>(data.size())) + data;
}

std::string opt(unsigned udp_size, unsigned version = 0) {
  return "\0"s + number(kTypeOpt) + number(udp_size) + number(version) + number(0) + number(0);
}

constexpr unsigned kAsked = 0x0100, kAnswered = 0x8180;

std::string name_at(const std::string& message, size_t at) {
  Name name;
  const size_t end = read_name(bytes_of(message), at, name);
  return end == 0 ? "-" : std::string(name.text, name.size) + "@" + std::to_string(end);
}

// A whole reply, as text.
std::string reply_to(
    const std::string& asked, size_t room_size, Rcode rcode,
    const std::function<void(Reply&)>& fill = [](Reply&) {}) {
  Query query;
  static_cast<void>(parse_query(bytes_of(asked), query));
  std::vector<uint8_t> room(room_size);
  Reply reply(room, query, rcode);
  fill(reply);
  const size_t size = reply.finish();
  expect(size <= room_size, "the reply fits");
  return {reinterpret_cast<const char*>(room.data()), size};
}

Verdict verdict(const std::string& message) {
  Query query;
  return parse_query(bytes_of(message), query);
}

std::string kind(const std::string& reply, const std::string& sent) {
  switch (check_reply(bytes_of(reply), bytes_of(sent))) {
    case ReplyKind::kAnswer:
      return "answer";
    case ReplyKind::kCut:
      return "cut";
    case ReplyKind::kFailure:
      return "failure";
    case ReplyKind::kForeign:
      return "foreign";
  }
  return "";
}

std::string reverse(const std::string& name) {
  Address address;
  if (!parse_reverse({name.data(), name.size()}, address)) return "-";
  std::string text;
  for (size_t i = 0; i < address.size(); ++i)
    text += (i == 0 ? "" : ".") + std::to_string(address.bytes[i]);
  return text;
}

}  // namespace

int main() {
  const std::string head(kHeaderSize, '\0');

  test("names without compression", [&] {
    expect_equal(name_at(head + wire("db.front"), 12), "db.front@22");
    expect_equal(name_at(head + "\0"s, 12), "@13");
    const std::string label(63, 'x');
    expect_equal(name_at(head + wire(label), 12), label + "@77");
    const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'y');
    expect_equal(name_at(head + wire(longest), 12), longest + "@267");
    expect_equal(name_at(head + wire(longest + "y"), 12), "-", "256 bytes");
  });

  test("names that are cut off", [&] {
    const std::string whole = head + wire("db.front");
    for (size_t size = 0; size < whole.size(); ++size)
      expect_equal(name_at(whole.substr(0, size), 12), "-", std::to_string(size));
    expect_equal(name_at(head, 500), "-", "behind the end");
  });

  test("names with compression", [&] {
    const std::string message = head + wire("front") + "\2db\xc0\x0c"s + "\xc0\x13"s;
    expect_equal(name_at(message, 19), "db.front@24");
    expect_equal(name_at(message, 24), "db.front@26", "a pointer to a pointer");
  });

  test("pointers that lead nowhere, forward or in circles", [&] {
    expect_equal(name_at(head + "\xc0\x0c"s, 12), "-", "to itself");
    expect_equal(name_at(head + "\1a\xc0\x0c"s, 12), "-", "to its own labels");
    expect_equal(name_at(head + "\xc0\x0e\xc0\x0c"s, 12), "-", "forward");
    expect_equal(name_at(head + "\xc0\x0e\xc0\x0c"s, 14), "-", "there and back");
    expect_equal(name_at(head + "\1a\xc0\x00"s, 12), "-", "into the header");
    expect_equal(name_at(head + "\xff\xff"s, 12), "-", "far away");
    expect_equal(name_at(head + "\1a\0\xc0"s, 15), "-", "cut off");
    expect_equal(name_at(head + "\x40" + std::string(100, 'a'), 12), "-", "an unknown kind");
    expect_equal(name_at(head + "\x80" + std::string(200, 'a'), 12), "-", "an unknown kind");
    // A long way through many pointers adds up.
    std::string chain = head + wire(std::string(60, 'x'));
    size_t last = 12;
    for (int i = 0; i < 10; ++i) {
      const size_t at = chain.size();
      chain += "\x3c" + std::string(60, 'x') + number(0xc000 | static_cast<unsigned>(last));
      last = at;
    }
    expect_equal(name_at(chain, last), "-", "longer than a name may be");
  });

  test("labels with dots and zeros are other names", [&] {
    Name name;
    expect(read_name(bytes_of(head + "\3a.b\0"s), 12, name) > 0 && !name.plain, "a dot");
    expect(read_name(bytes_of(head + "\3a\0b\0"s), 12, name) > 0 && !name.plain, "a zero");
    expect(read_name(bytes_of(head + wire("ab")), 12, name) > 0 && name.plain, "neither");
  });

  test("a query is read", [] {
    Query query;
    const std::string message =
        header(kAsked, {.additional = 1}) + question("Db", kTypeAaaa) + opt(4096);
    expect(parse_query(bytes_of(message), query) == Verdict::kQuery, "a query");
    expect_equal(std::string(query.name.text, query.name.size), "Db");
    expect_equal(query.type, kTypeAaaa);
    expect_equal(query.question_end, 20u);
    expect(query.edns, "EDNS");
    expect_equal(query.udp_size, 4096);
    expect_equal(query.id(), 0x1234);
  });

  test("what is no query, and what is a wrong one", [] {
    const std::string sound = header(kAsked) + question("db");
    expect(verdict(sound) == Verdict::kQuery, "the sound one is a query");
    for (size_t size = 0; size < sound.size(); ++size)
      expect(verdict(sound.substr(0, size)) ==
                 (size < kHeaderSize ? Verdict::kDropped : Verdict::kFormatError),
             "cut at " + std::to_string(size));
    expect(verdict(header(kAnswered) + question("db")) == Verdict::kDropped, "a reply is dropped");
    expect(verdict(header(0x2800) + question("db")) == Verdict::kNotImplemented, "an update");
    expect(verdict(header(kAsked, {.questions = 0})) == Verdict::kFormatError, "no question");
    expect(verdict(header(kAsked, {.questions = 2}) + question("a") + question("b")) ==
               Verdict::kFormatError,
           "two questions");
    expect(verdict(header(kAsked, {.additional = 65535}) + question("a") + opt(512)) ==
               Verdict::kFormatError,
           "more records claimed than there are");
    expect(verdict(header(kAsked, {.additional = 2}) + question("a") + opt(512) + opt(512)) ==
               Verdict::kFormatError,
           "two OPT records");
  });

  test("a small size of EDNS counts as 512", [] {
    Query query;
    const std::string asked = header(kAsked, {.additional = 1}) + question("db") + opt(0);
    expect(parse_query(bytes_of(asked), query) == Verdict::kQuery, "a query");
    expect_equal(query.udp_size, 512);
  });

  test("a reply has the question as it was, and its answers", [] {
    const std::string asked = header(kAsked) + question("dB");
    const uint8_t address[] = {10, 0, 0, 7};
    expect_equal(reply_to(asked, 512, Rcode::kNoError,
                          [&](Reply& reply) { reply.add_address(Address::v4(address)); }),
                 header(kAnswered, {.answers = 1}) + question("dB") + "\xc0\x0c"s + number(1) +
                     number(1) + number(0) + number(600) + number(4) + "\x0a\x00\x00\x07"s);
    expect_equal(reply_to(asked, 512, Rcode::kServerFailure), header(0x8182) + question("dB"));
  });

  test("a reply to EDNS has an OPT record", [] {
    const std::string asked = header(kAsked, {.additional = 1}) + question("db") + opt(4096);
    expect_equal(reply_to(asked, 512, Rcode::kNoError),
                 header(kAnswered, {.additional = 1}) + question("db") + opt(kOwnUdpSize));
    const std::string newer = header(kAsked, {.additional = 1}) + question("db") + opt(4096, 1);
    const std::string reply = reply_to(newer, 512, Rcode::kNoError);
    expect_equal(reply, header(kAnswered, {.additional = 1}) + question("db") + "\0"s +
                            number(kTypeOpt) + number(kOwnUdpSize) + number(0x0100) + number(0) +
                            number(0));
  });

  test("what does not fit is left out, and the reply says so", [] {
    const uint8_t address[16] = {0xfd};
    const auto fill = [&](Reply& reply) {
      for (int i = 0; i < 100; ++i)
        reply.add_address(Address::v6(address));
    };
    for (const bool edns : {false, true}) {
      const std::string asked = header(kAsked, {.additional = edns ? 1u : 0u}) +
                                question("db", kTypeAaaa) + (edns ? opt(512) : "");
      const std::string reply = reply_to(asked, 512, Rcode::kNoError, fill);
      expect(reply.size() <= 512, "the size");
      expect_equal(number_at(bytes_of(reply), 2), kAnswered | 0x0200);
      expect_equal(number_at(bytes_of(reply), 6), 17, "answers");
      expect_equal(reply_to(asked, 65535, Rcode::kNoError, fill).size(),
                   20u + 100 * 28 + (edns ? 11 : 0));
    }
  });

  test("PTR records", [] {
    const std::string asked = header(kAsked) + question("7.0.0.10.in-addr.arpa", kTypePtr);
    const auto with = [&](const std::string& name) {
      return reply_to(asked, 512, Rcode::kNoError, [&](Reply& reply) {
        reply.add_pointer({name.data(), name.size()});
      });
    };
    const std::string reply = with("db.front");
    expect_equal(reply.substr(reply.size() - 12), number(10) + wire("db.front"));
    for (const std::string& wrong :
         {""s, "a..b"s, "."s, "a."s, std::string(64, 'a'), std::string(300, '.')})
      expect_equal(number_at(bytes_of(with(wrong)), 6), 0, "answers for " + wrong);
  });

  test("names of addresses", [] {
    expect_equal(reverse("2.0.18.172.in-addr.arpa"), "172.18.0.2");
    expect_equal(reverse("2.0.18.172.IN-ADDR.ARPA"), "172.18.0.2");
    std::string six = "1";
    for (int i = 0; i < 29; ++i)
      six += ".0";
    expect_equal(reverse(six + ".d.f.ip6.arpa"), "253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1");
    expect_equal(reverse(six + ".D.F.ip6.arpa"), "253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1");
    for (const std::string& wrong :
         {"in-addr.arpa"s, ".in-addr.arpa"s, "1.2.3.in-addr.arpa"s, "1.2.3.4.5.in-addr.arpa"s,
          "256.1.1.1.in-addr.arpa"s, "01.1.1.1.in-addr.arpa"s, "1111.1.1.1.in-addr.arpa"s,
          "1..1.1.in-addr.arpa"s, "a.1.1.1.in-addr.arpa"s, "1.1.1.1.in-addr.arp"s,
          "1.1.1.1xin-addr.arpa"s, six + ".d.ip6.arpa", six + ".d.g.ip6.arpa",
          six + ".d.f.f.ip6.arpa", six + ".dxf.ip6.arpa", "db"s, ""s})
      expect_equal(reverse(wrong), "-", wrong);
  });

  test("which reply of a server is taken for one", [] {
    const std::string sent = header(kAsked) + question("db.example");
    const std::string answer = record("\xc0\x0c"s, kTypeA, "\x0a\x00\x00\x07"s);
    const std::string sound = header(kAnswered, {.answers = 1}) + question("db.example") + answer;
    expect_equal(kind(sound, sent), "answer");
    expect_equal(kind(header(kAnswered) + question("DB.example"), sent), "answer", "another case");
    expect_equal(kind(header(0x8183) + question("db.example"), sent), "answer", "NXDOMAIN");
    expect_equal(kind(header(0x8182) + question("db.example"), sent), "failure", "SERVFAIL");
    expect_equal(kind(header(0x8185) + question("db.example"), sent), "failure", "REFUSED");
    expect_equal(kind(header(0x8184, {.questions = 0}), sent), "failure", "NOTIMP alone");
    expect_equal(kind(header(kAnswered, {.questions = 0}), sent), "foreign", "nothing");
    expect_equal(kind(header(kAnswered, {}, 0x1235) + question("db.example"), sent), "foreign");
    expect_equal(kind(sent, sent), "foreign", "the query itself");
    expect_equal(kind(header(kAnswered) + question("xx.example"), sent), "foreign");
    expect_equal(kind(header(kAnswered) + question("db.example", kTypeAaaa), sent), "foreign");
    expect_equal(
        kind(header(kAnswered, {.questions = 2}) + question("db.example") + question("db.example"),
             sent),
        "foreign");
    for (size_t size = 0; size < sound.size(); ++size)
      expect_equal(kind(sound.substr(0, size), sent), size < 28 ? "foreign" : "failure",
                   std::to_string(size));
    expect_equal(kind(header(0x8380, {.answers = 9}) + question("db.example") + answer, sent),
                 "cut");
  });

  test("names in the data of records are followed", [] {
    const std::string sent = header(kAsked) + question("db.example");
    const auto with = [&](unsigned type, const std::string& data) {
      return kind(header(kAnswered, {.answers = 1}) + question("db.example") +
                      record("\xc0\x0c"s, type, data),
                  sent);
    };
    const std::string numbers(20, '\0');
    expect_equal(with(5, "\3www\xc0\x0c"s), "answer");
    expect_equal(with(5, "\xc0\x28"s), "failure", "a CNAME that points to itself");
    expect_equal(with(5, wire("a") + "x"), "failure", "a byte too many");
    expect_equal(with(5, ""), "failure", "nothing");
    expect_equal(with(6, wire("a") + "\xc0\x0c"s + numbers), "answer", "SOA");
    expect_equal(with(6, wire("a") + numbers), "failure", "half of a SOA");
    expect_equal(with(15, number(10) + wire("mx")), "answer", "MX");
    expect_equal(with(15, "\0"s), "failure", "half of an MX");
    expect_equal(with(33, number(1) + number(2) + number(3) + wire("a")), "answer", "SRV");
    expect_equal(with(16, "\xc0\x28"s), "answer", "TXT, which has no names");
  });

  test("the addresses of an answer", [] {
    const std::string six = "\xfd"s + std::string(15, '\1');
    const std::string message =
        header(kAnswered, {.answers = 4, .additional = 1}) + question("a") +
        record("\xc0\x0c"s, 5, wire("b")) + record(wire("b"), kTypeA, "\1\2\3\4"s) +
        record(wire("b"), kTypeAaaa, six) + record(wire("b"), kTypeA, "\1\2\3"s) +
        record(wire("b"), kTypeA, "\5\6\7\10"s);
    std::string found;
    each_answered_address(bytes_of(message), [&](const Address& address) {
      found += std::to_string(address.family) + ":" + std::to_string(address.bytes[0]) + " ";
    });
    expect_equal(found, "4:1 6:253 ");
  });

  return result();
}
