#include "merged_layers.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <utility>

#include "../base/kernel.h"
#include "../steps/directory.h"

namespace caisson {
namespace {

constexpr int kMaxLinks = 40;
constexpr size_t kMaxPath = 4096;

// One directory of the merged tree: those of the layers that it consists of.
using Directory = std::vector<UniqueFd>;

struct Entry {
  Directory directory;           // not empty: it is a directory
  const UniqueFd* in = nullptr;  // otherwise, in which layer's directory it is; null: there is none
  uint32_t type = 0;
};

class Walk {
 public:
  explicit Walk(int own_descriptors) : own_descriptors_(own_descriptors) {}

  int enter(const std::vector<std::string>& layers) {
    Directory root;
    for (const std::string& layer : layers) {
      UniqueFd fd(static_cast<int>(
          sys::call(__NR_openat, AT_FDCWD, layer.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
      // The root may be a directory of the layers, which some of them do not have.
      if (fd.valid()) root.push_back(std::move(fd));
    }
    if (root.empty()) return ENOENT;
    levels_.push_back(std::move(root));
    return 0;
  }

  Result<RegularFile> open(const std::string& path, uint64_t limit) {
    push(path);
    while (!pending_.empty()) {
      const std::string name = std::move(pending_.back());
      pending_.pop_back();
      if (name.empty() || name == ".") continue;
      if (name == "..") {
        if (levels_.size() > 1) levels_.pop_back();
        continue;
      }
      Entry entry;
      if (const int error = find(name, entry); error != 0) return Error{error, "statx"};
      if (!entry.directory.empty()) {
        levels_.push_back(std::move(entry.directory));
        continue;
      }
      if (entry.in == nullptr) return Error{ENOENT, "statx"};
      if (entry.type == S_IFLNK) {
        if (const int error = follow(*entry.in, name); error != 0)
          return Error{error, "readlinkat"};
        continue;
      }
      if (!pending_.empty()) return Error{ENOTDIR, "statx"};
      return open_regular(entry.in->get(), name.c_str(), own_descriptors_, limit);
    }
    return Error{EINVAL, "statx"};  // a directory
  }

 private:
  // The components of `path` come next.
  void push(const std::string& path) {
    for (size_t end = path.size();;) {
      const size_t slash = end == 0 ? std::string::npos : path.rfind('/', end - 1);
      const size_t start = slash == std::string::npos ? 0 : slash + 1;
      pending_.push_back(path.substr(start, end - start));
      if (slash == std::string::npos) return;
      end = slash;
    }
  }

  int find(const std::string& name, Entry& entry) {
    for (const UniqueFd& layer : levels_.back()) {
      struct statx info {};
      const long looked =
          sys::call(__NR_statx, layer.get(), name.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info);
      if (looked == -ENOENT) continue;
      if (looked < 0) return static_cast<int>(-looked);
      const uint32_t type = info.stx_mode & S_IFMT;
      const bool whiteout = type == S_IFCHR && info.stx_rdev_major == 0 && info.stx_rdev_minor == 0;
      if (type == S_IFDIR) {
        UniqueFd directory = open_directory(layer.get(), name.c_str());
        if (!directory.valid()) return EACCES;
        const bool opaque = is_opaque(directory.get());
        entry.directory.push_back(std::move(directory));
        if (opaque) return 0;
        continue;
      }
      if (entry.directory.empty() && !whiteout) {
        entry.in = &layer;
        entry.type = type;
      }
      return 0;
    }
    return 0;
  }

  // The kernel takes it from the attributes that an overlay of this user has (overlayfs.rst, "User
  // xattr").
  static bool is_opaque(int directory) {
    char value = '\0';
    const char* name = geteuid() == 0 ? "trusted.overlay.opaque" : "user.overlay.opaque";
    return fgetxattr(directory, name, &value, sizeof value) == 1 && value == 'y';
  }

  int follow(const UniqueFd& directory, const std::string& name) {
    if (++links_ > kMaxLinks) return ELOOP;
    char target[kMaxPath];
    const long size =
        sys::call(__NR_readlinkat, directory.get(), name.c_str(), target, sizeof target);
    if (size < 0) return static_cast<int>(-size);
    if (size == 0) return ENOENT;
    if (target[0] == '/') levels_.resize(1);
    push(std::string(target, static_cast<size_t>(size)));
    return 0;
  }

  const int own_descriptors_;
  std::vector<Directory> levels_;     // from the root to where the walk is
  std::vector<std::string> pending_;  // the next component last
  int links_ = 0;
};

}  // namespace

Result<RegularFile> open_merged(const std::vector<std::string>& layers, const std::string& path,
                                int own_descriptors, uint64_t limit) {
  Walk walk(own_descriptors);
  if (const int error = walk.enter(layers); error != 0) return Error{error, "openat"};
  return walk.open(path, limit);
}

}  // namespace caisson
