// The first code of caisson-init: what a C library's start-up files do for a static program that
// may lie at any address. It applies the program's own relocations, draws the value of the stack
// protector, and makes read-only what nothing changes from then on (decision 0015).
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "../base/sys.h"

// The stack pointer is passed on: the kernel has put the arguments there, the environment, and the
// auxiliary vector.
#if defined(__x86_64__)
asm(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call "
    "caisson_start\n ud2\n");
#elif defined(__aarch64__)
asm(".globl _start\n_start:\n mov x29, xzr\n mov x30, xzr\n mov x0, sp\n bl caisson_start\n brk "
    "0\n");
#endif

// Names that the linker and the compiler know.
extern "C" {
[[gnu::visibility("hidden")]] extern const Elf64_Ehdr __ehdr_start;
[[gnu::visibility("hidden")]] extern const Elf64_Dyn _DYNAMIC[];

// What a protected function puts above its variables, and looks at again before it returns.
[[gnu::visibility("hidden"), gnu::section(".data.rel.ro")]] uintptr_t __stack_chk_guard = 0;

[[noreturn]] void __stack_chk_fail() {
  constexpr char kMessage[] = "caisson-init: a stack buffer was overrun\n";
  caisson::sys::call(__NR_write, 2, kMessage, sizeof kMessage - 1);
  __builtin_trap();
}

[[noreturn]] void caisson_main(long* stack);
}

namespace caisson {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kRelative = R_X86_64_RELATIVE;
#elif defined(__aarch64__)
constexpr uint32_t kRelative = R_AARCH64_RELATIVE;
#endif

uint64_t dynamic_value(Elf64_Sxword tag) {
  for (const Elf64_Dyn* entry = _DYNAMIC; entry->d_tag != DT_NULL; ++entry)
    if (entry->d_tag == tag) return entry->d_un.d_val;
  return 0;
}

uint64_t auxiliary_value(const long* stack, uint64_t type) {
  const long* word = stack + 1 + stack[0] + 1;
  while (*word != 0)
    ++word;
  for (const auto* entry = reinterpret_cast<const Elf64_auxv_t*>(word + 1);
       entry->a_type != AT_NULL; ++entry)
    if (entry->a_type == type) return entry->a_un.a_val;
  return 0;
}

// Pointers in constants, such as tables of functions. A program without symbols to look up has no
// other kind.
void relocate(uintptr_t base) {
  const auto* entry = reinterpret_cast<const Elf64_Rela*>(base + dynamic_value(DT_RELA));
  const auto* const end = entry + dynamic_value(DT_RELASZ) / sizeof *entry;
  for (; entry != end; ++entry) {
    if (ELF64_R_TYPE(entry->r_info) != kRelative) __builtin_trap();
    *reinterpret_cast<uintptr_t*>(base + entry->r_offset) =
        base + static_cast<uintptr_t>(entry->r_addend);
  }
}

// By whole pages of this machine. They may be larger than those that the linker had in mind: what
// shares a page with variables stays writable. They may be smaller: lld lets the range end with the
// linker's page, where nothing is mapped behind its segment.
void make_read_only(uintptr_t base, uintptr_t page_size) {
  const auto* const headers = reinterpret_cast<const Elf64_Phdr*>(base + __ehdr_start.e_phoff);
  const auto* const end = headers + __ehdr_start.e_phnum;
  for (const Elf64_Phdr* range = headers; range != end; ++range) {
    if (range->p_type != PT_GNU_RELRO) continue;
    const uintptr_t from = (base + range->p_vaddr) & -page_size;
    uintptr_t to = (base + range->p_vaddr + range->p_memsz) & -page_size;
    for (const Elf64_Phdr* segment = headers; segment != end; ++segment) {
      if (segment->p_type != PT_LOAD || range->p_vaddr - segment->p_vaddr >= segment->p_memsz)
        continue;
      const uintptr_t mapped =
          (base + segment->p_vaddr + segment->p_memsz + page_size - 1) & -page_size;
      if (mapped < to) to = mapped;
    }
    if (from < to && sys::call(__NR_mprotect, from, to - from, PROT_READ) < 0) __builtin_trap();
  }
}

}  // namespace

// Its value is not there yet when this begins, and another one when it would return.
extern "C" __attribute__((noreturn, no_stack_protector)) void caisson_start(long* stack) {
  const auto base = reinterpret_cast<uintptr_t>(&__ehdr_start);
  relocate(base);
  // The kernel's random bytes for this exec. The lowest is 0, so that no text can contain the
  // value.
  const auto* random = reinterpret_cast<const uintptr_t*>(auxiliary_value(stack, AT_RANDOM));
  __stack_chk_guard = *random & ~uintptr_t{0xff};
  make_read_only(base, auxiliary_value(stack, AT_PAGESZ));
  caisson_main(stack);
}

}  // namespace caisson
