#include "programs.h"

#include <sys/mman.h>

#include "../base/kernel.h"
#include "../base/unique_fd.h"

namespace caisson {
namespace {

// lib/engine/supervisor/next-programs.ts
constexpr const char* kNextProgramsFile = "next-programs";
constexpr size_t kMaxSize = 64u << 20;

}  // namespace

void Programs::Block::free() {
  if (memory != nullptr) sys::call(__NR_munmap, memory, size);
  *this = Block{};
}

Status Programs::replace(int directory) {
  const UniqueFd file(static_cast<int>(
      sys::call(__NR_openat, directory, kNextProgramsFile, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)));
  if (!file.valid()) return Error{ENOENT, "openat", kNextProgramsFile};
  struct statx info {};
  if (const long result = sys::call(__NR_statx, file.get(), "", AT_EMPTY_PATH, STATX_SIZE, &info);
      result < 0)
    return failure(result, "statx", kNextProgramsFile);
  Block block;
  block.size = info.stx_size;
  if (block.size == 0 || block.size > kMaxSize) return Error{EFBIG, "read", kNextProgramsFile};
  const long memory = sys::call(__NR_mmap, nullptr, block.size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return failure(memory, "mmap", kNextProgramsFile);
  block.memory = reinterpret_cast<void*>(memory);
  for (size_t done = 0; done < block.size;) {
    const long part = sys::call(__NR_read, file.get(), static_cast<char*>(block.memory) + done,
                                block.size - done);
    if (part <= 0) {
      block.free();
      return Error{part < 0 ? static_cast<int>(-part) : EIO, "read", kNextProgramsFile};
    }
    done += static_cast<size_t>(part);
  }
  if (!SupervisorConfig::decode(block.memory, block.size, block.config)) {
    block.free();
    return Error{EINVAL, "read", kNextProgramsFile};
  }
  next_.free();
  next_ = block;
  return {};
}

bool Programs::advance() {
  if (!next_.used()) return false;
  present_.free();
  present_ = next_;
  next_ = Block{};
  return true;
}

}  // namespace caisson
