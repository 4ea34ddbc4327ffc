#include "teardown.h"

#include <fcntl.h>

#include "../base/text.h"
#include "../base/unique_fd.h"

namespace caisson {
namespace {

constexpr int kNotFound = 2, kBusy = 16, kExists = 17, kIsDirectory = 21, kNotEmpty = 39;
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

// Empties the directory `top` without ever being more than two levels deep: a directory that is not
// empty is renamed into `top` and dealt with there. So depth costs neither stack nor descriptors.
Status empty_directory(int top, const char* path) {
  uint64_t serial = 0;
  alignas(DirectoryEntry) char bytes[8192];
  // Each round removes or lifts everything that it sees; the loop ends when a round sees nothing.
  for (;;) {
    bool seen = false;
    sys::call(__NR_lseek, top, 0, 0);
    for (;;) {
      const long n = sys::call(__NR_getdents64, top, bytes, sizeof bytes);
      if (n < 0) return failure(n, "getdents64", path);
      if (n == 0) break;
      for (long at = 0; at < n;) {
        auto* entry = reinterpret_cast<DirectoryEntry*>(bytes + at);
        at += entry->size;
        if (is_dots(entry->name)) continue;
        seen = true;
        long gone = sys::call(__NR_unlinkat, top, entry->name, 0);
        if (gone == -kIsDirectory)
          gone = sys::call(__NR_unlinkat, top, entry->name, kRemoveDirectory);
        if (gone == 0 || gone == -kNotFound) continue;
        if (gone != -kNotEmpty && gone != -kExists) return failure(gone, "unlinkat", path);

        // Lift the children of this directory into `top`, then remove it.
        const long fd = sys::call(__NR_openat, top, entry->name,
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd == -kNotFound) continue;  // somebody else is cleaning up too
        if (fd < 0) return failure(fd, "openat", path);
        UniqueFd child(static_cast<int>(fd));
        alignas(DirectoryEntry) char inner[4096];
        for (;;) {
          const long m = sys::call(__NR_getdents64, child.get(), inner, sizeof inner);
          if (m < 0) return failure(m, "getdents64", path);
          if (m == 0) break;
          for (long i = 0; i < m;) {
            auto* grandchild = reinterpret_cast<DirectoryEntry*>(inner + i);
            i += grandchild->size;
            if (is_dots(grandchild->name)) continue;
            long result = sys::call(__NR_unlinkat, child.get(), grandchild->name, 0);
            if (result == -kIsDirectory)
              result = sys::call(__NR_unlinkat, child.get(), grandchild->name, kRemoveDirectory);
            while (result == -kNotEmpty || result == -kExists) {
              Text<32> name;
              name.add("~").add(++serial);
              result = sys::call(__NR_renameat2, child.get(), grandchild->name, top, name.c_str(),
                                 1 /* RENAME_NOREPLACE */);
            }
            if (result < 0 && result != -kNotFound) return failure(result, "unlinkat", path);
          }
        }
      }
    }
    if (!seen) return {};
  }
}

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
  UniqueFd top(static_cast<int>(fd));
  if (Status emptied = empty_directory(top.get(), path); !emptied.ok()) return emptied;
  const long gone = sys::call(__NR_unlinkat, AT_FDCWD, path, kRemoveDirectory);
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
