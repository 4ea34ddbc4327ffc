// The page that Node's side and caisson-init share for one start: time stamps, the error, the main
// program's exit status, and after it the program itself. It is gone from the child once it has
// exec'ed.
#pragma once

#include "instruction.h"

namespace caisson {

struct ErrorRecord {
  uint32_t half;
  uint32_t step;
  int32_t number;
  uint32_t reserved;
  char call[32];
  char object[480];
};

struct Page {
  // Set last, after the rest of the record (release order); 1 = failed.
  uint32_t failed;
  // The main program's status as wait(2) gives it, valid when `exited` is 1 (written by init).
  uint32_t exited;
  uint32_t status;
  // Debug builds: the child has reached the step at which it is to be killed.
  uint32_t fault_reached;
  uint32_t program_size;
  // The container's half has come to execve(2): from here on only `failed` tells that it did not.
  uint32_t executing;
  ErrorRecord error;
  // CLOCK_MONOTONIC nanoseconds; a step's start is the end of the one before it.
  uint64_t start[2];
  uint64_t end[2][kMaxHostSteps];
};
static_assert(kMaxHostSteps == kMaxContainerSteps);

constexpr size_t kProgramOffset = 12288;
static_assert(sizeof(Page) <= kProgramOffset);

inline const void* program_of(const Page* page) {
  return reinterpret_cast<const char*>(page) + kProgramOffset;
}

template <class T>
inline T load_acquire(const T& from) {
  return __atomic_load_n(&from, __ATOMIC_ACQUIRE);
}
template <class T>
inline void store_release(T& to, T value) {
  __atomic_store_n(&to, value, __ATOMIC_RELEASE);
}

}  // namespace caisson
