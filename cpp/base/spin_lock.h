// A lock for the few system calls that must not be mixed with another thread's; works without a
// libc.
#pragma once

#include "sys.h"

namespace caisson {

class SpinLock {
 public:
  void lock() {
    while (__atomic_exchange_n(&taken_, true, __ATOMIC_ACQUIRE))
      sys::call(__NR_sched_yield);
  }
  void unlock() { __atomic_store_n(&taken_, false, __ATOMIC_RELEASE); }

 private:
  bool taken_ = false;
};

class ScopedSpinLock {
 public:
  explicit ScopedSpinLock(SpinLock& lock) : lock_(lock) { lock_.lock(); }
  ~ScopedSpinLock() { lock_.unlock(); }
  ScopedSpinLock(const ScopedSpinLock&) = delete;
  ScopedSpinLock& operator=(const ScopedSpinLock&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace caisson
