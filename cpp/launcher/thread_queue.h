// Jobs, and the native threads that run them. The threads belong to the process, not to a
// JavaScript environment, and live as long as it does, because a container's parent-death signal
// follows the thread that has cloned it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "../host/host_machine.h"

namespace caisson {

class ThreadQueue {
 public:
  using Job = std::function<void(Workplace&)>;

  // `most`: how many threads there are at most.
  explicit ThreadQueue(unsigned most) : most_(most) {}

  // Makes a thread more if all are busy. Fails only when there is none at all. Called by
  // JavaScript.
  Status hire();
  // An urgent one is the next, and waits for no start: one may be waiting for it.
  void submit(Job job, bool urgent = false);
  // So many starts more, or fewer, are under way: for a moment the jobs here wait for them.
  void add_starts(int starts);

 private:
  static void* work(void* queue);
  void run();
  Job next();

  struct Entry {
    Job job;
    bool urgent;
  };

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Entry> jobs_;
  const unsigned most_;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  unsigned starts_ = 0;
  unsigned urgent_ = 0;
};

}  // namespace caisson
