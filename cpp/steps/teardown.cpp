#include "teardown.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "../base/text.h"
#include "../base/unique_fd.h"

namespace caisson {
namespace {

constexpr int kNotPermitted = 1, kNotFound = 2, kBusy = 16, kExists = 17, kIsDirectory = 21,
              kNotEmpty = 39;
constexpr uint32_t kTypeMask = 0170000, kFileType = 0100000, kDirectoryType = 0040000;
constexpr int kKill = 9;
constexpr uint64_t kMillisecond = 1000000;
constexpr int kBusyAttempts = 2000;      // of one millisecond each
constexpr int kRemoveDirectory = 0x200;  // AT_REMOVEDIR
constexpr uint8_t kDirectoryEntry = 4;   // DT_DIR

struct DirectoryEntry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

bool is_dots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

void write_file(int directory, const char* name, const char* value) {
  const long fd = sys::call(__NR_openat, directory, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;  // not a file of this hierarchy
  sys::call(__NR_write, fd, value, length(value));
  sys::close(static_cast<int>(fd));
}

// Ends everything in a cgroup: at once on v2; on v1 by pid, with forks stopped first. The frozen
// take notice when they are thawed.
void kill_members(int directory) {
  write_file(directory, "cgroup.kill", "1");
  write_file(directory, "pids.max", "0");
  const long fd = sys::call(__NR_openat, directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  UniqueFd file(static_cast<int>(fd));
  char bytes[4096];
  uint64_t pid = 0;
  bool inside = false;
  for (;;) {
    const long n = sys::call(__NR_read, file.get(), bytes, sizeof bytes);
    if (n <= 0) break;
    for (long i = 0; i < n; ++i) {
      if (bytes[i] >= '0' && bytes[i] <= '9') {
        pid = pid * 10 + static_cast<uint64_t>(bytes[i] - '0');
        inside = true;
      } else {
        if (inside && pid > 1) sys::call(__NR_kill, static_cast<long>(pid), kKill);
        pid = 0;
        inside = false;
      }
    }
  }
  write_file(directory, "freezer.state", "THAWED");
}

// The first directory in `parent`; false when there is none.
bool first_directory(int parent, Text<256>& name) {
  alignas(DirectoryEntry) char bytes[4096];
  for (;;) {
    const long n = sys::call(__NR_getdents64, parent, bytes, sizeof bytes);
    if (n <= 0) return false;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(bytes + at);
      at += entry->size;
      if (entry->type != kDirectoryEntry || is_dots(entry->name)) continue;
      name.clear();
      name.add(entry->name);
      return true;
    }
  }
}

// Ends and removes the cgroups that a container has made below its own, the deepest first, with two
// descriptors at any depth. Stops at one that is still busy.
void clear_below(int top) {
  for (;;) {
    UniqueFd here, parent;
    Text<256> name;
    int at = top;
    for (;;) {
      // A descriptor of its own for each look, because reading a directory moves on in it.
      const long list = sys::call(__NR_openat, at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (list < 0) return;
      UniqueFd listed(static_cast<int>(list));
      Text<256> child;
      if (!first_directory(listed.get(), child)) break;
      const long fd = sys::call(__NR_openat, at, child.c_str(),
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0) return;
      name = child;
      parent = static_cast<UniqueFd&&>(listed);
      here.reset(static_cast<int>(fd));
      at = here.get();
    }
    if (!here.valid()) return;
    kill_members(here.get());
    if (sys::call(__NR_unlinkat, parent.get(), name.c_str(), kRemoveDirectory) < 0) return;
  }
}

// Undoes chattr(1) +i and +a, which only somebody very privileged can have set.
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
  const uint32_t type = info.stx_mode & kTypeMask;
  if (got < 0 || (type != kFileType && type != kDirectoryType)) return;
  const UniqueFd fd(static_cast<int>(sys::call(
      __NR_openat, directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)));
  if (fd.valid()) clear_flags(fd.get());
}

long remove_entry(int directory, const char* name) {
  for (int attempt = 0;; ++attempt) {
    long gone = sys::call(__NR_unlinkat, directory, name, 0);
    if (gone == -kIsDirectory) gone = sys::call(__NR_unlinkat, directory, name, kRemoveDirectory);
    if (gone != -kNotPermitted || attempt > 0) return gone == -kExists ? -kNotEmpty : gone;
    clear_flags(directory);
    clear_flags(directory, name);
  }
}

// Reads a directory's entries; the callback gets each name but `.` and `..`.
template <class Callback>
long each_entry(int directory, Callback callback) {
  alignas(DirectoryEntry) char bytes[4096];
  sys::call(__NR_lseek, directory, 0, 0);
  for (;;) {
    const long n = sys::call(__NR_getdents64, directory, bytes, sizeof bytes);
    if (n <= 0) return n;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(bytes + at);
      at += entry->size;
      if (!is_dots(entry->name)) callback(*entry);
    }
  }
}

// Empties one directory without ever being more than two levels deep: what is in a directory that
// is not empty is moved up into `top` and dealt with there. So depth costs neither stack nor
// descriptors.
class Emptying {
 public:
  Emptying(int top, const char* path) : top_(top), path_(path) {}

