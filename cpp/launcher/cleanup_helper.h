// Node's side of the cleanup helper (cpp/init/cleanup.cpp): one process beside each Node process
// that has containers, which tears down what is left when Node is killed.
#pragma once

#include <stdint.h>

#include <vector>

#include "../base/result.h"
#include "../base/unique_fd.h"
#include "../program/journal.h"

namespace caisson {

class CleanupHelper {
 public:
  // Whether there is a cleanup helper; one that was killed is noticed here.
  bool running();
  // Starts the cleanup helper, for all that is in the journal. Called on a launcher thread.
  Status start(int init_fd, void* stack, size_t stack_size);
  // From now on `program`'s teardown phase is run should this process die. The result is for
  // `done`.
  Result<uint32_t> add(const void* program, size_t size);
  void done(uint32_t entry);
  // Where the process goes that is to be ended first.
  JournalPlace process_of(uint32_t entry) const;
  // Lets the cleanup helper run what is left and waits for its end.
  void stop();

 private:
  Status open_journal();

  UniqueFd journal_;
  UniqueFd life_;  // the end of a pipe that is closed when this process is no more
  UniqueFd pidfd_;
  std::vector<uint32_t> free_;
  uint32_t entries_ = 0;
  uint64_t last_order_ = 0;
};

}  // namespace caisson
