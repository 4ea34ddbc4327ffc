// The host phase of a start, executed on a launcher thread of the Node process.
#pragma once

#include "../program/control.h"
#include "../program/journal.h"
#include "../steps/machine.h"

namespace caisson {

// The rights over mounts of the process that runs the host phase.
enum class Rights : uint8_t {
  kAll,
  // In a user namespace of its own: everything but new mounts of what belongs to the host.
  kOwnUserNamespace,
  kNone,  // a Node process without the rights of the machine's root: it only starts further
          // programs in containers
};

// What a launcher thread has for itself, made once.
struct Workplace {
  Rights rights = Rights::kAll;
  bool reset = false;        // the thread has nothing left that its creator has handed down
  UniqueFd host_mounts;      // the mount namespace in which Node lives
  UniqueFd host_root;        // its root directory as Node sees it
  UniqueFd small_mounts;     // a namespace with a handful of mounts: containers are cloned from it
  UniqueFd proc;             // a procfs of our own, whatever /proc is
  UniqueFd coredump_filter;  // this process's own
  bool away = false;         // the thread is not in the host's mount namespace
  // The device filter that was loaded last, and its instructions: containers mostly share one.
  UniqueFd device_filter;
  uint32_t device_filter_size = 0;
  // Of this process, while the thread has none.
  uint32_t groups[1024];
  long group_count = 0;
  UniqueFd agent;      // of the shared network of a rootless user: bridges are made there by it
  UniqueFd forwarder;  // of what `port.forward` has bound, over all runs of one program
  unsigned char device_filter_bytes[2048];
  alignas(16) unsigned char stack[16 << 10];  // for the child until it execs
};

// Makes sure that the thread has its small mount namespace, and that it is in the host's: whatever
// a failure left behind is put right by the next start.
Status prepare_workplace(Workplace& workplace);
Status enter_small_mounts(Workplace& workplace);
Status enter_host_mounts(Workplace& workplace);

struct HostMachine : Machine {
  HostMachine(const Program& from, Page* shared, Workplace& place, int page_descriptor,
              int init_descriptor, Canceller asks = {})
      : Machine(from, shared, asks),
        workplace(place),
        page_fd(page_descriptor),
        init_fd(init_descriptor) {
    agent = place.agent.get();
  }
  ~HostMachine();

  Workplace& workplace;
  int page_fd;
  int init_fd;
  Blob registration{};   // in place of that of `resolver.register`, unless it is empty
  JournalPlace journal;  // where `clone` writes the process that it has made, if anywhere
  int pid = -1;
  // The process that was opened last: its slot and its pid.
  int16_t opened_slot = -1;
  uint64_t opened_pid = 0;
  UniqueFd pidfd;
  UniqueFd control;
  // Of what can be left to go on alone (cpp/init/join.cpp): `pidfd` is then its supervisor's, this
  // is the program's own, for signals.
  UniqueFd program_pidfd;
  UniqueFd life;    // the supervisor ends the program when this end of it is closed
  UniqueFd helper;  // the supervisor of a `helper.start`
  UniqueFd ports;   // keeps what `port.bind` has bound, until the teardown is over
  // What a `release` that waits for Node has to send, and is left to Node.
  bool waits = false;
  ReleaseMessage later{};
  UniqueFd later_fds[kMaxSlots];
  bool fsids_changed = false;
  bool groups_dropped = false;
  bool joined = false;  // the process is in a container that was there before
  // Its pid namespace has other processes, which do not end with it.
  bool shares_pids = false;
  bool detached = false;  // it is to outlive Node
};

// Runs the host phase; a failure is recorded in the page, as ECANCELED where the canceller ended
// a step. The calling thread's identity and mount namespace are as before afterwards, whatever
// happened.
bool run_host(HostMachine& machine);

// Waits for a timestamp of the container phase. False: the child has ended before, or has failed,
// or does not come to it.
bool await_child(const HostMachine& machine, const uint64_t& timestamp);

// Opens /proc/<pid>/<name> in the workplace's own procfs; the second, of the cloned process.
Result<UniqueFd> open_of_process(HostMachine& machine, uint64_t pid, const char* name, int flags);
Result<UniqueFd> open_of_child(HostMachine& machine, const char* name, int flags);

// Ends the supervisor of a helper, and with it all that it has started, and waits for that.
void end_helper(UniqueFd& supervisor);

// Instead of one that was killed: a forwarder of the ports of `present`, the program that runs,
// which lead to where those of `next` do.
Status replace_forwarder(Workplace& workplace, const Program& present, const Program& next);
// Connections to published ports end, and new ones are reset until the next run.
void pause_forwarder(UniqueFd& forwarder);
// The program of the next run tells where the ports lead to from now on.
void redirect_forwarder(UniqueFd& forwarder, const Program& next);
// Ends it, and waits until its ports are free.
void end_forwarder(UniqueFd& forwarder);

Status send_release(int control, const ReleaseMessage& message, const int* fds);

inline HostMachine& host(Machine& machine) {
  return static_cast<HostMachine&>(machine);
}

// Restores the thread's own file system identity; safe to call when nothing was changed.
Status restore_fsids(HostMachine& machine);
// Gives the thread file system ids that own nothing, no groups, and no capabilities over files,
// until `restore_fsids`.
Status become_nobody(HostMachine& machine);

}  // namespace caisson
