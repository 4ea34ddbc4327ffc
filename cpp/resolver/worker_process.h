// The worker as its broker has it: started again when it ends, after a pause if that happens often.
#pragma once

#include <span>

#include "../base/result.h"
#include "../base/unique_fd.h"
#include "channel.h"

namespace caisson {

class WorkerProcess {
 public:
  explicit WorkerProcess(int init_fd) : init_fd_(init_fd) {}

  // Starts one, if there is none and the pause is over; true if it is new, and knows nothing yet.
  bool start(uint64_t now);
  // A message for it, if there is one. It is ended if it does not take it in time.
  void send(const ChannelMessage& message, size_t size, const int* fds, size_t fd_count);
  // Receives a message of it that has come; its size, or 0 if there is none.
  size_t receive(std::span<uint8_t> room);
  // After its pidfd has become readable.
  void reap(uint64_t now);

  int pidfd() const { return pidfd_.get(); }  // -1: there is none
  int channel() const { return channel_.get(); }
  uint64_t due() const { return pidfd_.valid() ? 0 : next_start_; }  // of the next start; 0: none

 private:
  Status spawn();

  int init_fd_;
  UniqueFd pidfd_, channel_;
  uint64_t started_ = 0;     // by sys::monotonic
  uint64_t next_start_ = 1;  // not before
  unsigned quick_ends_ = 0;  // in a row
};

}  // namespace caisson
