// fd.dup, pipe.make, cgroup.make, cgroup.write

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "host_machine.h"

namespace caisson::steps {
namespace {

constexpr size_t kMaxPath = 4096;

bool is_end(char c) {
  return c == ' ' || c == '\n' || c == '\0';
}

// Whether the file has each of the words, which have a '+' before them.
bool has_words(const char* path, const char* words) {
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC)));
  if (!file.valid()) return false;
  char bytes[1024];
  const long size = sys::call(__NR_read, file.get(), bytes, sizeof bytes - 1);
  if (size < 0) return false;
  bytes[size] = '\0';
  while (*words != '\0') {
    const char* word = ++words;
    while (!is_end(*words))
      ++words;
    bool found = false;
    for (const char* at = bytes; *at != '\0' && !found;) {
      const char* start = at;
      while (!is_end(*at))
        ++at;
      found = at - start == words - word &&
              __builtin_memcmp(start, word, static_cast<size_t>(words - word)) == 0;
      if (*at != '\0') ++at;
    }
    if (!found) return false;
    if (*words != '\0') ++words;
  }
  return true;
}

// A parent that was made again gets what the one above it has, as the parent had that was removed:
// a cpuset of cgroup v1 takes no process before it has processors and memory, nor do those that are
// made in it; in cgroup v2 those in it have the controllers that it passes on.
void fill_parent(const char* cgroup) {
  const auto open_in = [cgroup](const char* place, const char* file, int flags) {
    Text<kMaxPath> path;
    path.add(cgroup).add(place).add(file);
    return own_fd(sys::call(__NR_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC), "openat",
                  file);
  };
  constexpr const char* kFiles[] = {"cpuset.cpus", "cpuset.mems", "cgroup.subtree_control"};
  for (const char* file : kFiles) {
    auto above = open_in("/../", file, O_RDONLY), own = open_in("/", file, O_WRONLY);
    if (!above.ok() || !own.ok()) continue;
    char list[4096];
    const long size = sys::call(__NR_read, above.value().get(), list, sizeof list - 1);
    if (size <= 0) continue;
    list[size] = '\0';
    if (file != kFiles[2]) {
      sys::call(__NR_write, own.value().get(), list, size);
      continue;
    }
    // One by one: a controller that cannot be passed on leaves the others.
    for (const char* word = list; *word != '\0';) {
      const char* end = word;
      while (!is_end(*end))
        ++end;
      Text<64> enabled;
      enabled.add("+").add(word, static_cast<size_t>(end - word));
      sys::call(__NR_write, own.value().get(), enabled.c_str(), enabled.size());
      word = *end == '\0' ? end : end + 1;
    }
  }
  if (auto clone = open_in("/", "cgroup.clone_children", O_WRONLY); clone.ok())
    sys::call(__NR_write, clone.value().get(), "1", 1);
}

}  // namespace

Status fd_dup(Machine& machine, const Step& step) {
  auto copy = own_fd(sys::call(__NR_fcntl, step.number[0], F_DUPFD_CLOEXEC, 3),
                     "fcntl F_DUPFD_CLOEXEC", nullptr);
  if (!copy.ok()) return copy.error();
  machine.fill(step, 0, copy.value().release());
  return {};
}

// Slot 0 is the container's end, slot 1 Node's (non-blocking). number: whether the container
// writes, and the owner's uid and gid, without which the container could not open /dev/stdout
// again.
Status pipe_make(Machine& machine, const Step& step) {
  int ends[2];
  if (const long made = sys::call(__NR_pipe2, ends, O_CLOEXEC); made < 0)
    return failure(made, "pipe2");
  const bool container_writes = step.number[0] != 0;
  const int inside = ends[container_writes ? 1 : 0], outside = ends[container_writes ? 0 : 1];
  machine.fill(step, 0, inside);
  machine.fill(step, 1, outside);
  if (const long owned = sys::call(__NR_fchown, inside, step.number[1], step.number[2]); owned < 0)
    return failure(owned, "fchown", "a pipe");
  const long flags = sys::call(__NR_fcntl, outside, F_GETFL);
  return check(sys::call(__NR_fcntl, outside, F_SETFL, flags | O_NONBLOCK), "fcntl F_SETFL",
               "a pipe");
}

// number: may exist already.
Status cgroup_make(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  long made = sys::call(__NR_mkdirat, AT_FDCWD, path, 0755);
  if (made == -ENOENT) {
    // The parent, which all containers share, goes with the last of them.
    Text<kMaxPath> parent;
    size_t end = length(path);
    while (end > 0 && path[end - 1] != '/')
      --end;
    parent.add(path, end == 0 ? 0 : end - 1);
    if (sys::call(__NR_mkdirat, AT_FDCWD, parent.c_str(), 0755) >= 0) fill_parent(parent.c_str());
    made = sys::call(__NR_mkdirat, AT_FDCWD, path, 0755);
  }
  if (made == -EEXIST && step.number[0] != 0) return {};
  return check(made, "mkdir", path);
}

// Each line of the text is a write of its own, as files like devices.allow and io.max want it.
// number: the text is "+word +word …", and nothing is written to a file that has all the words.
Status cgroup_write(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  if (step.number[0] != 0 && has_words(path, machine.text(step, 1))) return {};
  auto file = own_fd(sys::call(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), "openat", path);
  if (!file.ok()) return file.error();
  for (const char* line = machine.text(step, 1);;) {
    const char* end = line;
    while (*end != '\0' && *end != '\n')
      ++end;
    const long written = sys::call(__NR_write, file.value().get(), line, end - line);
    if (written < 0) return failure(written, "write", path);
    if (*end == '\0') return {};
    line = end + 1;
  }
}

}  // namespace caisson::steps
