// Answers of name servers as a container with a policy gets them: nothing in them is an address
// that has not been opened for it.
#pragma once

#include "message.h"
#include "name_request.h"

namespace caisson::dns {

// An address is open for at least as long, and at most.
constexpr uint32_t kShortestOpen = 60, kLongestOpen = 3600;  // seconds

struct RebuiltAnswer {
  size_t size = 0;       // of the reply
  bool removed = false;  // there were addresses of special ranges
  size_t count = 0;
  OpenedAddress addresses[kMaxOpenedAtOnce];
};

// Writes the reply to an A or AAAA query from one that check_reply() has found to be an answer: the
// aliases that begin with the name of the question, in their order, and the addresses of the last
// one. Other records are left out, and so are addresses of special ranges. Their times to live
// are kLongestOpen at most.
void rebuild_answer(Bytes reply, const Query& query, std::span<uint8_t> room,
                    RebuiltAnswer& answer);

// Leaves nothing behind the answers of a reply but an OPT record; for queries of other types.
// Returns its size; 0 if there are addresses among the answers, or if these need what is behind.
size_t cut_behind_answers(std::span<uint8_t> reply);

// Whether queries of this type are passed on, for a container with a policy: those that resolvers
// and clients use. Types that only carry bytes are not.
bool is_usual_type(uint16_t type);

}  // namespace caisson::dns
