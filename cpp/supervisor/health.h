// The health check of a container: an exec that the supervisor starts again and again, and what
// follows from how it ends. The rules are Docker's (moby, daemon/health.go).
#pragma once

#include <poll.h>

#include "../base/text.h"
#include "../host/host_machine.h"
#include "../program/supervisor_config.h"
#include "cpu_budget.h"
#include "health_file.h"

namespace caisson {

class Health {
 public:
  static constexpr unsigned kPolled = 3;

  // Without a check in the configuration everything here does nothing. What a check writes is read
  // as far as the budget goes.
  Health(const SupervisorConfig& config, Workplace& workplace, int init_fd, CpuBudget& budget)
      : config_(config), workplace_(workplace), init_fd_(init_fd), budget_(budget) {}

  // The container runs, and nothing is known of it yet. `directory` is where the file is.
  void begin(int directory, int pid, const char* start_time);
  // It is about to be killed: what becomes of a check in it says nothing any more.
  void cancel();
  // It has ended, and everything in it.
  void end();

  // What a check that runs is waited for by: fills kPolled of them.
  void poll(pollfd* to) const;
  // There is a check that may write something.
  bool reads() const { return outputs_[0].valid() || outputs_[1].valid(); }
  // When there is something to do; monotonic, ns; 0: never.
  uint64_t due() const { return at_; }
  // Does what there is to do. The action of an event when the status has changed, or null.
  const char* step(const pollfd* polled);

 private:
  static constexpr unsigned kResults = kMaxCheckResults + 1;  // with the one that is under way

  bool launch();
  void refuse(const ErrorRecord& error);
  void read(unsigned index);
  const char* reap();
  const char* finish();
  void kill();
  void close_check();
  bool counts(uint64_t started) const;
  uint64_t interval(uint64_t now) const;
  CheckResult& current() { return results_[(first_ + count_) % kResults]; }

  const SupervisorConfig& config_;
  Workplace& workplace_;
  int init_fd_;
  CpuBudget& budget_;

  int directory_ = -1;
  int target_ = -1;  // the container's first process
  char target_start_[24];
  HealthStatus status_ = HealthStatus::kStarting;
  uint32_t streak_ = 0;
  uint64_t began_ = 0;  // monotonic, ns, as are all of these
  uint64_t at_ = 0;     // the next check, or the end of the patience with this one
  uint64_t check_began_ = 0;
  bool cancelled_ = false;

  // Of the present check.
  Page* page_ = nullptr;
  size_t page_size_ = 0;
  int pid_ = -1;
  UniqueFd pidfd_, control_, outputs_[2];
  bool killed_ = false;  // by us, for a reason that is in its note

  unsigned first_ = 0, count_ = 0;
  CheckResult results_[kResults];
};

}  // namespace caisson
