// Whatever bytes come as a query or as a server's reply: what is read lies within them, and what is
// written in reply can be read, also with names of containers.
#include <string.h>

#include <memory>

#include "../../cpp/resolver/forwarded_answer.h"
#include "../../cpp/resolver/local_answer.h"
#include "../../cpp/resolver/special_ranges.h"
#include "support/fuzz.h"
#include "support/registration_builder.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::dns;      // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

size_t checksum(Bytes bytes) {
  size_t sum = 0;
  for (const uint8_t byte : bytes)
    sum += byte;
  return sum;
}

void answer(const Query& query) {
  require(query.question_end <= query.message.size());
  require(query.name.size < kMaxWireName);
  for (const size_t room_size : {kUsualUdpSize, size_t{4096}}) {
    uint8_t room[4096];
    Reply reply({room, room_size}, query, Rcode::kNoError);
    reply.add_pointer(query.name.view());
    const Address address = Address::v6(reinterpret_cast<const uint8_t*>("0123456789abcdef"));
    for (int i = 0; i < 30; ++i)
      reply.add_address(address);
    const size_t size = reply.finish();
    require(size <= room_size);
    require(check_reply({room, size}, query.message) != ReplyKind::kForeign);
  }
}

std::string address(char family, size_t size) {
  return family + std::string(size, '\x0a');
}

// Two containers that see each other, with names that the search finds soon.
const Names& two_containers() {
  static const auto names = [] {
    auto made = std::make_unique<Names>();
    const RegistrationParts::Network network{
        "aa", "n", {address(4, 4), address(6, 16)}, {"a", "b.c", "www.example"}};
    const std::string bytes = registration({.networks = {network}});
    for (size_t slot = 0; slot < 2; ++slot)
      require(made->set(slot, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    return made;
  }();
  return *names;
}

void answer_with_names(Bytes message) {
  static RandomPool random;
  for (const size_t limit : {kUsualUdpSize, kMaxMessage}) {
    static uint8_t room[kMaxMessage];
    Query query;
    size_t size = 0;
    switch (answer_locally(two_containers(), 0, message, limit, random, room, query, size)) {
      case Local::kReplied:
        require(size >= kHeaderSize && size <= sizeof room);
        require(size <= limit || (query.edns && size <= query.udp_size));
        break;
      case Local::kDropped:
        break;
      case Local::kUnknown:
        require(query.question_end > kHeaderSize);
        break;
    }
  }
}

// As the answer of a name server to a container with a policy.
void pass_on(Bytes message) {
  const auto asked = std::make_unique<uint8_t[]>(message.size());
  memcpy(asked.get(), message.data(), message.size());
  asked[2] &= 0x07;  // a query
  Query query;
  if (parse_query({asked.get(), message.size()}, query) != Verdict::kQuery) return;
  static uint8_t room[kMaxMessage];
  for (const size_t room_size : {kUsualUdpSize, size_t{4096}, kMaxMessage}) {
    RebuiltAnswer answer;
    rebuild_answer(message, query, {room, room_size}, answer);
    const Bytes rebuilt(room, answer.size);
    require(answer.size <= room_size && answer.count <= kMaxOpenedAtOnce);
    const ReplyKind kind = check_reply(rebuilt, query.message);
    require(kind == ReplyKind::kAnswer || kind == ReplyKind::kCut);
    // What it has is what is opened.
    size_t found = 0;
    each_answered_address(rebuilt, [&](const Address& one) {
      require(found < answer.count && answer.addresses[found].address == one && !is_special(one));
      ++found;
    });
    require(found == answer.count);
  }
  memcpy(asked.get(), message.data(), message.size());
  const size_t cut = cut_behind_answers({asked.get(), message.size()});
  require(cut <= message.size());
  if (cut == 0) return;
  require(check_reply({asked.get(), cut}, message) == ReplyKind::kAnswer);
  each_answered_address({asked.get(), cut}, [](const Address&) { require(false); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size: what is read past it is noticed.
  const auto copy = std::make_unique<uint8_t[]>(size);
  if (size > 0) memcpy(copy.get(), data, size);
  const Bytes message(copy.get(), size);

  Query query;
  switch (parse_query(message, query)) {
    case Verdict::kQuery:
      answer(query);
      break;
    case Verdict::kDropped:
      break;
    case Verdict::kFormatError:
    case Verdict::kNotImplemented: {
      uint8_t room[kUsualUdpSize];
      Reply reply(room, query, Rcode::kFormatError);
      require(reply.finish() <= sizeof room);
      break;
    }
  }

  answer_with_names(message);

  // As the reply to a query with its own id and question.
  if (size < kHeaderSize) return 0;
  const auto sent = std::make_unique<uint8_t[]>(size);
  memcpy(sent.get(), data, size);
  if (check_reply(message, {sent.get(), size}) == ReplyKind::kAnswer) {
    size_t addresses = 0;
    each_answered_address(message, [&](const Address& address) {
      ++addresses;
      require(address.family == 4 || address.family == 6);
    });
    require(addresses <= size / 14 && checksum(message) <= 255 * size);
    pass_on(message);
  }
  return 0;
}
