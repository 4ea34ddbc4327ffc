// Whatever bytes come as a query or as a server's reply: what is read lies within them, and what is
// written in reply can be read.
#include <string.h>

#include <memory>

#include "../../cpp/resolver/message.h"
#include "support/fuzz.h"

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
  }
  return 0;
}
