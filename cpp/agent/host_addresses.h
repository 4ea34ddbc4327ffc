// The addresses of the machine, as the firewall of a rootless user's networks knows them: policies
// ask the sets `host4` and `host6` there (lib/network/policy/host-addresses.ts, which fills them
// when a container with a policy is started). Here they follow what changes later.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

class HostAddresses {
 public:
  // In the network namespace of the machine. The descriptors are `changes` and `questions`.
  Status open();

  // Readable when routes of the machine have changed, which those to its own addresses are among.
  UniqueFd changes;
  UniqueFd questions;

  // In the network namespace of the sets: reads what has changed, and replaces their elements. If
  // there are no such sets, or it cannot be done, they stay as they are.
  void update();

 private:
  // Addresses that begin with the same bits.
  struct Block {
    uint8_t bytes[16];
    uint8_t size;  // 4 or 16
    uint8_t prefix;
  };
  static constexpr size_t kMost = 1000;

  bool changed();
  bool ask();
  void take(const char* message, size_t size);
  void add(const Block& block);
  size_t put_set(size_t at, const char* name, uint8_t size, bool acknowledge);

  Block blocks_[kMost];
  size_t count_ = 0;
};

}  // namespace caisson
