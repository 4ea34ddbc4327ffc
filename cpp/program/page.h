// What Node's side and caisson-init share for one start: the main program's exit status, time
// stamps, the error, and after it the launch program itself. It is gone from the child once it has
// exec'ed; an init keeps the outcome alone.
#pragma once

#include "instruction.h"

namespace caisson {

struct ErrorRecord {
  uint32_t phase;
  uint32_t step;
  int32_t number;
  uint32_t reserved;
  char call[32];
  char object[480];
};

constexpr size_t kOutcomeSize = 4096;

// The main program's status as wait(2) gives it, valid when `exited` is 1; written by the init or
// by the exec supervisor. A memory page of its own: an init runs among processes that may have
// taken it over (ptrace(2)), and has nothing else of this mapped while they run.
struct alignas(kOutcomeSize) Outcome {
  uint32_t exited;
  uint32_t status;
  // An init has given up its rights, for which the process that it has forked waits before exec.
  uint32_t init_confined;
};

struct Page {
  Outcome outcome;
  // Set last, after the rest of the record (release order); 1 = failed.
  uint32_t failed;
  // Debug builds: the child has reached the step at which it is to be killed.
  uint32_t fault_reached;
  uint32_t program_size;
  // The container phase has come to execve(2): from here on only `failed` tells that it did not.
  uint32_t executing;
  // Node has a coredump filter that no container is to inherit: caisson-init resets its own.
  uint32_t resets_coredump_filter;
  // Bytes behind the program that are kept for the command that a parked container gets (`await`),
  // and those that have been written there.
  uint32_t command_room;
  uint32_t command_size;
  // The next is there (release order).
  uint32_t signals_known;
  // Signals that Node ignores, and a child of Node's with it: bit 0 is signal 1.
  uint64_t ignored_signals;
  ErrorRecord error;
  // CLOCK_MONOTONIC nanoseconds; a step's start is the end of the one before it.
  uint64_t start[2];
  uint64_t end[2][kMaxHostSteps];
};
static_assert(kMaxHostSteps == kMaxContainerSteps);

constexpr size_t kProgramOffset = sizeof(Page);
static_assert(kProgramOffset % alignof(Step) == 0);

inline const void* program_of(const Page* page) {
  return reinterpret_cast<const char*>(page) + kProgramOffset;
}

// Where the command of a parked container is: four texts as in a program's arena (`exec`).
inline char* command_of(Page* page) {
  const size_t offset = kProgramOffset + page->program_size;
  return reinterpret_cast<char*>(page) + ((offset + 7) & ~size_t{7});
}

template <class T>
inline T load_acquire(const T& from) {
  return __atomic_load_n(&from, __ATOMIC_ACQUIRE);
}
template <class T>
inline void store_release(T& to, T value) {
  __atomic_store_n(&to, value, __ATOMIC_RELEASE);
}

struct Ending {
  int code;    // -1: ended by a signal
  int signal;  // 0: it exited
};

// How the main program has ended, if an init or an exec supervisor says so. What is in the outcome
// may be anything that a process inside has made of it: a status that no process ends with is none.
inline bool read_outcome(const Page* page, Ending& ending) {
  constexpr uint32_t kLastSignal = 64;
  if (load_acquire(page->outcome.exited) == 0) return false;
  const uint32_t status = load_acquire(page->outcome.status), signal = status & 0x7f;
  if (signal > kLastSignal) return false;
  ending.signal = static_cast<int>(signal);
  ending.code = signal == 0 ? static_cast<int>(status >> 8 & 0xff) : -1;
  return true;
}

// A copy of the error, whose texts end in any case.
inline ErrorRecord read_error(const Page* page) {
  ErrorRecord error = page->error;
  error.call[sizeof error.call - 1] = '\0';
  error.object[sizeof error.object - 1] = '\0';
  return error;
}

}  // namespace caisson
