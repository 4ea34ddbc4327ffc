#include <linux/magic.h>
#include <linux/sched.h>
#include <sys/statfs.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../steps/resolve.h"
#include "container_steps.h"

namespace caisson::steps {
namespace {

constexpr uint32_t kPermissions = 07777;

// What to make where a mount point is missing; kAsTree: whatever the tree's own root is.
enum class Target : uint64_t { kDirectory = 0, kFile = 1, kExisting = 2, kAsTree = 3 };

// Kernel filesystems go only onto real directories: a link in the image could lead the mount, and
// what is written through it later, elsewhere (CVE-2019-19921, CVE-2023-27561).
bool must_not_follow(const char* type) {
  return equal(type, "proc") || equal(type, "sysfs");
}

Result<uint32_t> file_type(int fd, const char* path) {
  struct statx info {};
  const long result = sys::call(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &info);
  if (result < 0) return failure(result, "statx", path);
  return uint32_t{info.stx_mode & uint32_t{S_IFMT}};
}

// Below /proc nothing is mounted but masks, whatever links of the image led there: what the kernel
// says of processes is believed (CVE-2019-16884).
Status refuse_procfs(int target, const char* path) {
  struct statfs where {};
  if (const long got = sys::call(__NR_fstatfs, target, &where); got < 0)
    return failure(got, "fstatfs", path);
  if (where.f_type == PROC_SUPER_MAGIC) return Error{EACCES, "move_mount", path};
  return {};
}

// What a tmpfs takes from the directory that it covers: bits of `mount.attach`.
constexpr uint64_t kTakeMode = 1, kTakeUid = 2, kTakeGid = 4;

// Gives the root of `tree` the mode and the owner of the directory `target`.
Status take_from(int target, int tree, uint64_t what, const char* path) {
  struct statx info {};
  const long known =
      sys::call(__NR_statx, target, "", AT_EMPTY_PATH, STATX_MODE | STATX_UID | STATX_GID, &info);
  if (known < 0) return failure(known, "statx", path);
  const long uid = (what & kTakeUid) != 0 ? static_cast<long>(info.stx_uid) : -1;
  const long gid = (what & kTakeGid) != 0 ? static_cast<long>(info.stx_gid) : -1;
  if (uid >= 0 || gid >= 0) {
    const long owned = sys::call(__NR_fchownat, tree, "", uid, gid, AT_EMPTY_PATH);
    // The overflow id of an owner that has no number in this user namespace cannot be given.
    if (owned < 0 && owned != -EINVAL) return failure(owned, "fchownat", path);
  }
  if ((what & kTakeMode) == 0) return {};
  // fchmod(2) refuses an O_PATH descriptor.
  auto root =
      own_fd(sys::call(__NR_openat, tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "openat", path);
  if (!root.ok()) return root.error();
  return check(sys::call(__NR_fchmod, root.value().get(), info.stx_mode & kPermissions), "fchmod",
               path);
}

// The directory to mount `tree` on, made when missing. One that was there hands on what `take`
// says.
Result<UniqueFd> covered_directory(int base, const char* path, int tree, uint64_t take) {
  auto found = open_below(base, path, O_PATH | O_DIRECTORY);
  if (!found.ok()) return ensure_directory(base, path);
  if (Status taken = take_from(found.value().get(), tree, take, path); !taken.ok())
    return taken.error();
  return found;
}

}  // namespace

Status mount_attach(Machine& machine, const Step& step) {
  const int tree = machine.slot(step, 0);
  const int base = machine.slot(step, 1);
  const char* path = machine.text(step, 0);
  auto kind = static_cast<Target>(step.number[1]);
  if (kind == Target::kAsTree) {
    auto type = file_type(tree, path);
    if (!type.ok()) return type.error();
    kind = type.value() == S_IFDIR ? Target::kDirectory : Target::kFile;
  }
  const uint64_t take = step.number[3];
  auto target = take != 0                    ? covered_directory(base, path, tree, take)
                : kind == Target::kDirectory ? ensure_directory(base, path)
                : kind == Target::kFile      ? ensure_file(base, path)
                                             : open_below(base, path, O_PATH);
  if (!target.ok()) return target.error();
  if (Status refused = refuse_procfs(target.value().get(), path); !refused.ok()) return refused;
  Status changed = set_mount_attributes(tree, step.number[0], 0, step.number[2] != 0, 0, -1, path);
  if (!changed.ok()) return changed;
  return attach_mount(tree, target.value().get(), path);
}

namespace {

// What `mount.fs` gives the SELinux label to.
enum class Labelled : uint64_t { kFilesystem = 0, kRoot = 1 };

// Labels the root directory of a new mount, for a filesystem that takes no label as a whole.
Status label_root(int mount, const char* label, const char* path) {
  auto root = own_fd(sys::call(__NR_openat, mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                     "openat", path);
  if (!root.ok()) return root.error();
  return check(
      sys::call(__NR_fsetxattr, root.value().get(), "security.selinux", label, length(label), 0),
      "fsetxattr", path);
}

}  // namespace

// The descriptor of the new mount stays in slot 0: what is below the mount is reached through it,
// never through the path, which another process may have renamed meanwhile.
Status mount_fs(Machine& machine, const Step& step) {
  const char* type = machine.text(step, 0);
  const char* path = machine.text(step, 2);
  const Follow follow = must_not_follow(type) ? Follow::kNoLinks : Follow::kInRoot;
  auto target = ensure_directory(machine.slot(step, 1), path, follow);
  if (!target.ok()) {
    // openat2 says ELOOP for a link where none may be; ENOTDIR says the same of a file.
    const int number = target.error().number == ELOOP ? ENOTDIR : target.error().number;
    return Error{number, target.error().call, path};
  }
  if (Status refused = refuse_procfs(target.value().get(), path); !refused.ok()) return refused;
  const char* label = machine.text(step, 3);
  const bool by_root = static_cast<Labelled>(step.number[1]) == Labelled::kRoot;
  auto mount =
      make_filesystem(type, machine.text(step, 1), step.number[0], by_root ? nullptr : label);
  if (!mount.ok()) return Error{mount.error().number, mount.error().call, path};
  if (by_root && label != nullptr)
    if (Status labelled = label_root(mount.value().get(), label, path); !labelled.ok())
      return labelled;
  Status attached = attach_mount(mount.value().get(), target.value().get(), path);
  if (!attached.ok()) return attached;
  machine.fill(step, 0, mount.value().release());
  return {};
}

Status mount_attr(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  auto target = open_below(machine.slot(step, 0), path, O_PATH);
  if (!target.ok()) return target.error();
  return set_mount_attributes(target.value().get(), step.number[0], step.number[2],
                              step.number[1] != 0, step.number[3], -1, path);
}

namespace {

// What the base of `mount.mask` and `mount.readonly` is. A path may be missing only below a kernel
// file system that is reached by the descriptor of its mount: there it is this kernel that does not
// have it, and no process has renamed it.
enum class Base : uint64_t { kTree = 0, kKernel = 1, kVolume = 2 };

Result<bool> is_kernel_filesystem(int base) {
  struct statfs where {};
  if (const long got = sys::call(__NR_fstatfs, base, &where); got < 0)
    return failure(got, "fstatfs");
  return where.f_type == PROC_SUPER_MAGIC || where.f_type == SYSFS_MAGIC;
}

// Does something to each path of a step's list ("one\0two\0") below its base.
template <class Action>
Status for_each_path(Machine& machine, const Step& step, Action action) {
  const Blob list = machine.blob(step, 0);
  const auto base = static_cast<Base>(step.number[0]);
  if (base != Base::kTree) {
    auto kernel = is_kernel_filesystem(machine.slot(step, 0));
    if (!kernel.ok()) return Error{kernel.error().number, kernel.error().call, list.data};
    // A directory of the caller's in the place of /sys has nothing to hide.
    if (!kernel.value() && base == Base::kVolume) return {};
    if (!kernel.value()) return Error{EXDEV, "fstatfs", list.data};
  }
  for (uint32_t at = 0; at < list.size; at += static_cast<uint32_t>(length(list.data + at)) + 1) {
    const char* path = list.data + at;
    auto target = open_below(machine.slot(step, 0), path, O_PATH);
    if (!target.ok()) {
      if (target.error().number == ENOENT && base != Base::kTree) continue;
      return target.error();
    }
    if (Status done = action(target.value().get(), path); !done.ok()) return done;
  }
  return {};
}

}  // namespace

// Hides paths: a directory below an empty read-only one, a file below the null device. Both come
// from `scratch`, which the host phase made and the container has never seen (CVE-2025-31133).
Status mount_mask(Machine& machine, const Step& step) {
  const int scratch = machine.slot(step, 1);
  return for_each_path(machine, step, [scratch](int target, const char* path) -> Status {
    auto type = file_type(target, path);
    if (!type.ok()) return type.error();
    const bool directory = type.value() == S_IFDIR;
    auto cover = clone_tree(scratch, directory ? "empty" : "dev/null", false);
    if (!cover.ok()) return Error{cover.error().number, cover.error().call, path};
    const int fd = cover.value().get();
    if (directory)
      if (Status set = set_mount_attributes(fd, MOUNT_ATTR_RDONLY, 0, false, 0, -1, path);
          !set.ok())
        return set;
    return attach_mount(fd, target, path);
  });
}

Status mount_readonly(Machine& machine, const Step& step) {
  return for_each_path(machine, step, [](int target, const char* path) -> Status {
    auto copy = clone_tree(target, "", true);
    if (!copy.ok()) return Error{copy.error().number, copy.error().call, path};
    const int fd = copy.value().get();
    if (Status set = set_mount_attributes(fd, MOUNT_ATTR_RDONLY, 0, true, 0, -1, path); !set.ok())
      return set;
    return attach_mount(fd, target, path);
  });
}

namespace {

constexpr const char* kOwnMounts = "/proc/thread-self/ns/mnt";

Result<UniqueFd> copy_of_tmpfs(const char* path) {
  auto root = open_below(-1, "/", O_PATH | O_DIRECTORY);
  if (!root.ok()) return root;
  auto found = open_below(root.value().get(), path, O_PATH | O_DIRECTORY, Follow::kNoLinks);
  if (!found.ok()) return found;
  struct statfs where {};
  if (const long got = sys::call(__NR_fstatfs, found.value().get(), &where); got < 0)
    return failure(got, "fstatfs", path);
  struct statx info {};
  const long known =
      sys::call(__NR_statx, found.value().get(), "", AT_EMPTY_PATH, STATX_TYPE, &info);
  if (known < 0) return failure(known, "statx", path);
  if (where.f_type != TMPFS_MAGIC || (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0)
    return failure(-EINVAL, "open_tree", path);
  return clone_tree(found.value().get(), "", false);
}

}  // namespace

Status tree_view(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  auto from = open_below(machine.slot(step, 1), path, O_PATH);
  if (!from.ok()) return from.error();
  auto copy = clone_tree(from.value().get(), "", step.number[0] != 0);
  if (!copy.ok()) return Error{copy.error().number, copy.error().call, path};
  machine.fill(step, 0, copy.value().release());
  return {};
}

// A copy of a mount of another container: its shared memory. Slot 1 is its mount namespace; this
// process has its rights there, can be killed while it looks, and follows no link. Nothing but a
// tmpfs that is mounted there is taken, and none of its attributes is weaker than what the
// container was given.
Status tree_join(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  auto own = own_fd(sys::call(__NR_openat, AT_FDCWD, kOwnMounts, O_RDONLY | O_CLOEXEC), "openat",
                    kOwnMounts);
  if (!own.ok()) return own.error();
  if (const long joined = sys::call(__NR_setns, machine.slot(step, 1), CLONE_NEWNS); joined < 0)
    return failure(joined, "setns", path);
  auto copy = copy_of_tmpfs(path);
  if (const long back = sys::call(__NR_setns, own.value().get(), CLONE_NEWNS); back < 0)
    return failure(back, "setns", kOwnMounts);
  if (!copy.ok()) return copy.error();
  machine.fill(step, 0, copy.value().release());
  return {};
}

Status root_pivot(Machine& machine, const Step& step) {
  const int root = machine.slot(step, 0);
  // pivot_root(2): with "." twice the old root is stacked below the new one, and detaching "."
  // drops it.
  if (const long moved = sys::call(__NR_fchdir, root); moved < 0)
    return failure(moved, "fchdir", "/");
  if (const long turned = sys::call(__NR_pivot_root, ".", "."); turned < 0)
    return failure(turned, "pivot_root", "/");
  if (const long gone = sys::call(__NR_umount2, ".", kDetachMount); gone < 0)
    return failure(gone, "umount2", "/");
  return check(sys::call(__NR_chdir, "/"), "chdir", "/");
}

}  // namespace caisson::steps
