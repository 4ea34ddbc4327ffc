#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../base/id_map_wait.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../steps/resolve.h"
#include "view.h"

namespace caisson::archive {
namespace {

constexpr uint64_t kLayerAttributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

Result<UniqueFd> open_path(int base, const char* path, uint64_t flags = O_DIRECTORY) {
  return own_fd(sys::call(__NR_openat, base, path, O_PATH | O_CLOEXEC | flags), "openat", path);
}

// A mount namespace of this process, below a new user namespace with the container's ids where
// `channel` is asked for them.
Status leave_host(bool user_namespace, int channel) {
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  if (user_namespace) {
    const long moved = sys::call(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS);
    if (!await_id_maps(channel, moved))
      return moved < 0 ? failure(moved, "unshare") : Status(Error{EPERM, "uid_map"});
    const long group = sys::call(__NR_setresgid, 0, 0, 0);
    const long user = sys::call(__NR_setresuid, 0, 0, 0);
    if (group < 0 || user < 0) return failure(group < 0 ? group : user, "setresuid");
  } else if (const long moved = sys::call(__NR_unshare, CLONE_NEWNS); moved < 0) {
    return failure(moved, "unshare");
  }
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  // What is mounted from here on is not for the host, where most mounts are shared.
  return check(sys::call(__NR_mount, "none", "/", nullptr, MS_REC | MS_SLAVE, nullptr), "mount",
               "/");
}

Status set_layer(int context, const char* key, int fd) {
  return check(sys::call(__NR_fsconfig, context, FSCONFIG_SET_FD, key, nullptr, fd), "fsconfig",
               key);
}

// By descriptor (Linux 6.13).
Result<UniqueFd> overlay_by_descriptors(const std::vector<UniqueFd>& lowers, int upper, int work,
                                        bool user_attributes) {
  auto context = own_fd(sys::call(__NR_fsopen, "overlay", FSOPEN_CLOEXEC), "fsopen", "overlay");
  if (!context.ok()) return context;
  const int fd = context.value().get();
  for (const UniqueFd& lower : lowers)
    if (Status set = set_layer(fd, "lowerdir+", lower.get()); !set.ok()) return set.error();
  if (upper >= 0) {
    if (Status set = set_layer(fd, "upperdir", upper); !set.ok()) return set.error();
    if (Status set = set_layer(fd, "workdir", work); !set.ok()) return set.error();
  }
  if (user_attributes)
    if (Status set = configure_filesystem(fd, "userxattr", "overlay"); !set.ok())
      return set.error();
  return finish_filesystem(fd, kLayerAttributes | (upper < 0 ? MOUNT_ATTR_RDONLY : 0), "overlay");
}

// A tmpfs over the container's directory with directories for what is mounted.
struct Stage {
  UniqueFd directory, overlay, root;
};

// By paths in the page that mount(2) takes. They are relative, so that those of 500 layers have
// room in it.
Result<UniqueFd> overlay_by_paths(const std::vector<UniqueFd>& lowers, int upper, int work,
                                  bool user_attributes, const Stage& stage) {
  if (const long moved = sys::call(__NR_chdir, "/proc/self/fd"); moved < 0)
    return failure(moved, "chdir", "/proc/self/fd");
  std::string options = "lowerdir=";
  for (const UniqueFd& lower : lowers) {
    if (options.back() != '=') options += ':';
    options += std::to_string(lower.get());
  }
  if (upper >= 0)
    options += ",upperdir=" + std::to_string(upper) + ",workdir=" + std::to_string(work);
  if (user_attributes) options += ",userxattr";
  // By its name, as a descriptor of the place is that of what is below the mount.
  const std::string target = std::to_string(stage.directory.get()) + "/overlay";
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | (upper < 0 ? MS_RDONLY : 0);
  const long mounted =
      sys::call(__NR_mount, "caisson", target.c_str(), "overlay", flags, options.c_str());
  if (mounted < 0) {
    sys::call(__NR_chdir, "/");
    return failure(mounted, "mount", "overlay");
  }
  auto tree = clone_tree(AT_FDCWD, target.c_str(), false);
  sys::call(__NR_umount2, target.c_str(), kDetachMount);
  sys::call(__NR_chdir, "/");
  return tree;
}

// Before Linux 6.13 overlay takes no descriptors: EINVAL, EOPNOTSUPP (6.1) or EBADF (6.12).
Result<UniqueFd> make_overlay(const std::vector<UniqueFd>& lowers, int upper, int work,
                              bool user_attributes, const Stage& stage) {
  auto mount = overlay_by_descriptors(lowers, upper, work, user_attributes);
  const int number = mount.error().number;
  if (mount.ok() ||
      (number != EINVAL && number != ENOSYS && number != EOPNOTSUPP && number != EBADF))
    return mount;
  return overlay_by_paths(lowers, upper, work, user_attributes, stage);
}

Status open_lowers(Request& request, std::vector<UniqueFd>& lowers) {
  for (uint64_t count = request.number(); count > 0 && request.valid(); --count) {
    auto lower = open_path(AT_FDCWD, request.word());
    if (!lower.ok()) return lower.error();
    lowers.push_back(lower.take());
  }
  return request.valid() ? Status() : Status(Error{EINVAL, "request"});
}

Status make_stage(int at, Stage& stage) {
  auto mount = make_filesystem("tmpfs", "mode=0700,size=64k,nr_inodes=16", kLayerAttributes);
  if (!mount.ok()) return mount.error();
  if (Status attached = attach_mount(mount.value().get(), at, "tmpfs"); !attached.ok())
    return attached;
  stage.directory = mount.take();
  for (auto [name, place] : {std::pair{"overlay", &stage.overlay}, {"root", &stage.root}}) {
    if (const long made = sys::call(__NR_mkdirat, stage.directory.get(), name, 0755); made < 0)
      return failure(made, "mkdirat", name);
    auto opened = open_path(stage.directory.get(), name);
    if (!opened.ok()) return opened.error();
    *place = opened.take();
  }
  return {};
}

Status attach_at(int mount, UniqueFd& place, const char* name) {
  if (Status attached = attach_mount(mount, place.get(), name); !attached.ok()) return attached;
  return {};
}

// Words: the number of parts, and of each where it is in the overlay and where in the container.
Status attach_parts(Request& request, Stage& stage, UniqueFd overlay, View& view) {
  if (Status attached = attach_at(overlay.get(), stage.overlay, "overlay"); !attached.ok())
    return attached;
  for (uint64_t count = request.number(); count > 0 && request.valid(); --count) {
    const char* const from = request.word();
    const char* const to = request.word();
    auto tree = clone_tree(overlay.get(), from, false);
    if (!tree.ok()) return tree.error();
    const bool first = !view.root.valid();
    if (first) {
      if (Status attached = attach_at(tree.value().get(), stage.root, to); !attached.ok())
        return attached;
      view.root =
          UniqueFd(static_cast<int>(sys::call(__NR_fcntl, tree.value().get(), F_DUPFD_CLOEXEC, 0)));
    } else {
      auto place = ensure_directory(view.root.get(), to);
      if (!place.ok()) return place.error();
      if (Status attached = attach_at(tree.value().get(), place.value(), to); !attached.ok())
        return attached;
    }
    auto part = clone_tree(tree.value().get(), "", false);
    if (!part.ok()) return part.error();
    view.parts.push_back({to, part.take()});
  }
  return request.valid() && view.root.valid() ? Status() : Status(Error{EINVAL, "request"});
}

// What a container may have written to is a path below `base`, which links do not lead out of.
Result<UniqueFd> clone_source(const char* base, const char* source, bool recursive) {
  if (*base == '\0') return clone_tree(AT_FDCWD, source, recursive);
  auto directory = open_path(AT_FDCWD, base);
  if (!directory.ok()) return directory;
  auto place = open_below(directory.value().get(), source, O_PATH, Follow::kBeneath);
  return place.ok() ? clone_tree(place.value().get(), "", recursive)
                    : Result<UniqueFd>(place.error());
}

// Words: the number of binds; of each a directory or nothing, its source below that, its target,
// whether what is mounted below it comes along, and whether it is read-only. A target that the
// container does not have is made, as a start would.
Status attach_binds(Request& request, View& view) {
  for (uint64_t count = request.number(); count > 0 && request.valid(); --count) {
    const char* const base = request.word();
    const char* const source = request.word();
    const char* const target = request.word();
    const bool recursive = request.flag(), read_only = request.flag();
    auto tree = clone_source(base, source, recursive);
    if (!tree.ok()) return tree.error();
    struct statx info {};
    const long looked =
        sys::call(__NR_statx, tree.value().get(), "", AT_EMPTY_PATH, STATX_TYPE, &info);
    if (looked < 0) return failure(looked, "statx", source);
    auto place = (info.stx_mode & S_IFMT) == S_IFDIR ? ensure_directory(view.root.get(), target)
                                                     : ensure_file(view.root.get(), target);
    if (!place.ok()) return place.error();
    const uint64_t attributes = MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0);
    if (Status limited = set_mount_attributes(tree.value().get(), attributes, 0, recursive,
                                              MS_PRIVATE, -1, target);
        !limited.ok())
      return limited;
    if (Status attached = attach_mount(tree.value().get(), place.value().get(), target);
        !attached.ok())
      return attached;
  }
  return request.valid() ? Status() : Status(Error{EINVAL, "request"});
}

// The container's root becomes that of this process: nothing of the host can be named any more.
Status enter_root(View& view) {
  if (const long moved = sys::call(__NR_fchdir, view.root.get()); moved < 0)
    return failure(moved, "fchdir", "/");
  if (const long turned = sys::call(__NR_pivot_root, ".", "."); turned < 0) {
    // The root of an initramfs cannot be replaced.
    if (turned != -EINVAL) return failure(turned, "pivot_root", "/");
    if (const long entered = sys::call(__NR_chroot, "."); entered < 0)
      return failure(entered, "chroot", "/");
  } else if (const long gone = sys::call(__NR_umount2, ".", kDetachMount); gone < 0) {
    return failure(gone, "umount2", "/");
  }
  if (const long moved = sys::call(__NR_chdir, "/"); moved < 0) return failure(moved, "chdir", "/");
  auto root = open_path(AT_FDCWD, "/");
  if (!root.ok()) return root.error();
  view.root = root.take();
  return {};
}

// What is the container's own; binds are as they are.
Status protect_root(View& view) {
  for (const Part& part : view.parts) {
    auto place = open_below(view.root.get(), part.place.c_str(), O_PATH | O_DIRECTORY);
    if (!place.ok()) return place.error();
    if (Status limited = set_mount_attributes(place.value().get(), MOUNT_ATTR_RDONLY, 0, false);
        !limited.ok())
      return limited;
  }
  return {};
}

// `upper` and `work` in the container's directory, as the first start makes them.
Status open_own(int directory, UniqueFd& upper, UniqueFd& work) {
  struct Own {
    const char* name;
    unsigned mode;
    UniqueFd* to;
  };
  for (const auto& [name, mode, to] : {Own{"upper", 0755, &upper}, Own{"work", 0700, &work}}) {
    const long made = sys::call(__NR_mkdirat, directory, name, mode);
    if (made < 0 && made != -EEXIST) return failure(made, "mkdirat", name);
    auto opened = open_path(directory, name, O_DIRECTORY | O_NOFOLLOW);
    if (!opened.ok()) return opened.error();
    *to = opened.take();
  }
  return {};
}

}  // namespace

