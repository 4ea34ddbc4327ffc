// Copy-up: an empty volume gets what the container's root has at its mount point, as Docker does.
//
// The container phase does it, before the volume is attached: with the rights that the container
// has over its own files, and no others. The files of the image and those of the volume, which
// other containers may have mounted, are reached by descriptors alone; no link of either is
// followed. Devices are not copied, and what is no regular file or directory is not read.
#include "../base/kernel.h"
#include "../base/text.h"
#include "../steps/directory.h"
#include "../steps/resolve.h"
#include "container_steps.h"
#include "hard_links.h"

namespace caisson::steps {
namespace {

// On the root of a volume: kFilling while it is filled, then the id of the container that was the
// last one to find it empty. So a start that was killed is continued by the next one, and a
// container that has emptied its volume finds it empty when it is restarted.
constexpr const char* kMark = "user.caisson.copy-up";
constexpr const char* kFilling = "filling";

constexpr size_t kMaxPath = 4096;
constexpr unsigned kMaxDepth = 256;  // two descriptors for each level
constexpr size_t kEntryRoom = 2048;  // of each level, on the stack
constexpr size_t kRoom = 65536;      // XATTR_LIST_MAX, XATTR_SIZE_MAX
constexpr uint64_t kLockPatience = 10'000'000'000;
constexpr uint64_t kLockPause = 10'000'000;
constexpr int kExclusive = 2, kNoWait = 4;   // LOCK_EX, LOCK_NB: flock(2)
constexpr int kSeekData = 3, kSeekHole = 4;  // lseek(2)
constexpr uint32_t kPermissions = 07777;

// Of the process, which fills one volume after the other.
char names[kRoom];
char value[kRoom];

bool begins_with(const char* text, const char* start) {
  while (*start != '\0')
    if (*text++ != *start++) return false;
  return true;
}

// Those of overlay describe layers, and labels come from the policy.
bool is_copied(const char* name) {
  return !begins_with(name, "trusted.") && !begins_with(name, "user.overlay.") &&
         !equal(name, "security.selinux") && !equal(name, kMark);
}

struct Times {
  int64_t access_seconds, access_nanoseconds, change_seconds, change_nanoseconds;
};

Times times_of(const struct statx& info) {
  return {info.stx_atime.tv_sec, info.stx_atime.tv_nsec, info.stx_mtime.tv_sec,
          info.stx_mtime.tv_nsec};
}

// What a file system cannot store is left out.
void copy_extended_attributes(int from, int to) {
  const long size = sys::call(__NR_flistxattr, from, names, sizeof names);
  for (long at = 0; at < size; at += static_cast<long>(length(names + at)) + 1) {
    if (!is_copied(names + at)) continue;
    const long got = sys::call(__NR_fgetxattr, from, names + at, value, sizeof value);
    if (got >= 0) sys::call(__NR_fsetxattr, to, names + at, value, got, 0);
  }
}

long copy_buffer(int from, int to, uint64_t at, uint64_t most) {
  const size_t room = most < sizeof value ? static_cast<size_t>(most) : sizeof value;
  const long got = sys::call(__NR_pread64, from, value, room, at);
  for (long done = 0; done < got;) {
    const long put = sys::call(__NR_pwrite64, to, value + done, static_cast<size_t>(got - done),
                               at + static_cast<uint64_t>(done));
    if (put < 0) return put;
    done += put;
  }
  return got;
}

// A path that grows and shrinks with the descent.
class Trail {
 public:
  bool push(const char* name) {
    const size_t more = length(name);
    if (size_ + more + 2 > sizeof bytes_) return false;
    if (size_ > 0) bytes_[size_++] = '/';
    for (size_t at = 0; at < more; ++at)
      bytes_[size_++] = name[at];
    bytes_[size_] = '\0';
    return true;
  }
  void shorten(size_t size) { bytes_[size_ = size] = '\0'; }
  size_t size() const { return size_; }
  const char* c_str() const { return bytes_; }

 private:
  char bytes_[kMaxPath] = {};
  size_t size_ = 0;
};

class Filling {
 public:
  // `again`: an earlier start was killed; what it has left is replaced.
  Filling(int volume, const char* path, bool again) : volume_(volume), path_(path), again_(again) {}

  Status run(int source) {
    Status copied = copy_entries(source, volume_, 0);
    if (!copied.ok()) return copied;
    struct statx info {};
    const long known = sys::call(__NR_statx, source, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &info);
    if (known < 0) return failed(known, "statx");
    return copy_attributes(source, volume_, info);
  }

 private:
  Status failed(long result, const char* call) const { return failure(result, call, path_); }

  Status copy_entries(int from, int to, unsigned depth) {
    if (depth == kMaxDepth) return failed(-ELOOP, "openat");
    Status status;
    const size_t before = trail_.size();
    const long read = each_entry_while<kEntryRoom>(from, [&](const DirectoryEntry& entry) {
      if (!trail_.push(entry.name))
        status = failed(-ENAMETOOLONG, "openat");
      else
        status = copy_entry(from, to, entry.name, depth);
      trail_.shorten(before);
      return status.ok();
    });
    if (status.ok() && read < 0) return failed(read, "getdents64");
    return status;
  }

