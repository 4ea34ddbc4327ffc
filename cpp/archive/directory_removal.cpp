#include "directory_removal.h"

#include <string.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../base/unique_fd.h"

namespace caisson {
namespace {

// getdents64(2).
struct Name {
  uint64_t inode;
  int64_t offset;
  unsigned short size;
  unsigned char type;
  char text[];
};

long remove_one(int directory, const char* name, const std::string& path,
                const RemovalListener& listener) {
  const long gone = sys::call(__NR_unlinkat, directory, name, 0);
  if (gone != -EISDIR) return gone;
  return remove_directory(directory, name, path + "/" + name, listener);
}

}  // namespace

long empty_directory(int directory, const std::string& path, const RemovalListener& listener) {
  alignas(8) char names[4096];
  for (;;) {
    // From the start each time, as what was read is gone.
    sys::call(__NR_lseek, directory, 0, SEEK_SET);
    const long size = sys::call(__NR_getdents64, directory, names, sizeof names);
    if (size < 0) return size;
    bool found = false;
    for (long at = 0; at < size;) {
      const auto* one = reinterpret_cast<const Name*>(names + at);
      at += one->size;
      if (strcmp(one->text, ".") == 0 || strcmp(one->text, "..") == 0) continue;
      found = true;
      if (const long gone = remove_one(directory, one->text, path, listener); gone < 0) return gone;
    }
    if (!found) return 0;
  }
}

long remove_directory(int parent, const char* name, const std::string& path,
                      const RemovalListener& listener) {
  const UniqueFd directory(static_cast<int>(
      sys::call(__NR_openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
  if (!directory.valid()) return directory.get();
  if (const long emptied = empty_directory(directory.get(), path, listener); emptied < 0)
    return emptied;
  if (listener.gone != nullptr) listener.gone(listener.context, path);
  return sys::call(__NR_unlinkat, parent, name, AT_REMOVEDIR);
}

}  // namespace caisson
