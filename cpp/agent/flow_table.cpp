#include "flow_table.h"

namespace caisson {
namespace {

bool same(const FlowKey& a, const FlowKey& b) {
  return __builtin_memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

FlowTable::FlowTable(Flow* flows, uint32_t* buckets, uint32_t most, uint64_t seed)
    : flows_(flows), buckets_(buckets), most_(most), seed_(seed) {
  for (uint32_t i = 0; i < most; ++i) {
    buckets_[i] = kNone;
    flows_[i].next_in_bucket = i + 1 < most ? i + 1 : kNone;
  }
}

uint32_t FlowTable::bucket_of(const FlowKey& key) const {
  uint64_t hash = seed_;
  uint32_t words[sizeof key / sizeof(uint32_t)];
  __builtin_memcpy(words, &key, sizeof words);
  for (const uint32_t word : words) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
  }
  return static_cast<uint32_t>(hash >> 32) & (most_ - 1);
}

uint32_t FlowTable::find(const FlowKey& key) const {
  uint32_t index = buckets_[bucket_of(key)];
  while (index != kNone && !same(flows_[index].key, key))
    index = flows_[index].next_in_bucket;
  return index;
}

uint32_t FlowTable::add(const FlowKey& key, int socket, uint64_t now) {
  const uint32_t index = free_;
  Flow& flow = flows_[index];
  free_ = flow.next_in_bucket;
  uint32_t& bucket = buckets_[bucket_of(key)];
  flow.key = key;
  flow.socket = socket;
  flow.seen = now;
  flow.next_in_bucket = bucket;
  bucket = index;
  append(index);
  ++count_;
  return index;
}

void FlowTable::touch(uint32_t index, uint64_t now) {
  flows_[index].seen = now;
  if (index == newest_) return;
  take_out(index);
  append(index);
}

void FlowTable::remove(uint32_t index) {
  uint32_t* link = &buckets_[bucket_of(flows_[index].key)];
  while (*link != index)
    link = &flows_[*link].next_in_bucket;
  *link = flows_[index].next_in_bucket;
  take_out(index);
  flows_[index].socket = -1;
  flows_[index].next_in_bucket = free_;
  free_ = index;
  --count_;
}

void FlowTable::append(uint32_t index) {
  flows_[index].earlier = newest_;
  flows_[index].later = kNone;
  (newest_ == kNone ? oldest_ : flows_[newest_].later) = index;
  newest_ = index;
}

void FlowTable::take_out(uint32_t index) {
  const Flow& flow = flows_[index];
  (flow.earlier == kNone ? oldest_ : flows_[flow.earlier].later) = flow.later;
  (flow.later == kNone ? newest_ : flows_[flow.later].earlier) = flow.earlier;
}

}  // namespace caisson
