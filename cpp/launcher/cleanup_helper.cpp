#include "cleanup_helper.h"

#include <linux/memfd.h>
#include <poll.h>
#include <stddef.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/text.h"
#include "../host/spawn.h"

namespace caisson {
namespace {

Status write_at(int file, const void* bytes, size_t size, uint64_t offset) {
  const long written = sys::call(__NR_pwrite64, file, bytes, size, offset);
  if (written < 0) return failure(written, "pwrite64", "the cleanup helper's journal");
  if (static_cast<size_t>(written) < size)
    return failure(-ENOSPC, "pwrite64", "the cleanup helper's journal");
  return {};
}

uint64_t place_of(uint32_t entry) {
  return uint64_t{entry} * kJournalStride;
}

}  // namespace

bool CleanupHelper::running() {
  if (!pidfd_.valid()) return false;
  pollfd end{pidfd_.get(), POLLIN, 0};
  const timespec now{};
  if (sys::call(__NR_ppoll, &end, 1, &now, nullptr, 0) <= 0) return true;
  stop();
  return false;
}

Status CleanupHelper::start(int init_fd, void* stack, size_t stack_size) {
  if (Status opened = open_journal(); !opened.ok()) return opened;
  int ends[2];
  const long piped = sys::call(__NR_pipe2, ends, O_CLOEXEC);
  if (piped < 0) return failure(piped, "pipe2", "the cleanup helper");
  UniqueFd theirs(ends[0]), ours(ends[1]);
  Text<16> life, journal;
  life.add(static_cast<uint64_t>(theirs.get()));
  journal.add(static_cast<uint64_t>(journal_.get()));
  const char* const arguments[] = {"caisson-cleanup", "cleanup", life.c_str(), journal.c_str(),
                                   nullptr};
  auto pid = spawn({arguments, init_fd, {theirs.get(), journal_.get(), -1, -1}, 0}, 0, -1, stack,
                   stack_size, pidfd_);
  if (!pid.ok()) return pid.error();
  life_ = static_cast<UniqueFd&&>(ours);
  return {};
}

Status CleanupHelper::open_journal() {
  if (journal_.valid()) return {};
  auto made =
      own_fd(sys::call(__NR_memfd_create, "caisson-journal", MFD_CLOEXEC), "memfd_create", nullptr);
  if (!made.ok()) return made.error();
  journal_ = made.take();
  return {};
}

Result<uint32_t> CleanupHelper::add(const void* program, size_t size) {
  if (size > kMaxJournalled) return failure(-EMSGSIZE, "pwrite64", "the cleanup helper's journal");
  if (Status opened = open_journal(); !opened.ok()) return opened.error();
  if (free_.empty()) free_.push_back(entries_++);
  uint32_t entry = free_.back();
  // What says that it is valid comes last: this process may be killed at any moment.
  const JournalEntry head{last_order_ + 1, static_cast<uint32_t>(size), 0, {}};
  Status written = write_at(journal_.get(), program, size, place_of(entry) + sizeof head);
  if (written.ok()) written = write_at(journal_.get(), &head, sizeof head, place_of(entry));
  if (!written.ok()) return written.error();
  free_.pop_back();
  ++last_order_;
  return static_cast<uint32_t&&>(entry);
}

JournalPlace CleanupHelper::process_of(uint32_t entry) const {
  return {journal_.get(), place_of(entry) + offsetof(JournalEntry, process)};
}

void CleanupHelper::done(uint32_t entry) {
  const JournalEntry none{};
  static_cast<void>(write_at(journal_.get(), &none, sizeof none, place_of(entry)));
  free_.push_back(entry);
}

void CleanupHelper::stop() {
  life_.reset();
  if (pidfd_.valid()) sys::call(__NR_waitid, P_PIDFD, pidfd_.get(), nullptr, WEXITED, nullptr);
  pidfd_.reset();
}

}  // namespace caisson
