#include "tree_size.h"

#include <sys/stat.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../host/loop_device.h"
#include "../steps/directory.h"
#include "promise_work.h"

namespace caisson {
namespace {

using Inode = std::pair<uint64_t, uint64_t>;

Inode inode_of(const struct statx& info) {
  return {uint64_t{info.stx_dev_major} << 32 | info.stx_dev_minor, info.stx_ino};
}

// Walks by descriptors, since a name may be no text, a path may be longer than any that the kernel
// takes, and the container may be changing all of it. However deep the tree is, it takes two
// descriptors and no stack.
class Walk {
 public:
  uint64_t run(UniqueFd here) {
    if (here.valid()) enter(here.get());
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.pending.empty()) {
        levels_.pop_back();
        if (levels_.empty()) break;
        here = open_directory(here.get(), "..");
        struct statx info {};
        // Another process has moved it: its location is no longer known.
        if (!here.valid() || !look(here.get(), "", AT_EMPTY_PATH, info) ||
            inode_of(info) != levels_.back().inode)
          break;
        continue;
      }
      const std::string name = std::move(level.pending.back());
      level.pending.pop_back();
      UniqueFd child = open_directory(here.get(), name.c_str());
      if (!child.valid()) continue;
      enter(child.get());
      here = std::move(child);
    }
    return size_;
  }

 private:
  struct Level {
    Inode inode;
    std::vector<std::string> pending;  // directories in it
  };

  static bool look(int directory, const char* name, int flags, struct statx& info) {
    return sys::call(__NR_statx, directory, name, flags,
                     STATX_TYPE | STATX_SIZE | STATX_INO | STATX_NLINK, &info) == 0;
  }

  void enter(int directory) {
    struct statx info {};
    look(directory, "", AT_EMPTY_PATH, info);
    levels_.push_back({inode_of(info), {}});
    each_entry<(16 << 10)>(directory,
                           [&](const DirectoryEntry& entry) { count(directory, entry); });
  }

  void count(int directory, const DirectoryEntry& entry) {
    if (entry.type == DT_DIR) {
      levels_.back().pending.emplace_back(entry.name);
      return;
    }
    if (entry.type != DT_REG && entry.type != DT_UNKNOWN) return;
    struct statx info {};
    if (!look(directory, entry.name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, info)) return;
    if (S_ISDIR(info.stx_mode)) levels_.back().pending.emplace_back(entry.name);
    if (!S_ISREG(info.stx_mode)) return;
    if (info.stx_nlink > 1 && !seen_.insert(inode_of(info)).second) return;
    size_ += info.stx_size;
  }

  std::vector<Level> levels_;
  std::set<Inode> seen_;  // files with several names
  uint64_t size_ = 0;
};

// The file system in an image, in a mount that no other process sees. While a container runs the
// image is attached, and this is another mount of the same file system.
Result<UniqueFd> look_into(int image, const char* type) {
  constexpr uint64_t kPatience = 2000000000, kPause = 5000000;  // ns
  constexpr uint64_t kAttributes =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  // Between the two answers the container may have started, or its mounts may be just going.
  for (const uint64_t end = sys::monotonic() + kPatience;; sys::sleep(kPause)) {
    Status locked = lock_image(image);
    if (!locked.ok() && locked.error().number != EAGAIN) return locked.error();
    auto device = locked.ok() ? attach_image(image) : find_attached(image);
    if (device.ok()) {
      auto mount = mount_device(device.value(), type, nullptr, kAttributes);
      if (mount.ok() || locked.ok()) return mount;
    } else if (locked.ok()) {
      return device.error();
    }
    if (sys::monotonic() > end) return Error{EAGAIN, "flock"};
  }
}

// Bytes below a directory of the file system in an image.
uint64_t size_in_image(const std::string& path, const char* type, const char* directory) {
  const UniqueFd image(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDWR | O_CLOEXEC)));
  if (!image.valid()) return 0;
  auto mount = look_into(image.get(), type);
  if (!mount.ok()) return 0;
  return Walk().run(open_directory(mount.value().get(), directory));
}

class TreeSize : public PromiseWork {
 public:
  TreeSize(Napi::Env env, std::string path, std::string type, std::string directory)
      : PromiseWork(env, "caisson:tree-size"),
        path_(std::move(path)),
        type_(std::move(type)),
        directory_(std::move(directory)) {}

  void Execute() override {
    size_ = type_.empty() ? Walk().run(open_directory(AT_FDCWD, path_.c_str()))
                          : size_in_image(path_, type_.c_str(), directory_.c_str());
  }
  napi_value answer(Napi::Env env) override {
    return Napi::Number::New(env, static_cast<double>(size_));
  }

 private:
  std::string path_, type_, directory_;
  uint64_t size_ = 0;
};

}  // namespace

Napi::Value tree_size(const Napi::CallbackInfo& info) {
  const auto text = [&info](size_t index) {
    return info[index].IsString() ? info[index].As<Napi::String>().Utf8Value() : std::string();
  };
  return PromiseWork::start(std::make_unique<TreeSize>(info.Env(), text(0), text(1), text(2)));
}

}  // namespace caisson
