#include "run.h"

namespace caisson {
namespace {

UniqueFd take_slot(HostMachine& machine, int slot) {
  if (slot < 0) return {};
  UniqueFd fd(machine.slots[slot]);
  machine.slots[slot] = -1;
  return fd;
}

}  // namespace

void Run::take_process(HostMachine& machine) {
  pid = machine.pid;
  shares_pids = machine.shares_pids;
  pidfd = static_cast<UniqueFd&&>(machine.pidfd);
  control = static_cast<UniqueFd&&>(machine.control);
  helper = static_cast<UniqueFd&&>(machine.helper);
  ports = static_cast<UniqueFd&&>(machine.ports);
}

void Run::take_streams(HostMachine& machine, const int16_t (&slots)[4]) {
  input = take_slot(machine, slots[0]);
  outputs[0] = take_slot(machine, slots[1]);
  outputs[1] = take_slot(machine, slots[2]);
  oom_events = take_slot(machine, slots[3]);
}

int Run::input_fd(bool has_terminal) const {
  if (!has_terminal) return input.get();
  return terminal_slave.valid() ? outputs[0].get() : -1;
}

int Run::full_input_fd(bool has_terminal) const {
  if (!input_full) return -1;
  // The input and the output of a terminal are one descriptor.
  return has_terminal ? outputs[0].get() : input.get();
}

bool Run::reap() {
  if (!caisson::reap(pidfd.get(), ending)) return false;
  // What the init of the container saw of the program is more precise than the init's own exit
  // code.
  if (Ending of_program{}; page && read_outcome(page.get(), of_program)) ending = of_program;
  return true;
}

bool Run::reached_exec() const {
  return page && load_acquire(page->failed) == 0 && load_acquire(page->executing) != 0;
}

bool Run::failed() const {
  return load_acquire(page->failed) != 0 || unsaved.number != 0;
}

ErrorRecord Run::read_failure() const {
  ErrorRecord error = read_error(page.get());
  if (unsaved.number != 0) fill_record(error, Phase::kHost, kBeforeFirstStep, unsaved);
  return error;
}

size_t Run::timestamps(const Program& program, double (&to)[kMaxTimestamps]) const {
  if (!page) return 0;
  size_t at = 0;
  for (unsigned phase = 0; phase < 2; ++phase) {
    to[at++] = static_cast<double>(page->start[phase]);
    const size_t count = program.count(static_cast<Phase>(phase));
    for (size_t i = 0; i < count; ++i)
      to[at++] = static_cast<double>(page->end[phase][i]);
  }
  return at;
}

}  // namespace caisson
