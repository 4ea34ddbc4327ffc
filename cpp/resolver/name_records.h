// What has become of the names that containers with a policy have asked for: which were refused,
// and which addresses were opened. The tables are of a fixed size, and shared by all containers, of
// which each has a part at most.
#pragma once

#include <span>

#include "registration_reader.h"

namespace caisson {

constexpr size_t kMaxOpened = 16384, kMaxOpenedOfOne = 1024;  // pairs of a name and an address
constexpr size_t kMaxRefused = 8192, kMaxRefusedOfOne = 256;  // names

class NameRecords {
 public:
  struct Opened {
    bool used;
    bool peer;  // an address of a container
    uint32_t owner;
    Address address;
    uint64_t until;  // by sys::monotonic
    uint8_t name_size;
    char name[kMaxNameSize];

    View view() const { return {name, name_size}; }
  };

  // Counts it. Names for which there is no room are counted together.
  void refuse(uint32_t owner, View name, uint64_t milliseconds);
  // False if there is no room: a pair whose time is over makes room for another one.
  bool open(uint32_t owner, View name, const Address& address, bool peer, uint64_t until,
            uint64_t now);
  void forget_opened(uint32_t owner);
  void forget(uint32_t owner);
  bool has_any(uint32_t owner) const;

  template <class Visit>
  void each_opened(uint32_t owner, Visit visit) const {
    for (size_t i = 0; i < opened_end_; ++i)
      if (opened_[i].used && opened_[i].owner == owner) visit(opened_[i]);
  }

  // Writes the report of one, and returns its size:
  //   u16 count | of each refused name: text, u64 count, u64 first time in milliseconds since 1970
  //   u16 count | of each opened pair: address, text name
  // The name of those that are counted together is `*`. What does not fit is left out.
  size_t report(uint32_t owner, std::span<uint8_t> room) const;

 private:
  struct Refused {
    bool used;
    uint32_t owner;
    uint64_t count, first;
    uint8_t name_size;
    char name[kMaxNameSize];

    View view() const { return {name, name_size}; }
  };

  Refused* find_refused(uint32_t owner, View name);

  Opened opened_[kMaxOpened];
  Refused refused_[kMaxRefused];
  size_t opened_end_ = 0, refused_end_ = 0;  // behind the last that was ever used
};

}  // namespace caisson
