#include <linux/capability.h>
#include <linux/prctl.h>

#include "../base/clone.h"
#include "container_steps.h"

namespace caisson {
namespace {

constexpr int kInputOutput = 5, kKill = 9, kChild = 17 /* SIGCHLD */;

struct Table {
  Handler handler[static_cast<size_t>(Op::kCount)] = {};
  constexpr Handler& operator[](Op op) { return handler[static_cast<size_t>(op)]; }
  constexpr Handler operator[](Op op) const { return handler[static_cast<size_t>(op)]; }
};

constexpr Table make_table() {
  Table table;
  table[Op::kDirMake] = steps::dir_make;
  table[Op::kSymlinkMake] = steps::symlink_make;
  table[Op::kFileWrite] = steps::file_write;
  table[Op::kFileOpen] = steps::file_open;
  table[Op::kAwait] = steps::await;
  table[Op::kIdsSet] = steps::ids_set;
  table[Op::kGroupsSet] = steps::groups_set;
  table[Op::kCgroupEnter] = steps::cgroup_enter;
  table[Op::kNsUnshare] = steps::ns_unshare;
  table[Op::kMountAttach] = steps::mount_attach;
  table[Op::kMountFs] = steps::mount_fs;
  table[Op::kMountAttr] = steps::mount_attr;
  table[Op::kMountMask] = steps::mount_mask;
  table[Op::kMountReadonly] = steps::mount_readonly;
  table[Op::kTreeView] = steps::tree_view;
  table[Op::kRootPivot] = steps::root_pivot;
  table[Op::kHostName] = steps::host_name;
  table[Op::kDomainName] = steps::domain_name;
  table[Op::kLinkUp] = steps::link_up;
  table[Op::kSysctlWrite] = steps::sysctl_write;
  table[Op::kRlimitSet] = steps::rlimit_set;
  table[Op::kTtyOpen] = steps::tty_open;
  table[Op::kStdioSet] = steps::stdio_set;
  table[Op::kSessionNew] = steps::session_new;
  table[Op::kDirChange] = steps::dir_change;
  table[Op::kCapsBound] = steps::caps_bound;
  table[Op::kCapsSet] = steps::caps_set;
  table[Op::kNnpSet] = steps::nnp_set;
  table[Op::kSeccompLoad] = steps::seccomp_load;
  table[Op::kExec] = steps::exec;
  return table;
}

constexpr Table kTable = make_table();

struct Fork {
  ContainerMachine* machine;
  size_t next;
};

void run_main_program(void* argument) {
  const Fork& fork = *static_cast<Fork*>(argument);
  fork.machine->under_init = true;
  run_container(*fork.machine, fork.next);
  sys::exit_group(1);
}

alignas(16) unsigned char main_stack[64 << 10];

// Leaves the process that stays with nothing but the right to signal what it looks after.
void drop_to_init() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = 1u << CAP_KILL;
  sys::call(__NR_capset, &header, data);
  sys::call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1);
}

// The fork at `init`: the child goes on with the next step and execs; the parent becomes pid 1
// proper.
Status stay_as_init(ContainerMachine& machine, size_t next) {
  // For `ps`, which would show the memfd's name; before the program inside can look.
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-init");
  Fork fork{&machine, next};
  clone_args arguments{};
  arguments.flags = CLONE_VM | CLONE_VFORK;
  arguments.exit_signal = kChild;
  arguments.stack = reinterpret_cast<uint64_t>(main_stack);
  arguments.stack_size = sizeof main_stack;
  const long pid = clone_with_stack(&arguments, run_main_program, &fork);
  if (pid < 0) return failure(pid, "clone3");
  if (load_acquire(machine.page->failed) != 0) sys::exit_group(1);
  drop_to_init();
  // `ids.set` has cleared the parent-death signal of main.cpp: without it this container would
  // outlive Node. The parent may have died in between.
  sys::call(__NR_prctl, PR_SET_PDEATHSIG, kKill);
  if (abandoned(machine.control)) sys::exit_group(1);
  be_init(machine.page, static_cast<int>(pid));
}

#ifdef CAISSON_FAULTS
// Waits to be killed by Node's side, which alone can kill both.
void wait_for_kill(Page* page) {
  store_release(page->fault_reached, 1u);
  for (int i = 0; i < 5000; ++i)
    sys::sleep(1000000);
}
#endif

}  // namespace

void run_container(ContainerMachine& machine, size_t first) {
  const Program& program = machine.program;
  const size_t count = program.count(Half::kContainer);
  const auto stamp = [ends = machine.page->end[1]](size_t step) {
    const uint64_t now = sys::monotonic();
    // A seccomp filter may deny the clock, which programs ask without a system call.
    ends[step] = now == 0 && step > 0 ? ends[step - 1] : now;
  };
  for (size_t i = first; i < count; ++i) {
    const Step& step = program.step(Half::kContainer, i);
    Status status;
#ifdef CAISSON_FAULTS
    const Fault fault = fault_at(program, Half::kContainer, i);
    if (fault == Fault::kFail) status = Error{kInputOutput, "fault injection", nullptr};
    if (fault > Fault::kFail) wait_for_kill(machine.page);
    if (status.ok())
#endif
    {
      // `exec` and `init` end the run: their time is up to where they begin.
      if (step.op == Op::kExec || step.op == Op::kInit) stamp(i);
      status = step.op == Op::kInit ? stay_as_init(machine, i + 1) : kTable[step.op](machine, step);
    }
    stamp(i);
    if (!status.ok()) {
      record_error(machine.page, Half::kContainer, i, status.error());
      return;
    }
  }
}

}  // namespace caisson
