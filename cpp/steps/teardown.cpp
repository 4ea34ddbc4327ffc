#include "teardown.h"

#include <poll.h>

#include "../base/kernel.h"
#include "../base/text.h"
#include "../base/unique_fd.h"
#include "start_time.h"

namespace caisson {
namespace {

constexpr size_t kVictims = 64;
constexpr uint64_t kMillisecond = 1000000;
constexpr int kBusyAttempts = 2000;  // of one millisecond each
constexpr time_t kEndPatience = 5;   // seconds

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

// False where a cgroup of this kind has no such file.
bool write_file(int directory, const char* name, const char* value) {
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, directory, name, O_WRONLY | O_CLOEXEC)));
  if (!file.valid()) return false;
  return sys::call(__NR_write, file.get(), value, length(value)) >= 0;
}

// Reads a directory's entries; the callback gets all but `.` and `..`, until it says false.
template <class Callback>
long each_entry_while(int directory, Callback callback) {
  alignas(DirectoryEntry) char bytes[4096];
  sys::call(__NR_lseek, directory, 0, 0);
  for (;;) {
    const long n = sys::call(__NR_getdents64, directory, bytes, sizeof bytes);
    if (n == -ENOENT) return 0;  // somebody else has just removed it
    if (n <= 0) return n;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(bytes + at);
      at += entry->size;
      if (!is_dots(entry->name) && !callback(*entry)) return 0;
    }
  }
}

template <class Callback>
long each_entry(int directory, Callback callback) {
  return each_entry_while(directory, [&callback](const DirectoryEntry& entry) {
    callback(entry);
    return true;
  });
}

UniqueFd open_directory(int directory, const char* name) {
  return UniqueFd(static_cast<int>(
      sys::call(__NR_openat, directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
}

// The pids in a cgroup.procs, from its beginning.
template <class Callback>
void each_member(int file, Callback callback) {
  char bytes[1024];
  uint64_t pid = 0;
  sys::call(__NR_lseek, file, 0, 0);
  for (;;) {
    const long n = sys::call(__NR_read, file, bytes, sizeof bytes);
    if (n <= 0) return;
    for (long i = 0; i < n; ++i) {
      if (bytes[i] >= '0' && bytes[i] <= '9') {
        pid = pid * 10 + static_cast<uint64_t>(bytes[i] - '0');
      } else {
        if (pid > 1) callback(pid);
        pid = 0;
      }
    }
  }
}

// Ends what is in a cgroup: at once with all below it on v2; on v1 by pid, some at a time, with
// forks stopped first. The frozen take notice when they are thawed.
void kill_members(int directory) {
  if (write_file(directory, "cgroup.kill", "1")) return;
  write_file(directory, "pids.max", "0");
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, directory, "cgroup.procs", O_RDONLY | O_CLOEXEC)));
  if (!file.valid()) return;
  // Who is listed while we hold a pidfd of that number is that process, and not the number's next
  // user.
  struct {
    uint64_t pid = 0;
    UniqueFd pidfd;
  } victims[kVictims];
  size_t count = 0;
  each_member(file.get(), [&](uint64_t pid) {
    if (count == kVictims) return;
    const long pidfd = sys::call(__NR_pidfd_open, pid, 0);
    if (pidfd < 0) return;
    victims[count].pid = pid;
    victims[count++].pidfd.reset(static_cast<int>(pidfd));
  });
  if (count > 0)
    each_member(file.get(), [&](uint64_t pid) {
      for (size_t i = 0; i < count; ++i)
        if (victims[i].pid == pid)
          sys::call(__NR_pidfd_send_signal, victims[i].pidfd.get(), SIGKILL, nullptr, 0);
    });
  write_file(directory, "freezer.state", "THAWED");
}

bool has_children(int directory) {
  bool found = false;
  each_entry(directory, [&found](const DirectoryEntry& entry) { found |= entry.type == DT_DIR; });
  return found;
}