  // Each round removes or lifts what it sees, whatever of it fails: one file that cannot be removed
  // must not keep all others, and a full disk has room for a rename once something is gone. Ends
  // when a round sees nothing, or changes nothing.
  Status run() {
    for (;;) {
      failed_ = {};
      progress_ = seen_ = false;
      const long read = each_entry(top_, [this](const DirectoryEntry& entry) { remove(entry); });
      if (read < 0) return failure(read, "getdents64", path_);
      if (!seen_) return {};
      if (!progress_) return failed_.ok() ? failure(-kNotEmpty, "unlinkat", path_) : failed_;
    }
  }

 private:
  void remove(const DirectoryEntry& entry) {
    const long gone = remove_entry(top_, entry.name);
    if (gone == -kNotFound) return;
    seen_ = true;
    if (gone == 0)
      progress_ = true;
    else if (gone == -kNotEmpty)
      lift_children(entry.name);
    else
      note(gone, "unlinkat");
  }

  void lift_children(const char* name) {
    const long fd =
        sys::call(__NR_openat, top_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -kNotFound) return;  // somebody else is cleaning up too
    if (fd < 0) return note(fd, "openat");
    const UniqueFd child(static_cast<int>(fd));
    const long read = each_entry(child.get(), [this, &child](const DirectoryEntry& entry) {
      long gone = remove_entry(child.get(), entry.name);
      if (gone == -kNotEmpty) gone = lift(child.get(), entry.name);
      if (gone == 0)
        progress_ = true;
      else if (gone != -kNotFound)
        note(gone, "unlinkat");
    });
    if (read < 0) note(read, "getdents64");
  }

  long lift(int child, const char* name) {
    for (bool cleared = false;;) {
      Text<32> free_name;
      free_name.add("~").add(++serial_);
      const long moved =
          sys::call(__NR_renameat2, child, name, top_, free_name.c_str(), 1 /* RENAME_NOREPLACE */);
      if (moved == -kExists) continue;
      if (moved != -kNotPermitted || cleared) return moved;
      cleared = true;
      clear_flags(top_);
      clear_flags(child);
      clear_flags(child, name);
    }
  }

  void note(long result, const char* call) {
    if (failed_.ok()) failed_ = failure(result, call, path_);
  }

  int top_;
  const char* path_;
  uint64_t serial_ = 0;
  bool seen_ = false;
  bool progress_ = false;
  Status failed_;
};

}  // namespace

Status remove_cgroup(const char* path, bool only_if_unused) {
  for (int attempt = 0;; ++attempt) {
    const long gone = sys::call(__NR_unlinkat, AT_FDCWD, path, kRemoveDirectory);
    if (gone == 0 || gone == -kNotFound) return {};
    if (gone == -kBusy && only_if_unused) return {};
    if (gone != -kBusy || attempt == kBusyAttempts) return failure(gone, "rmdir", path);
    // Busy for a moment after the last process was reaped; longer only when some are alive.
    const long fd = sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
      UniqueFd directory(static_cast<int>(fd));
      kill_members(directory.get());
      clear_below(directory.get());
    }
    sys::sleep(attempt < 20 ? kMillisecond / 10 : kMillisecond);
  }
}

void end_frozen(const Program& program) {
  for (size_t i = 0; i < program.count(Half::kTeardown); ++i) {
    const Step& step = program.step(Half::kTeardown, i);
    if (step.op != Op::kCgroupRemove || step.number[0] != 0) continue;
    const long fd =
        sys::call(__NR_openat, AT_FDCWD, program.text(step, 0), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) continue;
    UniqueFd directory(static_cast<int>(fd));
    if (sys::call(__NR_faccessat, directory.get(), "freezer.state", 0) < 0) continue;
    kill_members(directory.get());
    clear_below(directory.get());
  }
}

Status remove_tree(const char* path) {
  const long fd =
      sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd == -kNotFound) return {};
  if (fd < 0) return failure(fd, "openat", path);
  const UniqueFd top(static_cast<int>(fd));
  if (Status emptied = Emptying(top.get(), path).run(); !emptied.ok()) return emptied;
  const long gone = remove_entry(AT_FDCWD, path);
  if (gone == -kNotFound) return {};
  return check(gone, "rmdir", path);
}

TeardownResult run_teardown(const Program& program) {
  TeardownResult result;
  for (size_t i = 0; i < program.count(Half::kTeardown); ++i) {
    const Step& step = program.step(Half::kTeardown, i);
    const char* path = program.text(step, 0);
    Status status =
        step.op == Op::kCgroupRemove ? remove_cgroup(path, step.number[0] != 0) : remove_tree(path);
    if (!status.ok() && result.status.ok()) {
      result.status = status;
      result.step = i;
    }
  }
  return result;
}

}  // namespace caisson