// Words: whether there is a user namespace, the container's directory, `overlay` or `direct`.
// Overlay: whether its attributes are those of users, the number of lowers and the lowers, the
// parts, the binds. Direct: the directory, whether it is read-only, the binds.
Status open_layers(Request& request, int channel, View& view) {
  view.user_namespace = request.flag();
  const char* const own = request.word();
  if (Status left = leave_host(view.user_namespace, channel); !left.ok()) return left;
  auto directory = open_path(AT_FDCWD, own);
  if (!directory.ok()) return directory.error();
  Stage stage;
  bool read_only = false;
  if (request.text() == "direct") {
    const char* const path = request.word();
    read_only = request.flag();
    auto tree = clone_tree(AT_FDCWD, path, true);
    if (!tree.ok()) return tree.error();
    if (Status limited =
            set_mount_attributes(tree.value().get(), MOUNT_ATTR_NODEV, 0, true, MS_PRIVATE);
        !limited.ok())
      return limited;
    if (Status made = make_stage(directory.value().get(), stage); !made.ok()) return made;
    if (Status attached = attach_at(tree.value().get(), stage.root, "root"); !attached.ok())
      return attached;
    auto part = clone_tree(tree.value().get(), "", false);
    if (!part.ok()) return part.error();
    view.parts.push_back({"/", part.take()});
    view.root = tree.take();
  } else {
    const bool user_attributes = request.flag();
    read_only = request.flag();
    std::vector<UniqueFd> lowers;
    if (Status opened = open_lowers(request, lowers); !opened.ok()) return opened;
    UniqueFd upper, work;
    if (Status opened = open_own(directory.value().get(), upper, work); !opened.ok()) return opened;
    if (Status made = make_stage(directory.value().get(), stage); !made.ok()) return made;
    auto overlay = make_overlay(lowers, upper.get(), work.get(), user_attributes, stage);
    if (!overlay.ok()) return overlay.error();
    if (Status attached = attach_parts(request, stage, overlay.take(), view); !attached.ok())
      return attached;
  }
  if (Status attached = attach_binds(request, view); !attached.ok()) return attached;
  // Not before: the targets of binds may have been missing.
  if (read_only)
    if (Status limited = protect_root(view); !limited.ok()) return limited;
  return enter_root(view);
}

