#include "name_records.h"

namespace caisson {
namespace {

constexpr View kOthers{"*", 1};

void put_name(View name, char (&to)[kMaxNameSize], uint8_t& size) {
  size = static_cast<uint8_t>(name.size < kMaxNameSize ? name.size : kMaxNameSize);
  for (size_t i = 0; i < size; ++i)
    to[i] = lower(name.bytes[i]);
}

// Writes what fits, whole entries only.
class Writer {
 public:
  explicit Writer(std::span<uint8_t> room) : room_(room) {}

  bool has_room(size_t size) const { return room_.size() - size_ >= size; }
  void number(uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      room_[size_++] = static_cast<uint8_t>(value >> 8 * i);
  }
  void bytes(const void* from, size_t size) {
    __builtin_memcpy(&room_[size_], from, size);
    size_ += size;
  }
  // A count that is known later.
  size_t begin_count() {
    number(0, 2);
    return size_ - 2;
  }
  void set_count(size_t at, size_t count) {
    room_[at] = static_cast<uint8_t>(count);
    room_[at + 1] = static_cast<uint8_t>(count >> 8);
  }
  size_t size() const { return size_; }

 private:
  std::span<uint8_t> room_;
  size_t size_ = 0;
};

}  // namespace

// The one with that name, or one that is free; null if there is no room.
NameRecords::Refused* NameRecords::find_refused(uint32_t owner, View name) {
  size_t own = 0;
  Refused* free = nullptr;
  for (size_t i = 0; i < refused_end_; ++i) {
    Refused& one = refused_[i];
    if (!one.used) {
      if (free == nullptr) free = &one;
      continue;
    }
    if (one.owner != owner) continue;
    if (same_name(one.view(), name)) return &one;
    ++own;
  }
  // The last place is that of the others.
  const bool others = same_bytes(name, kOthers);
  if (own + (others ? 0 : 1) >= kMaxRefusedOfOne) return nullptr;
  if (free == nullptr && refused_end_ < kMaxRefused) free = &refused_[refused_end_++];
  if (free == nullptr) return nullptr;
  *free = Refused{};
  free->owner = owner;
  put_name(name, free->name, free->name_size);
  return free;
}

void NameRecords::refuse(uint32_t owner, View name, uint64_t milliseconds) {
  Refused* one = find_refused(owner, name);
  if (one == nullptr) one = find_refused(owner, kOthers);
  if (one == nullptr) return;
  if (!one->used) one->first = milliseconds;
  one->used = true;
  ++one->count;
}

bool NameRecords::open(uint32_t owner, View name, const Address& address, bool peer, uint64_t until,
                       uint64_t now) {
  size_t own = 0;
  Opened* free = nullptr;
  Opened* over = nullptr;
  for (size_t i = 0; i < opened_end_; ++i) {
    Opened& one = opened_[i];
    if (!one.used) {
      if (free == nullptr) free = &one;
      continue;
    }
    if (one.owner != owner) continue;
    if (one.address == address && one.peer == peer && same_name(one.view(), name)) {
      if (until > one.until) one.until = until;
      return true;
    }
    if (one.until <= now && (over == nullptr || one.until < over->until)) over = &one;
    ++own;
  }
  if (own >= kMaxOpenedOfOne) free = nullptr;
  if (own < kMaxOpenedOfOne && free == nullptr && opened_end_ < kMaxOpened)
    free = &opened_[opened_end_++];
  Opened* const one = free != nullptr ? free : over;
  if (one == nullptr) return false;
  one->used = true;
  one->peer = peer;
  one->owner = owner;
  one->address = address;
  one->until = until;
  put_name(name, one->name, one->name_size);
  return true;
}

void NameRecords::forget_opened(uint32_t owner) {
  for (size_t i = 0; i < opened_end_; ++i)
    if (opened_[i].owner == owner) opened_[i].used = false;
  while (opened_end_ > 0 && !opened_[opened_end_ - 1].used)
    --opened_end_;
}

void NameRecords::forget(uint32_t owner) {
  forget_opened(owner);
  for (size_t i = 0; i < refused_end_; ++i)
    if (refused_[i].owner == owner) refused_[i].used = false;
  while (refused_end_ > 0 && !refused_[refused_end_ - 1].used)
    --refused_end_;
}

bool NameRecords::has_any(uint32_t owner) const {
  for (size_t i = 0; i < refused_end_; ++i)
    if (refused_[i].used && refused_[i].owner == owner) return true;
  bool any = false;
  each_opened(owner, [&](const Opened&) { any = true; });
  return any;
}

size_t NameRecords::report(uint32_t owner, std::span<uint8_t> room) const {
  // Room for the second count stays free.
  Writer writer(room);
  size_t count = 0, at = writer.begin_count();
  for (size_t i = 0; i < refused_end_; ++i) {
    const Refused& one = refused_[i];
    if (!one.used || one.owner != owner || !writer.has_room(1u + one.name_size + 16 + 2)) continue;
    writer.number(one.name_size, 1);
    writer.bytes(one.name, one.name_size);
    writer.number(one.count, 8);
    writer.number(one.first, 8);
    ++count;
  }
  writer.set_count(at, count);
  at = writer.begin_count();
  count = 0;
  each_opened(owner, [&](const Opened& one) {
    if (!writer.has_room(1 + one.address.size() + 1u + one.name_size)) return;
    writer.number(one.address.family, 1);
    writer.bytes(one.address.bytes, one.address.size());
    writer.number(one.name_size, 1);
    writer.bytes(one.name, one.name_size);
    ++count;
  });
  writer.set_count(at, count);
  return writer.size();
}

}  // namespace caisson
