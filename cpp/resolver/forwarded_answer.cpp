#include "forwarded_answer.h"

#include "special_ranges.h"

namespace caisson::dns {
namespace {

constexpr size_t kCounts = 4, kAnswers = 6, kAuthorities = 8, kAdditional = 10;  // in the header
constexpr size_t kOptSize = 11;
constexpr uint16_t kUsualTypes[] = {
    kTypeA,         2 /* NS */,     kTypeCname,    6 /* SOA */,     kTypePtr,       15 /* MX */,
    16 /* TXT */,   kTypeAaaa,      33 /* SRV */,  35 /* NAPTR */,  39 /* DNAME */, 43 /* DS */,
    44 /* SSHFP */, 46 /* RRSIG */, 47 /* NSEC */, 48 /* DNSKEY */, 50 /* NSEC3 */, 52 /* TLSA */,
    64 /* SVCB */,  65 /* HTTPS */, 257 /* CAA */,
};

void set_number(std::span<uint8_t> message, size_t at, uint16_t number) {
  message[at] = static_cast<uint8_t>(number >> 8);
  message[at + 1] = static_cast<uint8_t>(number);
}

// Behind the questions; 0 if that is beyond the message.
size_t answers_of(Bytes reply) {
  size_t at = kHeaderSize;
  Name name;
  for (int left = number_at(reply, kCounts); left > 0; --left) {
    at = read_name(reply, at, name);
    if (at == 0 || (at += 4) > reply.size()) return 0;
  }
  return at;
}

// RFC 2181, 8: with the highest bit it is 0.
uint32_t time_to_live(const Record& record) {
  if (record.time_to_live > INT32_MAX) return 0;
  return record.time_to_live < kLongestOpen ? record.time_to_live : kLongestOpen;
}

bool is_address(const Record& record) {
  return record.type == kTypeA || record.type == kTypeAaaa;
}

}  // namespace

void rebuild_answer(Bytes reply, const Query& query, std::span<uint8_t> room,
                    RebuiltAnswer& answer) {
  answer.removed = false;
  answer.count = 0;
  Reply rebuilt(room, query, rcode_of(reply));
  Name owner = query.name;
  Record record;
  size_t at = answers_of(reply);
  for (int left = number_at(reply, kAnswers); at != 0 && left > 0; --left) {
    if ((at = read_record(reply, at, record)) == 0) break;
    if (record.record_class != kClassInternet || !same_name(record.name.view(), owner.view()))
      continue;
    const uint8_t* const data = reply.data() + record.data_at;
    if (record.type == kTypeCname) {
      Name target;
      if (answer.count > 0 || read_name(reply, record.data_at, target) == 0 || !target.plain ||
          !rebuilt.add_alias(target.view(), time_to_live(record)))
        break;
      owner = target;
      continue;
    }
    if (record.type != query.type || answer.count == kMaxOpenedAtOnce) continue;
    if (record.data_size != (record.type == kTypeA ? 4u : 16u)) continue;
    const Address address = record.type == kTypeA ? Address::v4(data) : Address::v6(data);
    if (is_special(address)) {
      answer.removed = true;
      continue;
    }
    const uint32_t seconds = time_to_live(record);
    if (!rebuilt.add_address(address, seconds)) break;
    answer.addresses[answer.count++] = {address, seconds};
  }
  answer.size = rebuilt.finish();
}

size_t cut_behind_answers(std::span<uint8_t> reply) {
  Record record;
  size_t at = answers_of(reply);
  for (int left = number_at(reply, kAnswers); at != 0 && left > 0; --left) {
    at = read_record(reply, at, record);
    if (at != 0 && is_address(record)) return 0;
  }
  const size_t end = at;
  bool has_opt = false;
  uint8_t opt[kOptSize] = {};
  for (int left = number_at(reply, kAuthorities) + number_at(reply, kAdditional);
       at != 0 && left > 0; --left) {
    at = read_record(reply, at, record);
    if (at == 0 || record.type != kTypeOpt || has_opt) continue;
    has_opt = true;
    // Without its options: the name, the type, the size, flags, and no bytes.
    opt[2] = kTypeOpt;
    set_number({opt, kOptSize}, 3, record.record_class);
    set_number({opt, kOptSize}, 5, static_cast<uint16_t>(record.time_to_live >> 16));
    set_number({opt, kOptSize}, 7, static_cast<uint16_t>(record.time_to_live));
  }
  if (at == 0) return 0;
  set_number(reply, kAuthorities, 0);
  set_number(reply, kAdditional, has_opt ? 1 : 0);
  // An OPT record takes the place of what was at least as large.
  if (has_opt) __builtin_memcpy(reply.data() + end, opt, kOptSize);
  const Bytes cut = reply.first(has_opt ? end + kOptSize : end);
  // Names of the answers may have reached beyond their end.
  return check_reply(cut, cut) == ReplyKind::kAnswer ? cut.size() : 0;
}

bool is_usual_type(uint16_t type) {
  for (const uint16_t usual : kUsualTypes)
    if (usual == type) return true;
  return false;
}

}  // namespace caisson::dns