  Status copy_entry(int from, int to, const char* name, unsigned depth) {
    struct statx info {};
    const long known =
        sys::call(__NR_statx, from, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &info);
    if (known < 0) return failed(known, "statx");
    switch (info.stx_mode & S_IFMT) {
      case S_IFDIR:
        return copy_directory(from, to, name, info, depth);
      case S_IFREG:
        return copy_file(from, to, name, info);
      case S_IFLNK:
        return copy_link(from, to, name, info);
      case S_IFIFO:
        return copy_fifo(to, name, info);
      default:
        return {};
    }
  }

  // `make` makes something by a system call, whose result it returns. What another container has
  // made of that name stays, and is no error: then the result is -EEXIST.
  template <class Make>
  long make_new(int to, const char* name, Make make) {
    const long result = make();
    if (result != -EEXIST || !again_) return result;
    sys::call(__NR_unlinkat, to, name, 0);
    return make();
  }

  Status copy_directory(int from, int to, const char* name, const struct statx& info,
                        unsigned depth) {
    const long made = sys::call(__NR_mkdirat, to, name, 0700);
    if (made < 0 && made != -EEXIST) return failed(made, "mkdirat");
    const UniqueFd source = open_directory(from, name);
    if (!source.valid()) return failed(-EIO, "openat");
    const UniqueFd copy = open_directory(to, name);
    if (!copy.valid()) return {};  // what another container has made
    if (Status copied = copy_entries(source.get(), copy.get(), depth + 1); !copied.ok())
      return copied;
    return copy_attributes(source.get(), copy.get(), info);
  }

  Status copy_file(int from, int to, const char* name, const struct statx& info) {
    const bool linked = info.stx_nlink > 1;
    if (linked && link_to_copy(info, to, name)) return {};
    const UniqueFd source(static_cast<int>(sys::call(
        __NR_openat, from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)));
    if (!source.valid()) return failed(-EIO, "openat");
    const long made = make_new(to, name, [&] {
      return sys::call(__NR_openat, to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       0600);
    });
    if (made == -EEXIST) return {};
    if (made < 0) return failed(made, "openat");
    const UniqueFd copy(static_cast<int>(made));
    Status copied = copy_data(source.get(), copy.get(), info.stx_size);
    if (copied.ok()) copied = copy_attributes(source.get(), copy.get(), info);
    if (copied.ok() && linked) links_.add(info, trail_.c_str());
    return copied;
  }

  // Another name for a file that was copied before; false: there is none, and it has to be copied.
  bool link_to_copy(const struct statx& info, int to, const char* name) {
    const char* first = links_.find(info);
    if (first == nullptr) return false;
    const char* last = first;
    for (const char* at = first; *at != '\0'; ++at)
      if (*at == '/') last = at + 1;
    Text<kMaxPath> parent;
    parent.add(first, static_cast<size_t>(last - first));
    if (parent.size() == 0) parent.add(".");
    auto directory = open_below(volume_, parent.c_str(), O_PATH | O_DIRECTORY, Follow::kNoLinks);
    if (!directory.ok()) return false;
    const int in = directory.value().get();
    return make_new(to, name, [&] { return sys::call(__NR_linkat, in, last, to, name, 0); }) >= 0;
  }

  // With its holes.
  Status copy_data(int from, int to, uint64_t size) {
    for (uint64_t at = 0; at < size;) {
      const long data = sys::call(__NR_lseek, from, at, kSeekData);
      if (data == -ENXIO) break;
      uint64_t end = size;
      if (data >= 0) {
        at = static_cast<uint64_t>(data);
        const long hole = sys::call(__NR_lseek, from, at, kSeekHole);
        if (hole >= 0 && static_cast<uint64_t>(hole) < end) end = static_cast<uint64_t>(hole);
      }
      if (Status copied = copy_range(from, to, at, end); !copied.ok()) return copied;
      at = end;
    }
    return check(sys::call(__NR_ftruncate, to, size), "ftruncate", path_);
  }

  Status copy_range(int from, int to, uint64_t at, uint64_t end) {
    while (at < end) {
      int64_t in = static_cast<int64_t>(at), out = in;
      long copied = sys::call(__NR_copy_file_range, from, &in, to, &out, end - at, 0);
      // Not between these two file systems.
      if (copied < 0 && copied != -ENOSPC && copied != -EDQUOT)
        copied = copy_buffer(from, to, at, end - at);
      if (copied < 0) return failed(copied, "copy_file_range");
      if (copied == 0) break;
      at += static_cast<uint64_t>(copied);
    }
    return {};
  }

  Status copy_link(int from, int to, const char* name, const struct statx& info) {
    char target[kMaxPath];
    const long size = sys::call(__NR_readlinkat, from, name, target, sizeof target - 1);
    if (size < 0) return failed(size, "readlinkat");
    target[size] = '\0';
    const long made =
        make_new(to, name, [&] { return sys::call(__NR_symlinkat, target, to, name); });
    if (made == -EEXIST) return {};
    if (made < 0) return failed(made, "symlinkat");
    return own_by_name(to, name, info);
  }

