#include "look_along.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../base/sys.h"
#include "../base/unique_fd.h"
#include "elements.h"
#include "promise_work.h"

namespace caisson {
namespace {

// No path of the kernel's has more components.
constexpr int kMostLevels = PATH_MAX;

struct Seen {
  uint64_t device, inode, number;
  uint32_t mode, uid, gid, end;
};

class LookAlong : public PromiseWork {
 public:
  LookAlong(Napi::Env env, std::vector<std::string> paths)
      : PromiseWork(env, "caisson:look-along"), paths_(std::move(paths)) {}

  void Execute() override {
    for (const std::string& path : paths_) {
      found_ = look(path);
      if (!found_) return;
    }
  }

  napi_value answer(Napi::Env env) override {
    if (!found_) return env.Undefined();
    return Napi::Buffer<char>::Copy(env, bytes_.data(), bytes_.size());
  }

 private:
  bool look(const std::string& path) {
    UniqueFd here(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!here.valid()) return false;
    struct stat below {};
    if (!read_status(here.get(), below)) return false;
    add(below, false);
    if (!S_ISDIR(below.st_mode)) {
      here = parent_of_file(here.get());
      if (!here.valid() || !read_status(here.get(), below)) return false;
      add(below, false);
    }
    for (int level = 0; level < kMostLevels; ++level) {
      here = UniqueFd(openat(here.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
      struct stat status {};
      if (!here.valid() || !read_status(here.get(), status)) return false;
      const bool end = status.st_dev == below.st_dev && status.st_ino == below.st_ino;
      add(status, end);
      if (end) return true;
      below = status;
    }
    return false;
  }

  // By the kernel itself: the fstat of older releases of glibc is linked statically, with an errno
  // of its own. The C libraries declare the kernel's structure.
  static bool read_status(int file, struct stat& status) {
    return sys::call(__NR_fstat, file, &status) == 0;
  }

  // A file has no `..`.
  static UniqueFd parent_of_file(int file) {
    char path[PATH_MAX];
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    const ssize_t size = readlink(link.c_str(), path, sizeof path);
    if (size <= 0 || size == sizeof path || path[0] != '/') return UniqueFd();
    std::string parent(path, static_cast<size_t>(size));
    parent.resize(parent.rfind('/') + 1);
    return UniqueFd(open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  void add(const struct stat& status, bool end) {
    const Seen seen{status.st_dev,
                    status.st_ino,
                    status.st_rdev,
                    status.st_mode,
                    status.st_uid,
                    status.st_gid,
                    static_cast<uint32_t>(end)};
    bytes_.append(reinterpret_cast<const char*>(&seen), sizeof seen);
  }

  std::vector<std::string> paths_;
  std::string bytes_;
  bool found_ = true;
};

}  // namespace

Napi::Value look_along(const Napi::CallbackInfo& info) {
  auto paths = strings_of(info[0]);
  if (!paths) return {};
  return PromiseWork::start(std::make_unique<LookAlong>(info.Env(), *std::move(paths)));
}

}  // namespace caisson