// Calls `visit` with a cgroup and all below it, parents first. However deep they are, it takes two
// descriptors and no memory: on the way up, a child is found again by its inode.
template <class Visit>
void each_cgroup(const char* path, Visit visit) {
  UniqueFd here = open_directory(AT_FDCWD, path);
  if (!here.valid() || !visit(here.get())) return;
  uint64_t after = 0;
  for (size_t depth = 0; here.valid();) {
    UniqueFd next;
    bool open = after == 0;
    each_entry(here.get(), [&](const DirectoryEntry& entry) {
      if (entry.type != DT_DIR || next.valid()) return;
      if (open) next = open_directory(here.get(), entry.name);
      open |= entry.inode == after;
    });
    if (next.valid()) {
      visit(next.get());
      here = static_cast<UniqueFd&&>(next);
      after = 0;
      ++depth;
      continue;
    }
    if (depth-- == 0) return;
    struct statx info {};
    sys::call(__NR_statx, here.get(), "", AT_EMPTY_PATH, STATX_INO, &info);
    after = info.stx_ino;
    here = open_directory(here.get(), "..");
  }
}

// The end of a cgroup, with those that the container has made in it.
class CgroupRemoval {
 public:
  explicit CgroupRemoval(const char* path) : path_(path) {}

  Status run(bool only_if_unused) {
    for (;;) {
      const long gone = remove(AT_FDCWD, path_);
      if (gone == 0 || gone == -ENOENT) return {};
      if (gone == -EBUSY && only_if_unused) return {};
      if (gone != -EBUSY) return failure(gone, "rmdir", path_);
      // Busy for a moment after the last process was reaped; longer only when some are alive.
      if (const UniqueFd top = open_directory(AT_FDCWD, path_); top.valid()) {
        kill_members(top.get());
        if (has_children(top.get())) empty(top.get());
      }
      if (!wait()) return failure(gone, "rmdir", path_);
    }
  }

 private:
  // Deepest first, with two descriptors: leaves go, and what is below a cgroup goes before it.
  void empty(int top) {
    UniqueFd here = open_directory(top, ".");
    for (size_t depth = 0; here.valid();) {
      UniqueFd next;
      bool busy = false;
      each_entry(here.get(), [&](const DirectoryEntry& entry) {
        if (entry.type != DT_DIR || next.valid()) return;
        if (remove(here.get(), entry.name) != -EBUSY) return;
        UniqueFd child = open_directory(here.get(), entry.name);
        if (!child.valid()) return;
        kill_members(child.get());
        if (has_children(child.get()))
          next = static_cast<UniqueFd&&>(child);
        else
          busy = true;
      });
      if (next.valid()) {
        here = static_cast<UniqueFd&&>(next);
        ++depth;
      } else if (busy) {
        if (!wait()) return;
      } else {
        if (depth-- == 0) return;
        here = open_directory(here.get(), "..");
      }
    }
  }

  long remove(int directory, const char* name) {
    const long gone = sys::call(__NR_unlinkat, directory, name, AT_REMOVEDIR);
    if (gone == 0) attempt_ = 0;
    return gone;
  }

  bool wait() {
    if (attempt_ == kBusyAttempts) return false;
    sys::sleep(attempt_++ < 20 ? kMillisecond / 10 : kMillisecond);
    return true;
  }

  const char* path_;
  int attempt_ = 0;  // since something was removed
};

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
    if (fd == -ENOENT) return;  // somebody else is cleaning up too
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

// And not one that may have others' below it.
bool removes_own_cgroup(const Step& step) {
  return step.op == Op::kCgroupRemove && step.number[0] == 0;
}

}  // namespace

Status remove_cgroup(const char* path, bool only_if_unused) {
  return CgroupRemoval(path).run(only_if_unused);
}

void end_frozen(const Program& program) {
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    if (!removes_own_cgroup(step)) continue;
    each_cgroup(program.text(step, 0), [](int directory) {
      if (sys::call(__NR_faccessat, directory, "freezer.state", 0) < 0) return false;
      kill_members(directory);
      return true;
    });
  }
}

bool has_cgroup(const Program& program) {
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i)
    if (removes_own_cgroup(program.step(Phase::kTeardown, i))) return true;
  return false;
}

void thaw(const Program& program) {
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    if (!removes_own_cgroup(step)) continue;
    const UniqueFd directory = open_directory(AT_FDCWD, program.text(step, 0));
    if (!directory.valid()) continue;
    write_file(directory.get(), "freezer.state", "THAWED");
    write_file(directory.get(), "cgroup.freeze", "0");
  }
}

