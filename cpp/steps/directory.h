// The entries of a directory: getdents64(2), without memory of its own.
#pragma once

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../base/unique_fd.h"

namespace caisson {

// As the kernel writes it: struct linux_dirent64.
struct DirectoryEntry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

inline bool is_dots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

// Reads a directory's entries; the callback gets all but `.` and `..`, until it returns false.
// Returns 0 or a negated errno.
template <size_t kRoom = 4096, class Callback>
long each_entry_while(int directory, Callback callback) {
  alignas(DirectoryEntry) char bytes[kRoom];
  sys::call(__NR_lseek, directory, 0, 0);
  for (;;) {
    const long n = sys::call(__NR_getdents64, directory, bytes, sizeof bytes);
    if (n == -ENOENT) return 0;  // another process has just removed it
    if (n <= 0) return n;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(bytes + at);
      at += entry->size;
      if (!is_dots(entry->name) && !callback(*entry)) return 0;
    }
  }
}

template <size_t kRoom = 4096, class Callback>
long each_entry(int directory, Callback callback) {
  return each_entry_while<kRoom>(directory, [&callback](const DirectoryEntry& entry) {
    callback(entry);
    return true;
  });
}

inline UniqueFd open_directory(int directory, const char* name) {
  return UniqueFd(static_cast<int>(
      sys::call(__NR_openat, directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
}

}  // namespace caisson
