#include <linux/prctl.h>
#include <linux/sched.h>

#include "../base/clone.h"
#include "../base/kernel.h"
#include "container_steps.h"

namespace caisson {
namespace {

// `init` is handled here.
constexpr Handlers kHandlers = handlers_of<kInContainer>();

void run_from(ContainerMachine& machine, size_t first);

struct Fork {
  ContainerMachine* machine;
  size_t next;
};

void run_main_program(void* argument) {
  const Fork& fork = *static_cast<Fork*>(argument);
  fork.machine->outlives_node = fork.machine->below_init = true;
  run_from(*fork.machine, fork.next);
  sys::exit_group(1);
}

alignas(16) unsigned char main_stack[64 << 10];
uint32_t memory_shared = 0;

// What the child of `init` has of its parent's memory: the same, or a copy.
enum class ChildMemory : uint64_t { kShared = 0, kCopied = 1 };

// The fork at `init`: the child goes on with the next step and execs; the parent becomes pid 1
// proper. They share their memory until the child has exec'ed, as a copy of it would cost a tenth
// of a millisecond, and run at the same time. SELinux lets no process that shares its memory change
// its label, though (current_is_single_threaded), as an init with a label has to. And a program
// that may trace the init must not find the shared page in it, which this process can unmap before
// the program begins only if the child has its own.
Status fork_from_init(ContainerMachine& machine, const Step& step, size_t next) {
  // For `ps`, which would show the memfd's name; before the program inside can look.
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-init");
  Fork fork{&machine, next};
  clone_args arguments{};
  if (static_cast<ChildMemory>(step.number[0]) == ChildMemory::kShared) {
    arguments.flags = CLONE_VM | CLONE_CHILD_CLEARTID;
    memory_shared = 1;
    arguments.child_tid = reinterpret_cast<uint64_t>(&memory_shared);
  }
  arguments.exit_signal = SIGCHLD;
  arguments.stack = reinterpret_cast<uint64_t>(main_stack);
  arguments.stack_size = sizeof main_stack;
  const long pid = clone_with_stack(&arguments, run_main_program, &fork);
  if (pid < 0) return failure(pid, "clone3");
  // The child first: there is time for the rest while it waits for the kernel.
  sys::call(__NR_sched_yield);
  return be_init(machine, next, static_cast<int>(pid), memory_shared);
}

#ifdef CAISSON_FAULTS
// Waits to be killed by Node's side, which alone can kill both.
void wait_for_kill(Page* page) {
  store_release(page->fault_reached, 1u);
  for (int i = 0; i < 5000; ++i)
    sys::sleep(1000000);
}
#endif

void run_from(ContainerMachine& machine, size_t first) {
  const Program& program = machine.program;
  const size_t count = program.count(Phase::kContainer);
  const auto mark_end = [ends = machine.page->end[1]](size_t step) {
    const uint64_t now = sys::monotonic();
    // A seccomp filter may deny the clock, which programs ask without a system call.
    // The host phase may wait for it.
    store_release(ends[step], now == 0 && step > 0 ? ends[step - 1] : now);
  };
  for (size_t i = first; i < count; ++i) {
    const Step& step = program.step(Phase::kContainer, i);
    Status status;
#ifdef CAISSON_FAULTS
    const Fault fault = fault_at(program, Phase::kContainer, i);
    if (fault == Fault::kFail) status = Error{EIO, "fault injection", nullptr};
    if (fault > Fault::kFail) wait_for_kill(machine.page);
    if (status.ok())
#endif
    {
      // `exec` and `init` end the run: their time is up to where they begin.
      if (step.op == Op::kExec || step.op == Op::kInit) mark_end(i);
      status = step.op == Op::kInit ? fork_from_init(machine, step, i + 1)
                                    : kHandlers[step.op](machine, step);
    }
    // Before its timestamp, by which the host phase takes it for done (`await_child`).
    if (!status.ok()) record_error(machine.page, Phase::kContainer, i, status.error());
    mark_end(i);
    if (!status.ok()) return;
  }
}

}  // namespace

void run_container(ContainerMachine& machine) {
  run_from(machine, 0);
}

}  // namespace caisson
