#include "page_memory.h"

#include <linux/memfd.h>
#include <sys/mman.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"

namespace caisson {
Result<Page*> make_page(const void* program, size_t program_size, uint32_t command_room,
                        size_t& size, UniqueFd& fd) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  long made = sys::call(__NR_memfd_create, "caisson-page", flags | kNoExecSeal);
  if (made == -EINVAL) made = sys::call(__NR_memfd_create, "caisson-page", flags);  // before 6.3
  auto memory = own_fd(made, "memfd_create", nullptr);
  if (!memory.ok()) return memory.error();
  size = kProgramOffset + program_size;
  if (command_room > 0) size += 7 + command_room;
  if (const long sized = sys::call(__NR_ftruncate, memory.value().get(), size); sized < 0)
    return failure(sized, "ftruncate");
  // A process that truncated it would make Node fail at its next access (SIGBUS).
  const long sealed = sys::call(__NR_fcntl, memory.value().get(), F_ADD_SEALS,
                                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  if (sealed < 0) return failure(sealed, "fcntl F_ADD_SEALS");
  // Most of the room is never used.
  const int populate = command_room == 0 ? MAP_POPULATE : 0;
  const long address = sys::call(__NR_mmap, nullptr, size, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | populate, memory.value().get(), 0);
  if (address < 0 && address > -4096) return failure(address, "mmap");
  auto* page = reinterpret_cast<Page*>(address);
  page->program_size = static_cast<uint32_t>(program_size);
  page->command_room = command_room;
  __builtin_memcpy(reinterpret_cast<char*>(page) + kProgramOffset, program, program_size);
  fd = memory.take();
  return static_cast<Page*&&>(page);
}

}  // namespace caisson
