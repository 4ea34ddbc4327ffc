// The health check of a container: an exec that the supervisor repeats, and the status that follows
// from the results. The rules are Docker's (moby, daemon/health.go).
#pragma once

#include <poll.h>

#include "../base/text.h"
#include "../host/host_machine.h"
#include "../program/supervisor_config.h"
#include "cpu_budget.h"
#include "health_file.h"
#include "shared_page.h"

namespace caisson {

class Health {
 public:
  static constexpr unsigned kPolled = 3;

  // Without a check in the configuration nothing here has an effect. The output of a check is read
  // as far as the budget allows.
  Health(const SupervisorConfig& config, Workplace& workplace, int init_fd, CpuBudget& budget)
      : config_(config), workplace_(workplace), init_fd_(init_fd), budget_(budget) {}

  // The container has started to run: its status is "starting". `directory` is where health.json
  // is.
  void begin(int directory, int pid, const char* start_time);
  // The container is about to be killed: a check that still runs no longer counts.
  void cancel();
  // The container has ended, and all processes in it.
  void end();

  // Fills kPolled entries with the descriptors of a check that runs.
  void poll(pollfd* to) const;
  // A check runs that may write something.
  bool reads() const { return outputs_[0].valid() || outputs_[1].valid(); }
  // When step() has something to do; monotonic, ns; 0: never.
  uint64_t due() const { return at_; }
  // Does what is due. Returns the action of an event when the status has changed, or null.
  const char* step(const pollfd* polled);

 private:
  static constexpr unsigned kResults = kMaxCheckResults + 1;  // with the check that runs

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
  uint64_t at_ = 0;     // the next check, or the timeout of this one
  uint64_t check_began_ = 0;
  bool cancelled_ = false;

  // Of the present check.
  SharedPage page_;
  int pid_ = -1;
  UniqueFd pidfd_, control_, outputs_[2];
  bool killed_ = false;  // by the supervisor; the note has the reason

  unsigned first_ = 0, count_ = 0;
  CheckResult results_[kResults];
};

}  // namespace caisson
