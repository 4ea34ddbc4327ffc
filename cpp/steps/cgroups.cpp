#include "cgroups.h"

#include "../base/kernel.h"
#include "../base/text.h"
#include "directory.h"

namespace caisson {
namespace {

constexpr size_t kVictims = 64;
constexpr uint64_t kMillisecond = 1000000;
constexpr int kBusyAttempts = 2000;  // of one millisecond each

// False where a cgroup of this kind has no such file.
bool write_file(int directory, const char* name, const char* value) {
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, directory, name, O_WRONLY | O_CLOEXEC)));
  if (!file.valid()) return false;
  return sys::call(__NR_write, file.get(), value, length(value)) >= 0;
}

bool begins_with(int directory, const char* name, char first) {
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, directory, name, O_RDONLY | O_CLOEXEC)));
  char byte = '\0';
  return file.valid() && sys::call(__NR_read, file.get(), &byte, 1) == 1 && byte == first;
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
// forks stopped first. Frozen processes end when they are thawed.
void kill_members(int directory) {
  if (write_file(directory, "cgroup.kill", "1")) return;
  write_file(directory, "pids.max", "0");
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, directory, "cgroup.procs", O_RDONLY | O_CLOEXEC)));
  if (!file.valid()) return;
  // A pid that is still listed while this holds a pidfd of it belongs to that process, and not to a
  // later one with the same number.
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

}  // namespace

Status remove_cgroup(const char* path, bool only_if_unused) {
  return CgroupRemoval(path).run(only_if_unused);
}

void kill_frozen(const char* path) {
  each_cgroup(path, [](int directory) {
    if (sys::call(__NR_faccessat, directory, "freezer.state", 0) < 0) return false;
    kill_members(directory);
    return true;
  });
}

void kill_cgroup(const char* path) {
  each_cgroup(path, [](int directory) {
    kill_members(directory);
    return true;
  });
}

void thaw_cgroup(const char* path) {
  const UniqueFd directory = open_directory(AT_FDCWD, path);
  if (!directory.valid()) return;
  write_file(directory.get(), "freezer.state", "THAWED");
  write_file(directory.get(), "cgroup.freeze", "0");
}

bool is_frozen_cgroup(const char* path) {
  const UniqueFd directory = open_directory(AT_FDCWD, path);
  // FROZEN or FREEZING, and not THAWED.
  return directory.valid() && (begins_with(directory.get(), "freezer.state", 'F') ||
                               begins_with(directory.get(), "cgroup.freeze", '1'));
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

}  // namespace caisson
