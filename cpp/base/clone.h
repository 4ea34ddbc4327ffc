// clone3(2) for a child that runs `body` on a stack of its own and never returns from it.
#pragma once

#include <linux/sched.h>

#include "sys.h"

namespace caisson {

// With CLONE_VM | CLONE_VFORK the caller sleeps until the child has exec'ed or ended; the child may
// then do nothing but raw system calls. Returns the child's pid or a negated errno. `stack` and
// `stack_size` go into `arguments` (16-byte aligned).
inline long clone_with_stack(clone_args* arguments, void (*body)(void*), void* argument) {
#if defined(__x86_64__)
  long result;
  register void (*entry)(void*) asm("r8") = body;
  register void* parameter asm("r9") = argument;
  asm volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "mov %%r9, %%rdi\n"
      "call *%%r8\n"
      "ud2\n"
      "1:\n"
      : "=a"(result)
      : "a"(static_cast<long>(__NR_clone3)), "D"(arguments), "S"(sizeof *arguments), "r"(entry),
        "r"(parameter)
      : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = __NR_clone3;
  register long x0 asm("x0") = reinterpret_cast<long>(arguments);
  register long x1 asm("x1") = sizeof *arguments;
  register void (*entry)(void*) asm("x9") = body;
  register void* parameter asm("x10") = argument;
  asm volatile(
      "svc 0\n"
      "cbnz x0, 1f\n"
      "mov x29, xzr\n"
      "mov x30, xzr\n"
      "mov x0, x10\n"
      "blr x9\n"
      "brk 0\n"
      "1:\n"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(entry), "r"(parameter)
      : "memory");
  return x0;
#endif
}

}  // namespace caisson
