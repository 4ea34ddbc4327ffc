// The guard's journal: a memfd that Node's side writes and the guard reads. An array of entries of
// one size, each with the teardown program of a container that may need undoing.
#pragma once

#include "instruction.h"

namespace caisson {

struct JournalEntry {
  uint64_t order;  // 0: free; written after the program. The highest is the newest.
  uint32_t size;   // of the program, which follows
  uint32_t reserved;
};
static_assert(sizeof(JournalEntry) % alignof(Step) == 0);

constexpr size_t kJournalStride = 16u << 10;
constexpr size_t kMaxJournalled = kJournalStride - sizeof(JournalEntry);

}  // namespace caisson
