// Everything that belongs to one run of a container's program. `run = Run{}` closes all of it and
// begins anew: nothing of a run is left over for the next one.
#pragma once

#include "../host/host_machine.h"
#include "child_process.h"
#include "shared_page.h"

namespace caisson {

constexpr size_t kMaxTimestamps = 2 + 2 * kMaxHostSteps;

struct Run {
  // Takes what the host phase has made of the first process, also when the phase has failed.
  void take_process(HostMachine& machine);
  // Takes stdin, stdout, stderr and the file that counts OOM kills from the slots with these
  // numbers (-1: there is none).
  void take_streams(HostMachine& machine, const int16_t (&slots)[4]);

  // Where input for the program goes, or -1: nothing reads it, or the terminal is not there yet.
  int input_fd(bool has_terminal) const;
  // Where room for more input is awaited, while the last write found none, or -1.
  int full_input_fd(bool has_terminal) const;
  bool has_output() const { return outputs[0].valid() || outputs[1].valid(); }

  // Waits for the first process, which has ended. False when it has not.
  bool reap();
  int exit_code() const { return exit_code_of(ending); }

  // The container phase has come to the exec of the program, and no failure of it is known.
  bool reached_exec() const;
  // The program was not started, or its start could not be recorded: read_failure() has the reason.
  bool failed() const;
  ErrorRecord read_failure() const;

  // [host start, host step ends …, container start, container step ends …]: how many.
  size_t timestamps(const Program& program, double (&to)[kMaxTimestamps]) const;

  // While the host phase runs, the process is still in the hands of its machine.
  const HostMachine* starting = nullptr;
  bool cancelled = false;  // the host phase is to end at its next step that waits

  SharedPage page;
  int pid = -1;
  bool shares_pids = false;  // with processes that do not end with the first one
  UniqueFd pidfd;            // the first process
  UniqueFd control;          // the control socket; caisson-init has its other end until the exec
  UniqueFd input;            // the pipe to stdin; none with a terminal
  UniqueFd outputs[2];       // stdout and stderr; with a terminal the first is its master
  UniqueFd terminal_slave;   // keeps the master readable while no process has the terminal open
  UniqueFd oom_events;       // memory.events or memory.oom_control
  UniqueFd helper;           // the exec supervisor of a network helper
  UniqueFd ports;            // of the host, which are the container's
  bool program_started = false;  // the program was exec'ed, which clients were told
  bool input_full = false;       // the last write of input found no room
  Error unsaved;                 // why "running" could not be written to state.json
  Ending ending{};
  uint32_t oom_kills = 0;  // those that events have reported
  uint64_t began = 0;      // monotonic, ns
};

}  // namespace caisson
