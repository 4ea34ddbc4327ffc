#include "layer_directories.h"

#include <linux/openat2.h>

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson {
namespace {

// Of the records, with what the table needs for each.
constexpr size_t kMaxBytes = 40 << 20;
constexpr size_t kRecordBytes = sizeof(DirectoryRecord) + sizeof(std::string) + 32;

}  // namespace

int LayerDirectories::open_root() {
  const long fd = sys::call(__NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return static_cast<int>(fd);
  root_.reset(static_cast<int>(fd));
  return 0;
}

int LayerDirectories::find(std::string_view path) {
  if (path.empty()) return root_.get();
  Open* oldest = open_;
  for (Open& open : open_) {
    if (open.fd.valid() && open.path == path) {
      open.used = ++uses_;
      return open.fd.get();
    }
    if (open.used < oldest->used) oldest = &open;
  }
  oldest->path = path;
  oldest->used = 0;
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const long fd = sys::call(__NR_openat2, root_.get(), oldest->path.c_str(), &how, sizeof how);
  oldest->fd.reset(fd < 0 ? -1 : static_cast<int>(fd));
  if (fd >= 0) oldest->used = ++uses_;
  return static_cast<int>(fd);
}

void LayerDirectories::forget_open() {
  for (Open& open : open_) {
    open.fd.reset();
    open.used = 0;
  }
}

DirectoryRecord* LayerDirectories::record(const std::string& path) {
  if (DirectoryRecord* found = known(path)) return found;
  bytes_ += path.size() + kRecordBytes;
  if (bytes_ > kMaxBytes) return nullptr;
  return &records_[path];
}

DirectoryRecord* LayerDirectories::known(const std::string& path) {
  const auto found = records_.find(path);
  return found == records_.end() ? nullptr : &found->second;
}

void LayerDirectories::forget(const std::string& path) {
  if (records_.erase(path) != 0) bytes_ -= path.size() + kRecordBytes;
}

}  // namespace caisson
