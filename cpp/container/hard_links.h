// Which files with several names have been copied, by their inodes: a table and a store of paths of
// fixed size, of which the kernel gives only what is used. Files beyond that are copied once for
// each name.
#pragma once

#include <linux/mman.h>
#include <linux/stat.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../base/text.h"

namespace caisson {

class HardLinks {
 public:
  HardLinks() = default;
  HardLinks(const HardLinks&) = delete;
  HardLinks& operator=(const HardLinks&) = delete;
  ~HardLinks() {
    if (memory_ != nullptr) sys::call(__NR_munmap, memory_, kSize);
  }

  // The path that was added for the file, or null.
  const char* find(const struct statx& file) const {
    if (memory_ == nullptr) return nullptr;
    const Entry& entry = memory_->entries[place_of(file)];
    return entry.path == 0 ? nullptr : memory_->paths + entry.path;
  }

  void add(const struct statx& file, const char* path) {
    if (memory_ == nullptr && !reserve()) return;
    const size_t size = length(path) + 1;
    Entry& entry = memory_->entries[place_of(file)];
    if (entry.path != 0 || count_ == kMost || used_ + size > kPaths) return;
    entry = {file.stx_ino, file.stx_dev_major, file.stx_dev_minor, used_};
    for (size_t at = 0; at < size; ++at)
      memory_->paths[used_ + at] = path[at];
    used_ += static_cast<uint32_t>(size);
    ++count_;
  }

 private:
  static constexpr size_t kEntries = size_t{1} << 18;
  static constexpr size_t kMost = kEntries / 2;
  static constexpr size_t kPaths = size_t{32} << 20;

  struct Entry {
    uint64_t inode;
    uint32_t major, minor;
    uint32_t path;  // its position; 0: the entry is free
  };

  struct Memory {
    Entry entries[kEntries];
    char paths[kPaths];
  };

  static constexpr size_t kSize = sizeof(Memory);

  bool reserve() {
    const long got = sys::call(__NR_mmap, nullptr, kSize, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got < 0) return false;
    memory_ = reinterpret_cast<Memory*>(got);
    return true;
  }

  // The file's, or the first free one after its place.
  size_t place_of(const struct statx& file) const {
    uint64_t hash = (file.stx_ino ^ (uint64_t{file.stx_dev_minor} << 40)) * 0x9e3779b97f4a7c15u;
    for (size_t at = hash >> 46;; at = (at + 1) % kEntries) {
      const Entry& entry = memory_->entries[at];
      if (entry.path == 0) return at;
      if (entry.inode == file.stx_ino && entry.major == file.stx_dev_major &&
          entry.minor == file.stx_dev_minor)
        return at;
    }
  }

  Memory* memory_ = nullptr;
  size_t count_ = 0;
  uint32_t used_ = 1;
};

}  // namespace caisson
