// The container phase: every step that caisson-init executes inside, one file a kernel topic.
#pragma once

#include "../steps/machine.h"

namespace caisson {

// What a parked container is given in place of the texts of `exec`.
struct Command {
  Blob arguments, environment, search_path;
};

struct ContainerMachine : Machine {
  ContainerMachine(const Program& from, Page* shared, size_t shared_size, int control_socket)
      : Machine(from, shared), page_size(shared_size), control(control_socket) {}
  size_t page_size;
  // Socket to Node's side: carries descriptors in, the terminal out; its end tells that exec
  // happened.
  int control;
  // No parent-death signal: pid 1 of ours stays above it, which has one, or it is detached.
  bool outlives_node = false;
  // /proc/self/fd of a procfs from outside the container; only `join` with "outside" has one.
  int own_descriptors = -1;
  // Its parent is an init, which gives up its rights meanwhile: exec waits for that.
  bool below_init = false;
  // What may be in the bounding set still.
  uint64_t bounding = ~uint64_t{0};
  // Nothing but 0, 1 and 2 survives exec, and signals are as a program expects them.
  bool sealed = false;
  Command command;
};

inline ContainerMachine& container(Machine& machine) {
  return static_cast<ContainerMachine&>(machine);
}

// Executes the container phase. Returns when a step failed (recorded in the page), or after the
// last step of a program that does not end with `exec`.
void run_container(ContainerMachine& machine);

// `path` is kept by the error.
Status change_directory(const char* path);

// What exec needs done before, so that a seccomp filter need not allow it.
Status seal(ContainerMachine& machine);

// Puts the process that stays as the init under the profile of the program that comes after `next`.
Status confine_init(const ContainerMachine& machine, size_t next);

// Pid 1's life after `init`: gives up its rights, then reaps, forwards signals, and ends with the
// main program, whose process goes on at step `next`. `memory_shared` is cleared by the kernel when
// that process no longer shares this one's memory. Returns only when it could not give up its
// rights.
Status be_init(ContainerMachine& machine, size_t next, int main_pid, const uint32_t& memory_shared);

// In the main program's process: waits until its parent has given up its rights. Whatever the
// program is allowed to do to other processes, it finds no init that can do more than it.
void await_confined_init(const ContainerMachine& machine);

Status drop_from_bounding_set(ContainerMachine& machine, uint64_t keep);

// True once Node's side has closed its end: no process is left that owns this container.
bool abandoned(int control);

}  // namespace caisson
