// A run ends: what is recorded of it, and whether another one follows (restart_policy.h).
#include "../base/kernel.h"
#include "../steps/teardown.h"
#include "../steps/tree_removal.h"
#include "supervisor.h"

namespace caisson {
namespace {

// The exit code of `docker run` for a start that has failed: 127, 126, or 128. A start that was
// cancelled ends as if the program had been killed.
int start_code(const ErrorRecord& error) {
  if (error.number == ECANCELED) return 128 + SIGKILL;
  if (!equal(error.call, "execve") && !equal(error.call, "execve interpreter") &&
      !equal(error.call, "execve loader"))
    return 128;
  return error.number == ENOENT ? 127 : error.number == EACCES ? 126 : 128;
}

// Sent with the reply; too large for the stack of a process that is to stay small.
double timestamps[kMaxTimestamps];

}  // namespace

// The pidfd of the first process is readable. Its output is read to the end before end_run.
void Supervisor::first_process_ended() {
  if (!run_.reap()) return;
  state_.enter(State::kDraining);
  // With the first process of a pid namespace the kernel ends all others.
  if (run_.shares_pids) kill_cgroups(programs_.teardown());
  read_control();
  health_.end();
  run_.control.reset();
  run_.terminal_slave.reset();
  const uint64_t late = sys::monotonic() + kLateOutput;
  deadlines_.set(Deadline::kLateOutput, late);
  deadlines_.set(Deadline::kSlowClients, late);
}

// The container has ended, and everything that it wrote is in the log and with the clients.
void Supervisor::end_run() {
  const size_t timestamps_size =
      run_.timestamps(programs_.present().program(), timestamps) * sizeof(double);
  log_.flush(true);
  unfinished_since_ = Deadlines::kNever;
  deadlines_.clear(Deadline::kFlushLog);
  const bool failed = run_.failed();
  const ErrorRecord error = run_.read_failure();
  if (run_.oom_events.valid() && !failed) report_oom();
  run_.oom_events.reset();
  end_helper(run_.helper);
  pause_forwarder();
  static_cast<void>(run_teardown(programs_.teardown(), kClaims, workplace_.agent.get()));
  if (failed) {
    attachment_events(Attachment::kEnds, programs_.next());
    start_failed(error);
    return;
  }
  const int exit_code = run_.exit_code();
  format_time(wall_time(), record_.finished_at);
  record_.pid = 0;
  record_.start_time[0] = '\0';
  record_.exit_code = exit_code;
  record_.oom_killed = run_.oom_kills > 0;
  record_.stopped = stop_requested_;
  record_.log_lost = log_.lost();
  if (!run_.program_started) copy_text(record_.error, "it ended before its program was started");
  Text<64> attributes;
  attributes.add("\"exitCode\":\"").add(static_cast<uint64_t>(exit_code)).add("\"");
  event("die", attributes.c_str());
  attachment_events(Attachment::kEnds, programs_.next());

  const uint64_t now = sys::monotonic();
  const RestartDecision next =
      decide_restart(restart_rule_, {.program_started = run_.program_started,
                                     .stop_requested = stop_requested_,
                                     .exit_code = exit_code,
                                     .restart_count = record_.restart_count,
                                     .duration = now - run_.began,
                                     .pause_before = pause_});
  if (next.restart) {
    pause_ = next.pause;
    deadlines_.set(Deadline::kRestart, now + next.pause);
    state_.enter(State::kPausing);
    ++record_.restart_count;
    record_.status = "restarting";
    static_cast<void>(save());
  } else {
    leave("exited");
  }
  struct __attribute__((packed)) {
    int32_t code, signal;
    uint32_t oom_kills;
    uint8_t restarting;
  } exited{run_.ending.code, run_.ending.signal, run_.oom_kills, next.restart};
  clients_.tell_all(Reply::kExited, &exited, sizeof exited, timestamps, timestamps_size);
  clients_.detach_all();
  close_run();
}

// A failure before the first step of the launch program.
void Supervisor::fail_before_start(Error error) {
  ErrorRecord record{};
  fill_record(record, Phase::kHost, kBeforeFirstStep, error);
  start_failed(record);
}

// Nothing runs, and `error` says why. A container that never ran stays as it was created.
void Supervisor::start_failed(const ErrorRecord& error) {
  const size_t timestamps_size =
      run_.timestamps(programs_.present().program(), timestamps) * sizeof(double);
  record_.pid = 0;
  record_.start_time[0] = '\0';
  record_.exit_code = start_code(error);
  record_.stopped = stop_requested_;
  Text<sizeof record_.error> why;
  if (error.number == ECANCELED)
    why.add("it was killed before its program was started");
  else
    why.add(error.call)
        .add(" ")
        .add(error.object)
        .add(": errno ")
        .add(static_cast<uint64_t>(error.number));
  copy_text(record_.error, why.c_str());
  leave(record_.started_at[0] == '\0' ? "created" : "exited");
  clients_.tell_all(Reply::kFailed, &error, sizeof error, timestamps, timestamps_size);
  close_run();
}

// Writes the last state. A client that connects from here on finds no supervisor, and reads that.
void Supervisor::leave(const char* status) {
  state_.enter(State::kFinished);
  clients_.stop_listening(sockets_.get(), config_.text(SupervisorText::kId));
  give_up_ports();
  release_claims(programs_.teardown());
  record_.status = status;
  if (config_.has(kSupervisorAutoRemove) && !auto_remove_suspended_) {
    remove_container();
    return;
  }
  record_.supervisor[0] = '\0';
  static_cast<void>(save());
}

void Supervisor::remove_container() {
  // As long as the state names this supervisor, no other process removes the container
  // (lib/engine/container/recover.ts).
  record_.status = "removing";
  static_cast<void>(save());
  // Without config.json there is no container any more for those that look while the rest is
  // removed (storedContainer() in inspect-container.ts).
  sys::call(__NR_unlinkat, directory_.get(), "config.json", 0);
  // The name goes before the files, and only if it is still this container's.
  Text<512> link;
  link.add(config_.text(SupervisorText::kNames)).add("/").add(name_);
  char target[80];
  const long size = sys::call(__NR_readlinkat, AT_FDCWD, link.c_str(), target, sizeof target - 1);
  if (!link.truncated() && size > 0) {
    target[size] = '\0';
    if (equal(target, config_.text(SupervisorText::kId)))
      sys::call(__NR_unlinkat, AT_FDCWD, link.c_str(), 0);
  }
  static_cast<void>(remove_tree(config_.text(SupervisorText::kDirectory)));
  event("destroy");
  const auto removed = [](void* self, const char* path) {
    static_cast<Supervisor*>(self)->volume_destroyed(path);
  };
  remove_volumes(programs_.teardown(), removed, this);
}

}  // namespace caisson
