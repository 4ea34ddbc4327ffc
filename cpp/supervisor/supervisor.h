// The supervisor keeps one container: it runs its program, and runs it again; owns its streams,
// writes its log, serves whoever attaches, and records what becomes of it. It needs nobody: what
// started it may be long gone.
#pragma once

#include <sys/ioctl.h>

#include "../host/host_machine.h"
#include "../program/supervisor_config.h"
#include "client.h"
#include "cpu_budget.h"
#include "deadlines.h"
#include "health.h"
#include "log_writer.h"
#include "restart_policy.h"
#include "state_file.h"

namespace caisson {

// What this process was given as standard streams is /dev/null from here on.
void leave_streams();

class Supervisor {
 public:
  Supervisor(const SupervisorConfig& config, int init_fd, int lock);
  // `first`: a client that is there from the beginning, or -1. Returns when there is nothing left
  // to keep.
  void run(int first);

 private:
  static constexpr size_t kClients = 64;
  // Of them; the others are for who asks, stops and waits.
  static constexpr size_t kAttached = 48;
  static constexpr size_t kLimits = 16u << 10;

  bool await_begin();
  bool open_places();
  void listen();
  void keep_size() const;
  bool start();
  bool launch();
  void close_run();
  void step();
  bool cancels_start();
  void say_farewell();
  void accept();
  void read_control();
  void started();
  void child_ended();
  void read_output(unsigned index);
  void find_budget();
  void end_output(unsigned index);
  void look_for_oom();
  void end_run();
  void start_failed(const ErrorRecord& error);
  void leave(const char* status);
  void serve(Client& client);
  static void done(Client& client, long result);
  bool handle(Client& client, const Frame& frame);
  bool feed_input(Client& client, const Frame& frame);
  void close_input();
  void drop(Client& client);
  // The container ends with it.
  bool is_bound(const Client& client) const { return bound_ && &client == &clients_[0]; }
  long signal(int number);
  void stop(int number, int milliseconds);
  void kill_all();
  long keep_limits(const char* texts, size_t size);
  void apply_limits() const;
  Status save();
  void event(const char* action, const char* more = "");
  size_t timestamps(double* to) const;
  bool held_back() const;
  bool may_read();
  int timeout();
  template <class Send>
  void tell_all(Send send);

  const SupervisorConfig& config_;
  int init_fd_;
  UniqueFd lock_;  // the container's, while what has become of the start is not written down
  Workplace workplace_;
  Client clients_[kClients];
  size_t makes_room_ = 0;  // the next client to make room for another
  LogWriter log_;
  StateRecord state_;
  UniqueFd directory_, sockets_, listener_, signals_;
  char name_[256];
  char self_[sizeof StateRecord::supervisor];  // this process: pid, start time, boot id

  // Of the present run.
  Page* page_ = nullptr;
  size_t page_size_ = 0;
  int pid_ = -1;
  UniqueFd pidfd_, control_, input_, outputs_[2], near_end_, oom_, helper_;
  HostMachine* starting_ = nullptr;  // while its host's phase runs
  bool cancelled_ = false;           // and somebody wants its end
  winsize size_{};                   // of the terminal, as a client has it; of all runs
  bool executing_ = false;           // the program has been exec'ed
  Error unsaved_;                    // why its start could not be written down
  bool ended_ = false;               // the first process is gone; its output may still be there
  int status_code_ = 0, status_signal_ = 0;
  uint32_t oom_kills_ = 0;  // that have been told of

  RestartRule restart_rule_;
  bool stopping_ = false;  // somebody asked for the end
  bool finished_ = false;  // nothing more will run
  bool stays_ = false;     // it is not removed at its end: it is about to be started again
  bool bound_;             // it ends when the first client leaves
  bool input_full_ = false;
  uint64_t began_ = 0;  // monotonic, ns
  uint64_t pause_ = 0;  // before the next run, ns
  Deadlines deadlines_;
  uint64_t unfinished_since_ = 0;  // a line of the log, monotonic, ns; 0: there is none
  size_t limits_size_ = 0;
  char limits_[kLimits];  // path, value, path …
  bool log_loss_told_ = false;
  CpuBudget budget_;
  Health health_;
};

}  // namespace caisson
