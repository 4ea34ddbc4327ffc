#include "thread_queue.h"

#include <linux/prctl.h>
#include <pthread.h>

#include <chrono>
#include <utility>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../host/machine_root.h"

namespace caisson {
namespace {

// How long jobs wait while there are starts, and how many at most.
constexpr std::chrono::milliseconds kPatience{10};
constexpr size_t kBacklog = 4;

}  // namespace

// Only JavaScript's threads hire: a thread shares root and working directory with its creator, and
// while a launcher shares them with another thread it can change no mount namespace (setns(2),
// EINVAL). pthread_create, because std::thread would throw, and there are no exceptions here.
Status ThreadQueue::hire() {
  const std::lock_guard lock(mutex_);
  if (idle_ > jobs_.size() || threads_ == most_) return {};
  // A signal for Node must not be handled on a thread that shares its memory with a starting child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int failed = pthread_create(&thread, nullptr, work, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) return threads_ > 0 ? Status{} : Status{failure(-failed, "pthread_create")};
  pthread_detach(thread);
  ++threads_;
  return {};
}

void* ThreadQueue::work(void* queue) {
  static_cast<ThreadQueue*>(queue)->run();
  return nullptr;
}

void ThreadQueue::run() {
  Workplace workplace;
  if (!is_machine_root()) workplace.rights = Rights::kNone;
  // A start waits for moments (`await_child`), and by default each of its waits may end 50 µs late.
  sys::call(__NR_prctl, PR_SET_TIMERSLACK, 1);
  for (;;)
    next()(workplace);
}

ThreadQueue::Job ThreadQueue::next() {
  std::unique_lock waiting(mutex_);
  ++idle_;
  do {
    ready_.wait(waiting, [this] { return !jobs_.empty(); });
    // On a machine with few processors, teardown would take them from a start that a caller waits
    // for. Meanwhile another thread may take the job.
    ready_.wait_for(waiting, kPatience,
                    [this] { return starts_ == 0 || urgent_ > 0 || jobs_.size() > kBacklog; });
  } while (jobs_.empty());
  --idle_;
  Entry entry = std::move(jobs_.front());
  jobs_.pop_front();
  if (entry.urgent) --urgent_;
  return std::move(entry.job);
}

void ThreadQueue::submit(Job job, bool urgent) {
  {
    const std::lock_guard lock(mutex_);
    if (urgent) {
      jobs_.push_front({std::move(job), true});
      ++urgent_;
    } else {
      jobs_.push_back({std::move(job), false});
    }
  }
  ready_.notify_one();
}

void ThreadQueue::add_starts(int starts) {
  {
    const std::lock_guard lock(mutex_);
    starts_ += static_cast<unsigned>(starts);
    if (starts_ > 0) return;
  }
  ready_.notify_all();
}

}  // namespace caisson
