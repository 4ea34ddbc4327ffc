// Pid 1 beside the main program: reaps orphans, passes signals on, ends with the main program.
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include <initializer_list>

#include "../base/kernel.h"
#include "container_steps.h"

namespace caisson {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

// The system calls of be_init() and no others: a process that takes the init over with ptrace(2) or
// through its /proc/1/mem can do less with it than with any process of the container. The one
// process that may be signalled is the main program, so that CAP_KILL is of no use either.
long load_filter(int main_pid) {
  const auto pid = static_cast<uint32_t>(main_pid);
  const sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigtimedwait, 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_wait4, 9, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_munmap, 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_setsid, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_futex, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, FUTEX_WAKE, 4, 3),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_kill, 0, 3),
      // A pid is a 32-bit number to the kernel, whatever the upper half of the argument holds.
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program{sizeof filter / sizeof filter[0], const_cast<sock_filter*>(filter)};
  const long loaded = sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
  // A kernel without filters has none for the container either.
  return loaded == -EINVAL || loaded == -ENOSYS ? 0 : loaded;
}

// Gives up everything but what be_init() needs.
Status confine(ContainerMachine& machine, size_t next) {
  // `ids.set` has cleared the parent-death signal of main.cpp: without it this container would
  // outlive Node, which may have ended in between.
  if (const long set = sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL); set < 0)
    return failure(set, "prctl PR_SET_PDEATHSIG");
  if (abandoned(machine.control)) sys::exit_group(1);
  if (const long closed = sys::call(__NR_close_range, 0, ~0u, 0); closed < 0)
    return failure(closed, "close_range");
  if (Status labelled = confine_init(machine, next); !labelled.ok()) return labelled;
  if (Status dropped = drop_from_bounding_set(machine, 0); !dropped.ok()) return dropped;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = 1u << CAP_KILL;
  if (const long set = sys::call(__NR_capset, &header, data); set < 0)
    return failure(set, "capset");
  if (const long set = sys::call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1); set < 0)
    return failure(set, "prctl PR_SET_NO_NEW_PRIVS");
  return {};
}

// Only the outcome stays mapped. With memory pages larger than that, what shares one with it does.
void unmap_all_but_outcome(Page* page, size_t size) {
  constexpr size_t kLargestPage = 64u << 10;
  auto* const bytes = reinterpret_cast<char*>(page);
  for (const size_t kept : {kOutcomeSize, kLargestPage})
    if (size > kept && sys::call(__NR_munmap, bytes + kept, size - kept) == 0) return;
}

// A process that has its parent trace it (PTRACE_TRACEME) is reported at each of its stops too,
// although that is not asked for. It has not ended.
bool has_stopped(int status) {
  return (status & 0xff) == 0x7f;
}

// Reaps everything that has ended; does not return once the main program is among it.
void reap(Outcome& outcome, int main_pid) {
  for (;;) {
    int status = 0;
    const long pid = sys::call(__NR_wait4, -1, &status, WNOHANG | __WALL, nullptr);
    if (pid == -EINTR) continue;
    if (pid <= 0) return;
    if (pid != main_pid || has_stopped(status)) continue;
    store_release(outcome.status, static_cast<uint32_t>(status));
    store_release(outcome.exited, 1u);
    // Ending pid 1 makes the kernel end the whole pid namespace.
    const int signal = status & 0x7f;
    sys::exit_group(signal == 0 ? (status >> 8) & 0xff : 128 + signal);
  }
}

}  // namespace

void await_confined_init(const ContainerMachine& machine) {
  const uint32_t& confined = machine.page->outcome.init_confined;
  while (load_acquire(confined) == 0)
    sys::call(__NR_futex, &confined, FUTEX_WAIT, 0, nullptr);
}

// Every signal is blocked here, as it was in the launcher's thread. All are passed on but SIGCHLD,
// which speaks of the init's own children. That is what tini does, except for two kinds that tini
// leaves out: SIGTTIN and SIGTTOU, as it shares the terminal with its child, which this process
// does not; and SIGABRT, SIGSEGV and the like, so that a fault of tini's own ends it. Here such a
// fault does that although they are blocked (the kernel forces them), and sent by kill(2) they are
// meant for the program.
Status be_init(ContainerMachine& machine, size_t next, int main_pid,
               const uint32_t& memory_shared) {
  if (Status confined = confine(machine, next); !confined.ok()) return confined;
  if (const long loaded = load_filter(main_pid); loaded < 0) return failure(loaded, "seccomp");
  Outcome& outcome = machine.page->outcome;
  // A child that shares this memory needs all of the page until its exec.
  const bool shared = load_acquire(memory_shared) != 0;
  if (!shared) unmap_all_but_outcome(machine.page, machine.page_size);
  store_release(outcome.init_confined, 1u);
  sys::call(__NR_futex, &outcome.init_confined, FUTEX_WAKE, 1);
  while (load_acquire(memory_shared) != 0)
    sys::call(__NR_futex, &memory_shared, FUTEX_WAIT, 1, nullptr);
  if (shared) unmap_all_but_outcome(machine.page, machine.page_size);
  // A session of its own: signals of the caller's terminal are not for it to pass on. Not earlier,
  // as the main program's setsid would wait for this one.
  sys::call(__NR_setsid);
  const uint64_t all = ~uint64_t{0};
  for (;;) {
    reap(outcome, main_pid);
    const long signal = sys::call(__NR_rt_sigtimedwait, &all, nullptr, nullptr, sizeof all);
    if (signal > 0 && signal != SIGCHLD) sys::call(__NR_kill, main_pid, signal);
  }
}

}  // namespace caisson
