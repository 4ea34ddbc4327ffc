// A run begins: the host phase of the launch program, in this process.
#include "../base/kernel.h"
#include "../steps/teardown.h"
#include "supervisor.h"

namespace caisson {
namespace {

constexpr int kLostParentRetries = 8;

}  // namespace

bool Supervisor::start() {
  const uint64_t began = sys::monotonic();
  state_.enter(State::kStarting);
  deadlines_.clear(Deadline::kRestart);
  // Another program may have other ports, or another address.
  if (programs_.advance()) end_forwarder(workplace_.forwarder);
  // The program's own step starts one that is missing.
  deadlines_.clear(Deadline::kForwarder);
  keep_terminal_size();
  if (!launch()) return false;
  run_.began = began;
  record_.pid = run_.pid;
  read_start_time(run_.pid, record_.start_time);
  attachment_events(Attachment::kBegins, programs_.present());
  state_.enter(State::kPreparing);
  return true;
}

// Runs the program's host phase. When this is false, everything that it has made was torn down.
bool Supervisor::launch() {
  if (Status ready = prepare_workplace(workplace_); !ready.ok()) {
    fail_before_start(ready.error());
    return false;
  }
  ErrorRecord error{};
  for (int attempt = 0; attempt <= kLostParentRetries; ++attempt) {
    close_run();
    UniqueFd page_memory;
    const SupervisorConfig& present = programs_.present();
    if (Status made = run_.page.make(present.blob(SupervisorText::kProgram), page_memory);
        !made.ok()) {
      fail_before_start(made.error());
      return false;
    }
    HostMachine machine(
        present.program(), run_.page.get(), workplace_, page_memory.get(), init_fd_,
        {[](void* self) { return static_cast<Supervisor*>(self)->cancels_start(); }, this});
    machine.registration = {registration_, registration_size_};
    run_.starting = &machine;
    const bool ok = run_host(machine);
    run_.starting = nullptr;
    run_.take_process(machine);
    if (ok) {
      run_.take_streams(machine, present.header().slots);
      limits_.apply();
      find_budget();
      // Asked for in a step that was done all the same, or was the last one that waits.
      if (run_.cancelled) kill_all();
      return true;
    }
    end_failed_launch();
    error = read_error(run_.page.get());
    static_cast<void>(run_teardown(programs_.teardown(), kClaims, workplace_.agent.get()));
    if (!lost_parent_cgroup(error)) break;
  }
  start_failed(error);
  return false;
}

// Another engine, ending, has removed the cgroup that all containers share between its making and
// its use (lib/engine/engine.ts repeats its own starts for the same reason).
bool Supervisor::lost_parent_cgroup(const ErrorRecord& error) const {
  const Program& program = programs_.present().program();
  if (error.phase != static_cast<uint32_t>(Phase::kHost) ||
      error.step >= program.count(Phase::kHost) ||
      (error.number != ENOENT && error.number != ENODEV))
    return false;
  const Op op = program.step(Phase::kHost, error.step).op;
  return op == Op::kCgroupMake || op == Op::kCgroupWrite;
}

void Supervisor::end_failed_launch() {
  end_helper(run_.helper);
  if (!run_.pidfd.valid()) return;
  kill_all();
  await_end(run_.pidfd.get(), 30);
}

void Supervisor::close_run() {
  run_ = Run{};
  deadlines_.clear(Deadline::kKill);
  deadlines_.clear(Deadline::kLateOutput);
  deadlines_.clear(Deadline::kSlowClients);
}

// The one place where the loop's work is done while a run begins: a step of the host phase waits
// (for a network helper), and calls this again and again. Clients and SIGTERM are served meanwhile,
// and may ask for the end of the start. Nothing else happens: in State::kStarting no descriptor of
// the run is polled and no deadline is looked at, and only `run` starts a run, so that this never
// leads to a second start within the first.
bool Supervisor::cancels_start() {
  handle_events(0);
  return run_.cancelled;
}

// A client that looks at the terminal still has the size that it had in the run before.
void Supervisor::keep_terminal_size() const {
  if (terminal_size_.ws_col == 0) return;
  const Program& program = programs_.present().program();
  for (size_t i = 0; i < program.count(Phase::kContainer); ++i) {
    Step& step = writable(program.step(Phase::kContainer, i));
    if (step.op == Op::kTtyOpen)
      step.number[0] = static_cast<uint64_t>(terminal_size_.ws_col) << 16 | terminal_size_.ws_row;
  }
}

// The container's limit of processor time, as it was written last.
void Supervisor::find_budget() {
  budget_.clear();
  const Program& program = programs_.present().program();
  for (size_t i = 0; i < program.count(Phase::kHost); ++i) {
    const Step& step = program.step(Phase::kHost, i);
    if (step.op == Op::kCgroupWrite) budget_.note(program.text(step, 0), program.text(step, 1));
  }
  limits_.note(budget_);
}

}  // namespace caisson
