#include "run_directory.h"

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../steps/start_time.h"

namespace caisson {
namespace {

constexpr uint32_t kSavedMagic = 0x31534e43;  // "CNS1"
constexpr size_t kSavedHead = offsetof(SavedRegistration, registration);
constexpr int kAttempts = 20;
constexpr int kBacklog = 128;
constexpr int kOwnMode = 0700;

Result<UniqueFd> open_file(const char* path, int flags, int mode = 0) {
  return own_fd(sys::call(__NR_openat, AT_FDCWD, path, flags | O_NOFOLLOW | O_CLOEXEC, mode),
                "openat", path);
}

bool read_boot_id(char (&boot)[sizeof SavedRegistration::boot]) {
  for (char& byte : boot)
    byte = '\0';
  auto file = open_file("/proc/sys/kernel/random/boot_id", O_RDONLY);
  return file.ok() && sys::call(__NR_read, file.value().get(), boot, sizeof boot - 1) > 0;
}

Result<uint64_t> start_time_of(uint64_t pid) {
  Text<32> path;
  path.add("/proc/").add(pid).add("/stat");
  auto stat = open_file(path.c_str(), O_RDONLY);
  if (!stat.ok()) return failure(-ESRCH, "openat", "/proc/PID/stat");
  return read_start_time(stat.value().get());
}

Text<kMaxIdSize + 1> file_of(View id) {
  Text<kMaxIdSize + 1> name;
  name.add(id.bytes, id.size);
  return name;
}

}  // namespace

Result<ProcessName> name_process(int pidfd) {
  constexpr const char* kField = "Pid:\t";
  Text<48> path;
  path.add("/proc/self/fdinfo/").add(static_cast<uint64_t>(pidfd));
  auto info = open_file(path.c_str(), O_RDONLY);
  if (!info.ok()) return failure(-EBADF, "openat", "/proc/self/fdinfo");
  char text[512];
  const long size = sys::call(__NR_read, info.value().get(), text, sizeof text - 1);
  if (size < 0) return failure(size, "read", "/proc/self/fdinfo");
  text[size] = '\0';
  for (const char* line = text; *line != '\0';) {
    uint64_t pid = 0;
    const char* at = line;
    for (const char* field = kField; *field != '\0' && *at == *field; ++field)
      ++at;
    if (at == line + length(kField)) {
      // -1 or 0 if it has ended, or is not to be seen from here.
      if (!parse_number(at, pid) || pid == 0) return failure(-ESRCH, "read", "/proc/self/fdinfo");
      auto start = start_time_of(pid);
      if (!start.ok()) return start.error();
      return ProcessName{static_cast<uint32_t>(pid), start.value()};
    }
    while (*line != '\0' && *line++ != '\n') {
    }
  }
  return failure(-EBADF, "read", "/proc/self/fdinfo");  // not a pidfd
}

Result<UniqueFd> open_process(const ProcessName& name) {
  auto process =
      own_fd(sys::call(__NR_pidfd_open, name.pid, 0), "pidfd_open", "the container's process");
  if (!process.ok()) return process;
  // Its pid is not given to another one while this is open.
  auto start = start_time_of(name.pid);
  if (!start.ok()) return start.error();
  if (start.value() != name.start_time) return failure(-ESRCH, "pidfd_open");
  return process;
}

Status RunDirectory::open(const char* path) {
  Status locked;
  for (int i = 0; i < kAttempts; ++i) {
    const long made = sys::call(__NR_mkdirat, AT_FDCWD, path, kOwnMode);
    if (made < 0 && made != -EEXIST) return failure(made, "mkdir", path);
    auto directory = own_fd(
        sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
        "openat", path);
    // An earlier broker has removed it, as it does last of all.
    if (!directory.ok() && directory.error().number == ENOENT) continue;
    if (!directory.ok()) return directory.error();
    struct statx info {};
    const long looked = sys::call(__NR_statx, directory.value().get(), "", AT_EMPTY_PATH,
                                  STATX_MODE | STATX_UID, &info);
    if (looked < 0) return failure(looked, "statx", path);
    if (static_cast<long>(info.stx_uid) != sys::call(__NR_geteuid) || (info.stx_mode & 022) != 0)
      return failure(-EPERM, "statx", path);
    if (const long moved = sys::call(__NR_fchdir, directory.value().get()); moved < 0)
      return failure(moved, "fchdir", path);
    locked = take_lock();
    if (locked.ok()) return listen();
    if (locked.error().number != ENOENT) return locked;
  }
  return locked;
}

// The lock of the file that has the name: a broker that ends removes its own.
Status RunDirectory::take_lock() {
  auto file = open_file(kLock, O_RDWR | O_CREAT, 0600);
  if (!file.ok()) return file.error();
  const long locked = sys::call(__NR_flock, file.value().get(), LOCK_EX | LOCK_NB);
  if (locked == -EAGAIN) return failure(-EALREADY, "flock", kLock);
  if (locked < 0) return failure(locked, "flock", kLock);
  struct statx mine {
  }, named{};
  if (sys::call(__NR_statx, file.value().get(), "", AT_EMPTY_PATH, STATX_INO, &mine) < 0 ||
      sys::call(__NR_statx, AT_FDCWD, kLock, AT_SYMLINK_NOFOLLOW, STATX_INO, &named) < 0 ||
      mine.stx_ino != named.stx_ino)
    return failure(-ENOENT, "statx", kLock);
  lock_ = file.take();
  return {};
}

Status RunDirectory::listen() {
  auto made = own_fd(sys::call(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                     "socket", kSocket);
  if (!made.ok()) return made.error();
  const int fd = made.value().get();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  copy_text(address.sun_path, kSocket);
  sys::call(__NR_unlinkat, AT_FDCWD, kSocket, 0);
  if (const long bound = sys::call(__NR_bind, fd, &address, sizeof address); bound < 0)
    return failure(bound, "bind", kSocket);
  if (const long listens = sys::call(__NR_listen, fd, kBacklog); listens < 0)
    return failure(listens, "listen", kSocket);
  listener_ = made.take();
  return {};
}

void RunDirectory::remove() {
  sys::call(__NR_unlinkat, AT_FDCWD, kSocket, 0);
  char path[4096];
  const long size = sys::call(__NR_getcwd, path, sizeof path);
  sys::call(__NR_unlinkat, AT_FDCWD, kLock, 0);
  if (size > 0 && path[0] == '/') sys::call(__NR_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

Status RunDirectory::save(View id, const ProcessName& process, const uint8_t* registration,
                          size_t size) {
  static SavedRegistration saved;
  saved.magic = kSavedMagic;
  saved.size = static_cast<uint32_t>(size);
  saved.process = process;
  if (!read_boot_id(saved.boot)) return failure(-ENOENT, "read", "/proc/sys/kernel/random/boot_id");
  __builtin_memcpy(saved.registration, registration, size);
  const auto name = file_of(id);
  constexpr const char* kNext = "next";
  auto file = open_file(kNext, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!file.ok()) return file.error();
  const long whole = static_cast<long>(kSavedHead + size);
  const long written = sys::call(__NR_write, file.value().get(), &saved, whole);
  if (written != whole) {
    sys::call(__NR_unlinkat, AT_FDCWD, kNext, 0);
    return failure(written < 0 ? written : -ENOSPC, "write", kNext);
  }
  return check(sys::call(__NR_renameat2, AT_FDCWD, kNext, AT_FDCWD, name.c_str(), 0), "renameat2",
               kNext);
}

void RunDirectory::forget(View id) {
  sys::call(__NR_unlinkat, AT_FDCWD, file_of(id).c_str(), 0);
}

bool RunDirectory::load(const char* name, SavedRegistration& saved) {
  auto file = open_file(name, O_RDONLY);
  if (!file.ok()) return false;
  const long size = sys::call(__NR_read, file.value().get(), &saved, sizeof saved);
  char boot[sizeof saved.boot];
  if (size < static_cast<long>(kSavedHead) || saved.magic != kSavedMagic ||
      static_cast<size_t>(size) != kSavedHead + saved.size || !read_boot_id(boot) ||
      __builtin_memcmp(boot, saved.boot, sizeof boot) != 0)
    return false;
  Registration registration;
  return Registration::decode(saved.registration, saved.size, registration) &&
         registration.kind != RegistrationKind::kEnd &&
         same_bytes(registration.id, {name, length(name)});
}

}  // namespace caisson