  Status copy_fifo(int to, const char* name, const struct statx& info) {
    const long made =
        make_new(to, name, [&] { return sys::call(__NR_mknodat, to, name, S_IFIFO | 0600, 0); });
    if (made == -EEXIST) return {};
    if (made < 0) return failed(made, "mknodat");
    if (Status owned = own_by_name(to, name, info); !owned.ok()) return owned;
    // By a descriptor: another container may have put a link in its place.
    const UniqueFd fifo(static_cast<int>(
        sys::call(__NR_openat, to, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)));
    if (fifo.valid()) sys::call(__NR_fchmod, fifo.get(), info.stx_mode & kPermissions);
    return {};
  }

  Status own_by_name(int to, const char* name, const struct statx& info) {
    const long owned =
        sys::call(__NR_fchownat, to, name, info.stx_uid, info.stx_gid, AT_SYMLINK_NOFOLLOW);
    // The overflow id of an owner that has no number in this user namespace cannot be given.
    if (owned < 0 && owned != -EINVAL) return failed(owned, "fchownat");
    const Times times = times_of(info);
    sys::call(__NR_utimensat, to, name, &times, AT_SYMLINK_NOFOLLOW);
    return {};
  }

  // Of a regular file or a directory. A change of the owner takes bits of the mode and the
  // capabilities of a file with it, and any change sets times.
  Status copy_attributes(int from, int to, const struct statx& info) {
    const long owned = sys::call(__NR_fchown, to, info.stx_uid, info.stx_gid);
    if (owned < 0 && owned != -EINVAL) return failed(owned, "fchown");
    const long mode = sys::call(__NR_fchmod, to, info.stx_mode & kPermissions);
    if (mode < 0) return failed(mode, "fchmod");
    copy_extended_attributes(from, to);
    const Times times = times_of(info);
    sys::call(__NR_utimensat, to, nullptr, &times, 0);
    return {};
  }

  int volume_;
  const char* path_;
  bool again_;
  Trail trail_;  // of what is copied, from the root of the volume
  HardLinks links_;
};

bool is_empty(int directory) {
  bool empty = true;
  const long read = each_entry_while<kEntryRoom>(directory, [&empty](const DirectoryEntry&) {
    empty = false;
    return false;
  });
  return empty && read >= 0;
}

enum class Finding { kFilled, kEmpty, kUnfinished };

Finding look_at(int volume, const char* id) {
  char mark[80];
  const bool empty = is_empty(volume);
  const long size = sys::call(__NR_fgetxattr, volume, kMark, mark, sizeof mark - 1);
  mark[size < 0 ? 0 : size] = '\0';
  if (equal(mark, kFilling)) return Finding::kUnfinished;
  return empty && !equal(mark, id) ? Finding::kEmpty : Finding::kFilled;
}

// Containers that share a new volume may be started at once. The lock is one that programs in them
// can hold, too.
Status lock(int volume, const char* path, const Canceller& canceller) {
  const uint64_t end = sys::monotonic() + kLockPatience;
  for (;;) {
    const long locked = sys::call(__NR_flock, volume, kExclusive | kNoWait);
    if (locked != -EWOULDBLOCK) return check(locked, "flock", path);
    if (canceller.cancels()) return failure(-ECANCELED, "flock", path);
    if (sys::monotonic() > end) return failure(-EBUSY, "flock", path);
    sys::sleep(kLockPause);
  }
}

}  // namespace

Status tree_fill(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  const char* id = machine.text(step, 1);
  const int tree = machine.slot(step, 0);
  const long opened =
      sys::call(__NR_openat, tree, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (opened == -ENOTDIR) return {};  // a file of the host that has a volume's name
  if (opened < 0) return failure(opened, "openat", path);
  const UniqueFd volume(static_cast<int>(opened));
  if (look_at(volume.get(), id) == Finding::kFilled) return {};
  auto source = open_below(machine.slot(step, 1), path, O_RDONLY | O_DIRECTORY);
  if (!source.ok()) {
    const int number = source.error().number;
    if (number != ENOENT && number != ENOTDIR) return source.error();
    return {};
  }
  if (Status locked = lock(volume.get(), path, machine.canceller); !locked.ok()) return locked;
  const Finding found = look_at(volume.get(), id);
  if (found == Finding::kFilled) return {};
  // Where these cannot be stored, a start that is killed leaves what it has copied.
  sys::call(__NR_fsetxattr, volume.get(), kMark, kFilling, length(kFilling), 0);
  Filling filling(volume.get(), path, found == Finding::kUnfinished);
  if (Status filled = filling.run(source.value().get()); !filled.ok()) return filled;
  sys::call(__NR_fsetxattr, volume.get(), kMark, id, length(id), 0);
  return {};
}

}  // namespace caisson::steps
