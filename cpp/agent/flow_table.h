// The flows of UDP that are forwarded: which client has a socket to the container. Bounded: the
// flow that has been silent longest makes room for another one, as it ends first anyway.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace caisson {

// Who has sent a datagram to which address of the host; bytes that are not used are 0.
struct FlowKey {
  uint32_t port;       // its number here
  uint32_t scope;      // of a client's link-local address
  uint8_t client[16];  // of IPv4: the first four
  uint8_t local[16];
  uint16_t client_port;
  uint16_t padding;
};
static_assert(sizeof(FlowKey) == 44);

struct Flow {
  FlowKey key;
  int socket;               // to the container; -1: this is no flow
  uint32_t next_in_bucket;  // or in the list of those that are free
  uint32_t earlier, later;  // by the time of the last datagram
  uint64_t seen;            // monotonic, ns
};

class FlowTable {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  // Memory for `most` flows, and for as many buckets, a power of two. `seed`: a client must not
  // know which of its flows are in one bucket.
  FlowTable(Flow* flows, uint32_t* buckets, uint32_t most, uint64_t seed);

  uint32_t count() const { return count_; }
  bool is_full() const { return count_ == most_; }
  Flow& operator[](uint32_t index) { return flows_[index]; }

  // kNone: there is none.
  uint32_t find(const FlowKey& key) const;
  // Of a key that is not there, in a table that is not full.
  uint32_t add(const FlowKey& key, int socket, uint64_t now);
  void touch(uint32_t index, uint64_t now);
  void remove(uint32_t index);
  // The one that has been silent longest, or kNone.
  uint32_t oldest() const { return oldest_; }

 private:
  uint32_t bucket_of(const FlowKey& key) const;
  void append(uint32_t index);
  void take_out(uint32_t index);

  Flow* flows_;
  uint32_t* buckets_;
  uint32_t most_;
  uint64_t seed_;
  uint32_t count_ = 0;
  uint32_t free_ = 0;
  uint32_t oldest_ = kNone, newest_ = kNone;
};

}  // namespace caisson
