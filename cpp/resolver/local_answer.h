// What this resolver answers itself: the names and addresses of containers (Docker's embedded DNS
// server, moby/libnetwork/resolver.go), and queries that it takes part in no further.
#pragma once

#include "message.h"
#include "names.h"
#include "random_pool.h"

namespace caisson {

// What has become of a query.
enum class Local {
  kReplied,  // `size` bytes of the room are the reply
  kRefused,  // the same, and the policy of the container is the reason
  kDropped,  // there is none
  kUnknown,  // it is not for this resolver to answer; `query` has been read
};

// Reads a message from the container in the slot `asker`. A query for a name that is known, but has
// no such record, is answered without records, whatever its type: an upstream server would say that
// there is no such name (RFC 8020). `limit` is the size of a reply for a client without EDNS; that
// of another client is the size that it has named, if the room is as large.
Local answer_locally(const Names& names, size_t asker, dns::Bytes message, size_t limit,
                     RandomPool& random, std::span<uint8_t> room, dns::Query& query, size_t& size);

}  // namespace caisson