bool is_frozen(const Program& program) {
  const auto begins_with = [](int directory, const char* name, char first) {
    const UniqueFd file(
        static_cast<int>(sys::call(__NR_openat, directory, name, O_RDONLY | O_CLOEXEC)));
    char byte = '\0';
    return file.valid() && sys::call(__NR_read, file.get(), &byte, 1) == 1 && byte == first;
  };
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    if (!removes_own_cgroup(step)) continue;
    const UniqueFd directory = open_directory(AT_FDCWD, program.text(step, 0));
    if (!directory.valid()) continue;
    // FROZEN or FREEZING, and not THAWED.
    if (begins_with(directory.get(), "freezer.state", 'F') ||
        begins_with(directory.get(), "cgroup.freeze", '1'))
      return true;
  }
  return false;
}

uint32_t count_oom_kills(int fd) {
  constexpr const char* kKey = "oom_kill ";
  char text[512];
  const long size = sys::call(__NR_pread64, fd, text, sizeof text - 1, 0);
  if (size <= 0) return 0;
  text[size] = '\0';
  for (const char* line = text; *line != '\0';) {
    const char* key = kKey;
    const char* at = line;
    while (*key != '\0' && *at == *key)
      ++at, ++key;
    uint64_t number = 0;
    if (*key == '\0' && parse_number(at, number)) return static_cast<uint32_t>(number);
    while (*line != '\0' && *line++ != '\n') {
    }
  }
  return 0;
}

namespace {

constexpr const char* kFirst = "the container's first process";

}  // namespace

Status end_process(uint64_t pid, uint64_t start_time) {
  const long opened = sys::call(__NR_pidfd_open, pid, 0);
  if (opened == -ESRCH) return {};
  if (opened < 0) return failure(opened, "pidfd_open", kFirst);
  const UniqueFd process(static_cast<int>(opened));
  Text<32> path;
  path.add("/proc/").add(pid).add("/stat");
  const UniqueFd stat(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (!stat.valid()) return {};
  // Whose it is while the descriptor is open.
  auto began = read_start_time(stat.get());
  if (!began.ok() || began.value() != start_time) return {};
  const long killed = sys::call(__NR_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  if (killed == -ESRCH) return {};
  if (killed < 0) return failure(killed, "pidfd_send_signal", kFirst);
  pollfd end{process.get(), POLLIN, 0};
  const timespec patience{kEndPatience, 0};
  if (sys::call(__NR_ppoll, &end, 1, &patience, nullptr, 0) > 0) return {};
  return failure(-EBUSY, "pidfd_send_signal", kFirst);
}

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

bool TreeTeardown::some(const Program& program, size_t most, TeardownResult& result) {
  for (; step_ < program.count(Phase::kTeardown); ++step_) {
    const Step& step = program.step(Phase::kTeardown, step_);
    if (step.op != Op::kTreeRemove) continue;
    Status status;
    if (removal_.some(program.text(step, 0), most, status)) return true;
    if (!status.ok() && result.status.ok()) {
      result.status = status;
      result.step = step_;
    }
  }
  return false;
}

TeardownResult run_teardown(const Program& program) {
  TeardownResult result = run_teardown_but_trees(program);
  TreeTeardown trees;
  while (trees.some(program, ~size_t{0}, result)) {
  }
  return result;
}

TeardownResult run_teardown_but_trees(const Program& program) {
  TeardownResult result;
  bool thawed = false;
  for (size_t i = 0; i < program.count(Phase::kTeardown); ++i) {
    const Step& step = program.step(Phase::kTeardown, i);
    if (step.op == Op::kTreeRemove) continue;
    const char* path = program.text(step, 0);
    // Who is frozen in one v1 hierarchy cannot be killed, and keeps the cgroups of all the others.
    if (removes_own_cgroup(step) && !thawed &&
        sys::call(__NR_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) == -EBUSY) {
      end_frozen(program);
      thawed = true;
    }
    Status status = step.op == Op::kCgroupRemove ? remove_cgroup(path, step.number[0] != 0)
                                                 : end_process(step.number[0], step.number[1]);
    if (!status.ok() && result.status.ok()) {
      result.status = status;
      result.step = i;
    }
  }
  return result;
}

}  // namespace caisson
