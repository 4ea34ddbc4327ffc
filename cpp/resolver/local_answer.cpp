#include "local_answer.h"

#include "../base/text.h"
#include "forwarded_answer.h"

namespace caisson {
namespace {

constexpr size_t kMaxAnswers = 256;

bool is_refused(const Registration* asker, const dns::Query& query) {
  if (asker == nullptr || !asker->has_policy) return false;
  return !dns::is_usual_type(query.type) ||
         asker->policy.judge(query.name.view(), query.name.plain) == NameVerdict::kRefused;
}

// Adds what is known; false if nothing is.
bool add_answers(const Names& names, size_t asker, const dns::Query& query, RandomPool& random,
                 dns::Reply& reply) {
  if (query.question_class != dns::kClassInternet || !query.name.plain) return false;
  if (query.type == dns::kTypePtr) {
    Address address;
    View name, network;
    if (!dns::parse_reverse(query.name.view(), address) ||
        !names.find_name(asker, address, name, network))
      return false;
    Text<2 * kMaxNameSize> whole;
    whole.add(name.bytes, name.size).add(".").add(network.bytes, network.size);
    reply.add_pointer({whole.c_str(), whole.size()});
    return true;
  }
  // Of another type, they are only looked for.
  const bool four = query.type == dns::kTypeA, six = query.type == dns::kTypeAaaa;
  Address addresses[kMaxAnswers];
  const auto found = names.find(asker, query.name.view(), six ? 6 : 4, addresses, kMaxAnswers);
  if (!found.known) return false;
  if (found.count == 0 || (!four && !six)) return true;
  // Clients take the first: each has its turn.
  const size_t first = random.next() % found.count;
  const bool has_policy = names.at(asker)->has_policy;
  const size_t most = has_policy && found.count > kMaxOpenedAtOnce ? kMaxOpenedAtOnce : found.count;
  for (size_t i = 0; i < most; ++i)
    reply.add_address(addresses[(first + i) % found.count]);
  return true;
}

}  // namespace

Local answer_locally(const Names& names, size_t asker, dns::Bytes message, size_t limit,
                     RandomPool& random, std::span<uint8_t> room, dns::Query& query, size_t& size) {
  const dns::Verdict verdict = dns::parse_query(message, query);
  if (verdict == dns::Verdict::kDropped) return Local::kDropped;
  const size_t most = query.edns && query.udp_size > limit ? query.udp_size : limit;
  if (most < room.size()) room = room.first(most);
  const auto refuse = [&](dns::Rcode rcode) {
    size = dns::Reply(room, query, rcode).finish();
    return Local::kReplied;
  };
  if (verdict == dns::Verdict::kFormatError) return refuse(dns::Rcode::kFormatError);
  if (verdict == dns::Verdict::kNotImplemented) return refuse(dns::Rcode::kNotImplemented);
  if (query.edns_version != 0) return refuse(dns::Rcode::kNoError);  // it becomes BADVERS
  // Of a whole zone: no client of a resolver asks for that, and the answer may be endless.
  if (query.type == dns::kTypeAxfr || query.type == dns::kTypeIxfr)
    return refuse(dns::Rcode::kRefused);
  const bool refused = is_refused(names.at(asker), query);
  dns::Reply reply(room, query, dns::Rcode::kNoError);
  // The name of an address is answered whatever the policy: nothing of it goes elsewhere.
  if ((!refused || query.type == dns::kTypePtr) &&
      add_answers(names, asker, query, random, reply)) {
    size = reply.finish();
    return Local::kReplied;
  }
  if (!refused) return Local::kUnknown;
  size = dns::Reply(room, query, dns::Rcode::kRefused).finish();
  return Local::kRefused;
}

}  // namespace caisson
