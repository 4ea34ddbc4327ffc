// The supervisor of one container: it runs the launch program, once or again and again; owns the
// container's streams, writes its log, serves the clients that connect, and records what becomes of
// the container. It depends on no other process: the one that started it may have ended long ago.
//
//   supervisor.cpp   the loop: events, deadlines, output
//   launch.cpp       a run begins
//   end_of_run.cpp   a run ends: what is recorded, whether another one follows
//   requests.cpp     what clients ask for
//   published_ports.cpp  the forwarder of a rootless user's published ports
#pragma once

#include <sys/ioctl.h>

#include "../program/supervisor_config.h"
#include "changed_limits.h"
#include "clients.h"
#include "cpu_budget.h"
#include "deadlines.h"
#include "health.h"
#include "log_writer.h"
#include "programs.h"
#include "restart_policy.h"
#include "run.h"
#include "state.h"
#include "state_file.h"

namespace caisson {

// Replaces the standard streams that this process was started with by /dev/null.
void leave_streams();

class Supervisor {
 public:
  Supervisor(const SupervisorConfig& config, int init_fd, int lock);
  // `first`: a client that is connected from the beginning, or -1. Returns when nothing is left to
  // do.
  void run(int first);
  // What makes its container's interfaces; the supervisor of a rootless container has no right to.
  void use_agent(UniqueFd agent) { workplace_.agent = static_cast<UniqueFd&&>(agent); }

 private:
  // How long output may outlive a program; ns.
  static constexpr uint64_t kLateOutput = 5'000'000'000;

  // supervisor.cpp
  bool await_begin();
  bool open_paths();
  void step();
  void handle_events(int milliseconds);
  void handle_deadlines(bool held_back);
  int timeout();
  void handle_client_events(Client& client, short events);
  void read_termination();
  void read_control();
  void program_started();
  bool may_read();
  void read_output(unsigned index);
  void end_output(unsigned index);
  void schedule_flush();
  void report_lost_log();
  void report_oom();
  Status save();
  void event(const char* action, const char* more = "");
  enum class Attachment { kBegins, kEnds };
  void attachment_events(Attachment attachment, const SupervisorConfig& config);
  void volume_destroyed(const char* path);

  // launch.cpp
  bool start();
  bool launch();
  bool lost_parent_cgroup(const ErrorRecord& error) const;
  void end_failed_launch();
  void close_run();
  bool cancels_start();
  void keep_terminal_size() const;
  void find_budget();

  // published_ports.cpp
  bool forwarder_is_polled() const;
  void forwarder_ended();
  void replace_forwarder();
  void change_forwarder(const Program& next);
  void pause_forwarder();
  void give_up_ports();

  // end_of_run.cpp
  void first_process_ended();
  void end_run();
  void start_failed(const ErrorRecord& error);
  void fail_before_start(Error error);
  void leave(const char* status);
  void remove_container();

  // requests.cpp
  void serve(Client& client);
  bool handle(Client& client, const Frame& frame);
  void attach(Client& client, uint8_t streams);
  void resize(unsigned short columns, unsigned short rows);
  bool feed_input(Client& client, const Frame& frame);
  void close_input();
  void drop(Client& client);
  long signal(int number);
  void stop(int number, int milliseconds);
  void stop_pausing();
  void kill_all();

  const SupervisorConfig& config_;
  int init_fd_;
  UniqueFd lock_;  // the container's lock, until the outcome of the start is in state.json
  Workplace workplace_;
  UniqueFd directory_, sockets_, signals_;
  char name_[256];
  char self_[sizeof StateRecord::supervisor];  // this process: pid, start time, boot id

  CurrentState state_;
  StateRecord record_;  // what state.json says
  Run run_;
  Deadlines deadlines_;
  Clients clients_;
  LogWriter log_;
  uint64_t unfinished_since_ = 0;  // a line of the log, monotonic, ns; 0: there is none
  bool log_loss_reported_ = false;

  RestartRule restart_rule_;
  uint64_t pause_ = 0;                  // before the present run, ns
  bool stop_requested_ = false;         // a client or a signal has asked for the container's end
  bool auto_remove_suspended_ = false;  // the container is about to be started again
  winsize terminal_size_{};             // as a client has it, for this run and those that follow
  // What later runs tell the resolver; without it, what the program has.
  char registration_[16 << 10];
  uint32_t registration_size_ = 0;
  uint64_t forwarder_replaced_ = 0;  // monotonic, ns
  bool ports_lost_ = false;          // what was published is not, and an event has said so
  ChangedLimits limits_;
  Programs programs_;
  CpuBudget budget_;
  Health health_;
};

}  // namespace caisson
