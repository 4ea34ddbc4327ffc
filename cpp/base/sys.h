// Raw system calls. caisson-init has no libc, and the addon wants neither errno nor glibc's
// process-wide versions of setresuid and its kin, so both speak to the kernel through this header.
// A result in [-4095, -1] is a negated errno.
#pragma once

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

namespace caisson::sys {

// Arguments are integers or pointers; the kernel takes words.
inline long word(const volatile void* pointer) {
  return reinterpret_cast<long>(pointer);
}
inline long word(decltype(nullptr)) {
  return 0;
}
inline long word(long value) {
  return value;
}
inline long word(unsigned long value) {
  return static_cast<long>(value);
}
inline long word(unsigned long long value) {
  return static_cast<long>(value);
}
inline long word(int value) {
  return value;
}
inline long word(unsigned value) {
  return static_cast<long>(value);
}

#if defined(__x86_64__)
inline long raw(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long raw(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
}
#else
#error "caisson runs on x86-64 and arm64"
#endif

template <class A = int, class B = int, class C = int, class D = int, class E = int, class F = int>
inline long call(long number, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0) {
  return raw(number, word(a), word(b), word(c), word(d), word(e), word(f));
}

inline long close(int fd) {
  return call(__NR_close, fd);
}

[[noreturn]] inline void exit_group(int status) {
  for (;;)
    call(__NR_exit_group, status);
}

// A clock of clock_gettime(2) in nanoseconds.
inline uint64_t clock(int which) {
  struct {
    long seconds, nanoseconds;
  } time{};
#if __STDC_HOSTED__
  // By the C library, which asks the vDSO: a start takes some hundred timestamps.
  timespec now{};
  clock_gettime(which, &now);
  time = {now.tv_sec, now.tv_nsec};
#else
  call(__NR_clock_gettime, which, &time);
#endif
  return static_cast<uint64_t>(time.seconds) * 1000000000u +
         static_cast<uint64_t>(time.nanoseconds);
}

inline uint64_t monotonic() {
  return clock(CLOCK_MONOTONIC);
}

// What this process has used.
inline uint64_t processor_time() {
  return clock(CLOCK_PROCESS_CPUTIME_ID);
}

inline void sleep(uint64_t nanoseconds) {
  struct {
    long seconds, nanoseconds;
  } time{static_cast<long>(nanoseconds / 1000000000u),
         static_cast<long>(nanoseconds % 1000000000u)};
  call(__NR_nanosleep, &time, nullptr);
}

}  // namespace caisson::sys
