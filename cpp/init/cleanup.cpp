#include <linux/prctl.h>
#include <sys/mman.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../program/journal.h"
#include "../steps/teardown.h"
#include "subcommands.h"

namespace caisson {
namespace {

constexpr int kLife = 0, kJournal = 1;

struct Journal {
  const char* bytes = nullptr;
  size_t entries = 0;

  const JournalEntry* at(size_t index) const {
    return reinterpret_cast<const JournalEntry*>(bytes + index * kJournalStride);
  }
  // Newest first.
  template <class Visit>
  void each(Visit visit) const {
    for (uint64_t order = ~uint64_t{0}; const JournalEntry* entry = before(order);
         order = entry->order)
      visit(*entry);
  }
  // The newest of those that are older than `order`.
  const JournalEntry* before(uint64_t order) const {
    const JournalEntry* newest = nullptr;
    for (size_t i = 0; i < entries; ++i)
      if (at(i)->order != 0 && at(i)->order < order &&
          (newest == nullptr || at(i)->order > newest->order))
        newest = at(i);
    return newest;
  }
};

// No process writes it any more. The file ends with its last program, the mapping with the page of
// that.
Journal read_journal() {
  struct statx info {};
  if (sys::call(__NR_statx, kJournal, "", AT_EMPTY_PATH, STATX_SIZE, &info) < 0) return {};
  const long memory =
      sys::call(__NR_mmap, nullptr, info.stx_size, PROT_READ, MAP_PRIVATE, kJournal, 0);
  if (memory < 0 && memory > -4096) return {};  // the next Engine.open() cleans instead
  return {reinterpret_cast<const char*>(memory),
          (info.stx_size + kJournalStride - 1) / kJournalStride};
}

bool decode(const JournalEntry& entry, Program& program) {
  const char* reason = nullptr;
  return entry.size <= kMaxJournalled && Program::decode(&entry + 1, entry.size, program, reason);
}

void end(const JournalEntry& entry) {
  const JournalledProcess& process = entry.process;
  if (process.start_time != 0) static_cast<void>(end_process(process.pid, process.start_time));
  Program program;
  if (decode(entry, program)) static_cast<void>(run_teardown(program, kTrees));
}

void remove_trees(const JournalEntry& entry) {
  Program program;
  if (!decode(entry, program)) return;
  TreeTeardown trees;
  TeardownResult result;
  while (trees.some(program, ~size_t{0}, result)) {
  }
}

void wait_for_the_end() {
  char nothing;
  long got;
  do
    got = sys::call(__NR_read, kLife, &nothing, sizeof nothing);
  while (got > 0 || got == -EINTR);
}

}  // namespace

void cleanup_main(int life, int journal) {
  sys::call(__NR_setsid);
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-cleanup");
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  // Holds nothing of Node's open but these two, and no directory busy.
  if (sys::call(__NR_dup3, life, kLife, 0) < 0 || sys::call(__NR_dup3, journal, kJournal, 0) < 0)
    sys::exit_group(1);
  sys::call(__NR_close_range, 2, ~0u, 0);
  sys::call(__NR_chdir, "/");

  wait_for_the_end();
  const Journal journal_left = read_journal();
  // However large one container's tree is, the processes and cgroups of all go before it.
  journal_left.each(end);
  journal_left.each(remove_trees);
  sys::exit_group(0);
}

}  // namespace caisson
