// The cleanup helper's journal: a memfd that Node's side writes and the cleanup helper reads. An
// array of entries of one size, each with the teardown program of a container that may have to
// be torn down, and, if no cgroup identifies its processes, with its first process.
#pragma once

#include "instruction.h"

namespace caisson {

struct JournalledProcess {
  uint64_t pid;
  uint64_t start_time;  // steps/start_time.h; 0: none is known
};

struct JournalEntry {
  uint64_t order;  // 0: free; written after the program. The highest is the newest.
  uint32_t size;   // of the program, which follows
  uint32_t reserved;
  JournalledProcess process;
};
static_assert(sizeof(JournalEntry) % alignof(Step) == 0);

// Where in the journal a process is to be written.
struct JournalPlace {
  int file = -1;
  uint64_t offset = 0;
};

// Only what is written takes memory. A container with some thousand published ports has this much.
constexpr size_t kJournalStride = 1u << 20;
constexpr size_t kMaxJournalled = kJournalStride - sizeof(JournalEntry);

}  // namespace caisson
