#include "tree_removal.h"

#include "../base/kernel.h"
#include "../base/text.h"
#include "directory.h"

namespace caisson {
namespace {

// Clears chattr(1)'s +i and +a, which only a process with CAP_LINUX_IMMUTABLE can have set.
void clear_flags(int fd) {
  int flags = 0;
  if (sys::call(__NR_ioctl, fd, FS_IOC_GETFLAGS, &flags) < 0) return;
  flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
  sys::call(__NR_ioctl, fd, FS_IOC_SETFLAGS, &flags);
}

// The same by name, for files and directories: opening anything else may have effects.
void clear_flags(int directory, const char* name) {
  struct statx info {};
  const long got = sys::call(__NR_statx, directory, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info);
  const uint32_t type = info.stx_mode & S_IFMT;
  if (got < 0 || (type != S_IFREG && type != S_IFDIR)) return;
  const UniqueFd fd(static_cast<int>(sys::call(
      __NR_openat, directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)));
  if (fd.valid()) clear_flags(fd.get());
}

long remove_entry(int directory, const char* name) {
  for (int attempt = 0;; ++attempt) {
    long gone = sys::call(__NR_unlinkat, directory, name, 0);
    if (gone == -EISDIR) gone = sys::call(__NR_unlinkat, directory, name, AT_REMOVEDIR);
    if (gone != -EPERM || attempt > 0) return gone == -EEXIST ? -ENOTEMPTY : gone;
    clear_flags(directory);
    clear_flags(directory, name);
  }
}

// Empties one directory without ever being more than two levels deep: what is in a directory that
// is not empty is moved up into `top` and dealt with there. So depth costs neither stack nor
// descriptors.
class Emptying {
 public:
  // `serial` is that of the last name that was given to what was lifted into `top`.
  Emptying(int top, const char* path, size_t most, uint64_t& serial)
      : top_(top), path_(path), left_(most), serial_(serial) {}

  // As much was changed as may be: there may be more.
  bool stopped() const { return left_ == 0; }

  // Each round removes or lifts what it sees, whatever of it fails: one file that cannot be removed
  // must not keep all others, and a full disk has room for a rename once something is gone. Ends
  // when a round sees nothing, or changes nothing. Only what is changed counts against `most`: what
  // cannot be removed is seen again in each round, and must not end it before the rest.
  Status run() {
    for (;;) {
      failed_ = {};
      progress_ = seen_ = false;
      const long read = each_entry_while(top_, [this](const DirectoryEntry& entry) {
        remove(entry);
        return !stopped();
      });
      if (stopped()) return {};
      if (read < 0) return failure(read, "getdents64", path_);
      if (!seen_) return {};
      if (!progress_) return failed_.ok() ? failure(-ENOTEMPTY, "unlinkat", path_) : failed_;
    }
  }

 private:
  void remove(const DirectoryEntry& entry) {
    const long gone = remove_entry(top_, entry.name);
    if (gone == -ENOENT) return;
    seen_ = true;
    if (gone == 0)
      changed();
    else if (gone == -ENOTEMPTY)
      lift_children(entry.name);
    else
      note(gone, "unlinkat");
  }

  void lift_children(const char* name) {
    const long fd =
        sys::call(__NR_openat, top_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -ENOENT) return;  // another process is cleaning up too
    if (fd < 0) return note(fd, "openat");
    const UniqueFd child(static_cast<int>(fd));
    const long read = each_entry_while(child.get(), [this, &child](const DirectoryEntry& entry) {
      long gone = remove_entry(child.get(), entry.name);
      if (gone == -ENOTEMPTY) gone = lift(child.get(), entry.name);
      if (gone == 0)
        changed();
      else if (gone != -ENOENT)
        note(gone, "unlinkat");
      return !stopped();
    });
    if (read < 0) note(read, "getdents64");
  }

  long lift(int child, const char* name) {
    for (bool cleared = false;;) {
      Text<32> free_name;
      free_name.add("~").add(++serial_);
      const long moved =
          sys::call(__NR_renameat2, child, name, top_, free_name.c_str(), RENAME_NOREPLACE);
      if (moved == -EEXIST) continue;
      if (moved != -EPERM || cleared) return moved;
      cleared = true;
      clear_flags(top_);
      clear_flags(child);
      clear_flags(child, name);
    }
  }

  void changed() {
    progress_ = true;
    --left_;
  }

  void note(long result, const char* call) {
    if (failed_.ok()) failed_ = failure(result, call, path_);
  }

  int top_;
  const char* path_;
  size_t left_;
  uint64_t& serial_;
  bool seen_ = false;
  bool progress_ = false;
  Status failed_;
};

}  // namespace

bool TreeRemoval::some(const char* path, size_t most, Status& status) {
  status = {};
  if (!top_.valid()) {
    const long fd =
        sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -ENOENT) return false;
    if (fd < 0) {
      status = failure(fd, "openat", path);
      return false;
    }
    top_.reset(static_cast<int>(fd));
  }
  Emptying emptying(top_.get(), path, most, serial_);
  status = emptying.run();
  if (emptying.stopped()) return true;
  top_.reset();
  if (!status.ok()) return false;
  const long gone = remove_entry(AT_FDCWD, path);
  if (gone != -ENOENT) status = check(gone, "rmdir", path);
  return false;
}

Status remove_tree(const char* path) {
  TreeRemoval removal;
  Status status;
  while (removal.some(path, ~size_t{0}, status)) {
  }
  return status;
}

}  // namespace caisson