// Words: whether there is a user namespace, the container's directory, whether the attributes are
// those of users, the number of layers that forks have frozen and these, the number of lowers and
// these.
Status open_changes(Request& request, int channel, View& view) {
  view.user_namespace = request.flag();
  const char* const own = request.word();
  if (Status left = leave_host(view.user_namespace, channel); !left.ok()) return left;
  auto directory = open_path(AT_FDCWD, own);
  if (!directory.ok()) return directory.error();
  const bool user_attributes = request.flag();
  std::vector<UniqueFd> frozen, lowers;
  if (Status opened = open_lowers(request, frozen); !opened.ok()) return opened;
  if (Status opened = open_lowers(request, lowers); !opened.ok()) return opened;
  auto upper = open_path(directory.value().get(), "upper", O_DIRECTORY | O_NOFOLLOW);
  // Before its first start it has changed nothing.
  if (!upper.ok() && upper.error().number != ENOENT) return upper.error();
  if (upper.ok()) view.uppers.push_back(upper.take());
  for (UniqueFd& layer : frozen)
    view.uppers.push_back(static_cast<UniqueFd&&>(layer));
  if (lowers.size() == 1) {
    view.lower = static_cast<UniqueFd&&>(lowers[0]);
    return {};
  }
  Stage stage;
  if (Status made = make_stage(directory.value().get(), stage); !made.ok()) return made;
  auto overlay = make_overlay(lowers, -1, -1, user_attributes, stage);
  if (!overlay.ok()) return overlay.error();
  view.lower = overlay.take();
  return {};
}

}  // namespace caisson::archive
