// tree.open, fs.make, overlay.make, node.make: mounts that are built before any process can see
// them.
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../steps/resolve.h"
#include "host_machine.h"

namespace caisson::steps {
namespace {

// How the running kernel takes overlay layers; found by the addon's `probe`.
enum class OverlayWay : uint64_t { kDescriptors = 0, kAttached = 1 };

// What `tree.open` does with a mount that cannot be idmapped: it fails, or shows the ids that are
// there. The kernel says EINVAL of a file system that has no such mounts, EPERM of a mount that is
// idmapped already (fs/namespace.c, can_idmap_mount).
enum class Unmapped : uint64_t { kRefused = 0, kShown = 1 };

// In a list of lowers: the next name, in the tree of slot 3.
constexpr uint16_t kInOwnTree = 0xffff;

uint16_t listed(Blob list, uint32_t index) {
  uint16_t slot;
  __builtin_memcpy(&slot, list.data + index * 2, sizeof slot);
  return slot;
}

// All lower layers of an overlay, the top one first: those of the list, which are in slots or in
// the tree of slot 3, then those in the tree of slot 2. What is in a tree is a directory of one
// mount, so that an image of 500 layers needs one slot, and one grace period when the kernel takes
// the mount apart: a mount for each layer costs 50 µs each.
template <class Slot, class Name>
Status for_each_lower(Machine& machine, const Step& step, Slot from_slot, Name in_tree) {
  const Blob slots = machine.blob(step, 0);
  const Blob names = machine.blob(step, 3);
  const char* name = names.data;
  const auto next = [&](int16_t tree) {
    const char* const found = name;
    name += length(found) + 1;
    return in_tree(tree, found);
  };
  for (uint32_t i = 0; i < slots.size / 2; ++i) {
    const uint16_t slot = listed(slots, i);
    if (slot == kInOwnTree && name >= names.data + names.size)
      return Error{EINVAL, "fsconfig", "lowerdir"};
    Status done = slot == kInOwnTree ? next(3) : from_slot(machine.slots[slot]);
    if (!done.ok()) return done;
  }
  while (name < names.data + names.size)
    if (Status done = next(2); !done.ok()) return done;
  return {};
}

Status add_layer(int context, const char* key, int fd) {
  return check(sys::call(__NR_fsconfig, context, FSCONFIG_SET_FD, key, nullptr, fd), "fsconfig",
               key);
}

Status set_text(int context, const char* key, const char* value) {
  return check(sys::call(__NR_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0), "fsconfig",
               key);
}

// An overlay reads its layers with the rights of the process that has created it, and also checks
// those of the process that uses it. The third number requests one that reads only what all users
// may read.
Result<UniqueFd> finish_overlay(Machine& machine, const Step& step, int context) {
  const bool sealed = step.number[2] != 0;
  if (sealed)
    if (Status set = become_nobody(host(machine)); !set.ok()) return set.error();
  auto made = finish_filesystem(context, step.number[1], "overlay");
  if (sealed)
    if (Status restored = restore_fsids(host(machine)); !restored.ok()) return restored.error();
  return made;
}

// Kernels from 6.15 on: every layer is a descriptor.
Result<UniqueFd> overlay_by_descriptors(Machine& machine, const Step& step, int context) {
  const auto add = [context](int tree) { return add_layer(context, "lowerdir+", tree); };
  const auto add_in_tree = [&](int16_t tree, const char* name) -> Status {
    auto directory =
        open_below(machine.slot(step, tree), name, O_PATH | O_DIRECTORY, Follow::kNoLinks);
    return directory.ok() ? add(directory.value().get()) : directory.error();
  };
  if (Status added = for_each_lower(machine, step, add, add_in_tree); !added.ok())
    return added.error();
  if (const int own = machine.slot(step, 1); own >= 0) {
    // Both must be seen through one mount, or overlay refuses them.
    for (const char* const* part :
         (const char* const[][2]){{"upperdir", "upper"}, {"workdir", "work"}}) {
      auto directory =
          own_fd(sys::call(__NR_openat, own, part[1], O_PATH | O_DIRECTORY | O_CLOEXEC), "openat",
                 part[1]);
      if (!directory.ok()) return directory;
      if (Status added = add_layer(context, part[0], directory.value().get()); !added.ok())
        return added.error();
    }
  }
  return finish_overlay(machine, step, context);
}

// With the NUL: what mount(2) takes of options, and fsconfig(2) of a parameter.
constexpr size_t kMaxOptions = 4096, kMaxParameter = 256;

// An overlay of more layers than one parameter of fsconfig(2) has room for. mount(2) takes a page
// of options, and needs a place for the mount, of which a detached copy remains.
Result<UniqueFd> mount_by_options(const Step& step, Machine& machine, const char* layers) {
  Text<kMaxOptions> options;
  options.add(layers);
  if (const char* more = machine.text(step, 1); more != nullptr) options.add(",").add(more);
  if (const char* label = machine.text(step, 2); label != nullptr)
    options.add(",context=\"").add(label).add("\"");
  if (options.truncated()) return failure(-E2BIG, "mount", "overlay");
  constexpr const char* kPlace = "made";
  const long made = sys::call(__NR_mkdirat, AT_FDCWD, kPlace, 0755);
  if (made < 0 && made != -EEXIST) return failure(made, "mkdirat", kPlace);
  const long mounted = sys::call(__NR_mount, "caisson", kPlace, "overlay", 0, options.c_str());
  if (mounted < 0) return failure(mounted, "mount", "overlay");
  auto copy = clone_tree(AT_FDCWD, kPlace, false);
  sys::call(__NR_umount2, kPlace, kDetachMount);
  if (!copy.ok()) return copy;
  Status set = set_mount_attributes(copy.value().get(), step.number[1], 0, false);
  if (!set.ok()) return set.error();
  return copy;
}

// Older kernels: the layers are attached in the launcher's own mount namespace for the moment of
// the mount, and named by path: by numbers, since all names together may have 255 bytes in a
// parameter of fsconfig(2), and a page in mount(2).
Result<UniqueFd> overlay_by_paths(Machine& machine, const Step& step, int context) {
  const int own = machine.slot(step, 1);
  Workplace& workplace = host(machine).workplace;

  uint32_t attached = 0, linked = 0;
  const auto attach = [&](int tree) -> Status {
    Text<16> path;
    path.add(attached);
    const long made = sys::call(__NR_mkdirat, AT_FDCWD, path.c_str(), 0755);
    if (made < 0 && made != -EEXIST) return failure(made, "mkdirat", machine.keep(path.c_str()));
    const long moved =
        sys::call(__NR_move_mount, tree, "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH);
    if (moved < 0) return failure(moved, "move_mount", machine.keep(path.c_str()));
    ++attached;
    return {};
  };
  const auto build = [&]() -> Result<UniqueFd> {
    if (const long moved = sys::call(__NR_chdir, "/layer"); moved < 0)
      return failure(moved, "chdir", "/layer");
    Text<kMaxOptions> options;
    options.add("lowerdir=");
    const size_t start = options.size();
    const auto separate = [&] { options.add(options.size() == start ? "" : ":"); };
    const auto add = [&](int tree) -> Status {
      separate();
      options.add(attached);
      return attach(tree);
    };
    // A link has a short name, and leads to a directory of the tree.
    uint32_t tree = 0;
    int16_t from = -1;  // of the slots with trees
    const auto add_in_tree = [&](int16_t slot, const char* name) -> Status {
      if (slot != from) {
        from = slot;
        tree = attached;
        if (Status done = attach(machine.slot(step, slot)); !done.ok()) return done;
      }
      separate();
      Text<16> link;
      link.add("l").add(linked);
      options.add(link.c_str());
      Text<kMaxParameter> target;
      target.add(tree).add("/").add(name);
      if (target.truncated()) return failure(-ENAMETOOLONG, "symlinkat", name);
      sys::call(__NR_unlinkat, AT_FDCWD, link.c_str(), 0);
      ++linked;
      return check(sys::call(__NR_symlinkat, target.c_str(), AT_FDCWD, link.c_str()), "symlinkat",
                   name);
    };
    if (Status added = for_each_lower(machine, step, add, add_in_tree); !added.ok())
      return added.error();
    if (options.truncated()) return failure(-E2BIG, "fsconfig", "lowerdir");
    const size_t end = options.size();
    Text<32> upper, work;
    if (own >= 0) {
      upper.add(attached).add("/upper");
      work.add(attached).add("/work");
      if (Status done = attach(own); !done.ok()) return done.error();
    }
    if (end - start >= kMaxParameter) {
      if (own >= 0) options.add(",upperdir=").add(upper.c_str()).add(",workdir=").add(work.c_str());
      return mount_by_options(step, machine, options.c_str());
    }
    if (Status set = set_text(context, "lowerdir", options.c_str() + start); !set.ok())
      return set.error();
    if (own >= 0) {
      if (Status set = set_text(context, "upperdir", upper.c_str()); !set.ok()) return set.error();
      if (Status set = set_text(context, "workdir", work.c_str()); !set.ok()) return set.error();
    }
    return finish_overlay(machine, step, context);
  };

  if (Status entered = enter_small_mounts(workplace); !entered.ok()) return entered.error();
  auto built = build();
  while (attached > 0) {
    Text<16> path;
    path.add(--attached);
    sys::call(__NR_umount2, path.c_str(), kDetachMount);
  }
  while (linked > 0) {
    Text<16> link;
    link.add("l").add(--linked);
    sys::call(__NR_unlinkat, AT_FDCWD, link.c_str(), 0);
  }
  if (Status left = enter_host_mounts(workplace); !left.ok()) return left.error();
  return built;
}

// Overlay makes and removes a few files in the layer when it is mounted, for which a layer that the
// container has filled has neither inodes nor blocks left. So these directories stand in for them
// whenever a container runs, beside `upper`, where none can reach them.
template <class Each>
void for_each_spare(Each each) {
  constexpr uint64_t kSpares = 8;
  for (uint64_t i = 0; i < kSpares; ++i) {
    Text<16> name;
    each(name.add("spare-").add(i).c_str());
  }
}

void free_spares(int own) {
  for_each_spare([own](const char* name) { sys::call(__NR_unlinkat, own, name, AT_REMOVEDIR); });
}

void make_spares(int own) {
  for_each_spare([own](const char* name) { sys::call(__NR_mkdirat, own, name, 0700); });
}

Result<UniqueFd> clone_beneath(int base, const char* path, bool recursive) {
  auto source = open_below(base, path, O_PATH, Follow::kBeneath);
  if (!source.ok()) return source;
  auto tree = clone_tree(source.value().get(), "", recursive);
  if (!tree.ok()) return Error{tree.error().number, "open_tree", path};
  return tree;
}

}  // namespace

// A detached copy of a host directory's (or file's) mount; slot 1 names the user namespace whose
// ids it shall speak, slot 2 a directory that the path must not lead out of. number: recursive,
// attributes, propagation, what becomes of a mount whose file system cannot be idmapped.
Status tree_open(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  const bool recursive = step.number[0] != 0;
  const int userns = machine.slot(step, 1);
  const auto unmapped = static_cast<Unmapped>(step.number[3]);
  const int base = machine.slot(step, 2);
  auto tree =
      base >= 0 ? clone_beneath(base, path, recursive) : clone_tree(AT_FDCWD, path, recursive);
  if (!tree.ok()) return tree.error();
  const int fd = tree.value().get();
  const auto change = [&](int ids) {
    return set_mount_attributes(fd, step.number[1], 0, recursive, step.number[2], ids, path);
  };
  Status changed = change(userns);
  if (!changed.ok() && userns >= 0) {
    // The kernel changes all mounts of a tree or none. A mount below the tree's own may be of a
    // file system that cannot be idmapped (proc, FUSE …) and shows the ids that it has.
    Status mapped =
        recursive ? set_mount_attributes(fd, 0, 0, false, 0, userns, path) : Status(changed);
    const int number = mapped.error().number;
    const bool impossible = number == EINVAL || number == EPERM;
    if (!mapped.ok() && !(impossible && unmapped == Unmapped::kShown)) return mapped;
    changed = change(-1);
  }
  if (!changed.ok()) return changed;
  machine.fill(step, 0, tree.value().release());
  return {};
}

// A new file system, mounted nowhere yet. number: attributes, uid, gid, whether these shall own its
// root. A tmpfs shows the ids of its mounter to every process that reads /proc/mounts, except
// root's: so it is mounted by root, and given away afterwards.
Status fs_make(Machine& machine, const Step& step) {
  const char* type = machine.text(step, 0);
  auto mount = make_filesystem(type, machine.text(step, 1), step.number[0], machine.text(step, 2));
  if (!mount.ok()) return mount.error();
  if (step.number[3] != 0) {
    const long owned = sys::call(__NR_fchownat, mount.value().get(), "", step.number[1],
                                 step.number[2], AT_EMPTY_PATH);
    if (owned < 0) return failure(owned, "fchownat", type);
  }
  machine.fill(step, 0, mount.value().release());
  return {};
}

Status overlay_make(Machine& machine, const Step& step) {
  const Blob lowers = machine.blob(step, 0);
  for (uint32_t i = 0; i < lowers.size / 2; ++i)
    if (const uint16_t slot = listed(lowers, i);
        slot != kInOwnTree && slot >= machine.program.slots())
      return Error{EINVAL, "fsconfig", "lowerdir"};
  auto context = own_fd(sys::call(__NR_fsopen, "overlay", FSOPEN_CLOEXEC), "fsopen", "overlay");
  if (!context.ok()) return context.error();
  const int fd = context.value().get();
  if (Status set = set_text(fd, "source", "caisson"); !set.ok()) return set;
  if (const char* options = machine.text(step, 1); options != nullptr)
    if (Status set = configure_filesystem(fd, options, "overlay"); !set.ok()) return set;
  if (Status set = label_filesystem(fd, machine.text(step, 2)); !set.ok()) return set;
  const bool spares = step.number[3] != 0;
  if (spares) free_spares(machine.slot(step, 1));
  auto mount = static_cast<OverlayWay>(step.number[0]) == OverlayWay::kDescriptors
                   ? overlay_by_descriptors(machine, step, fd)
                   : overlay_by_paths(machine, step, fd);
  if (spares) make_spares(machine.slot(step, 1));
  if (!mount.ok()) return mount.error();
  if (machine.slot(step, 1) >= 0) {
    // A work directory that overlay cannot write makes it read-only without a word.
    struct statfs state {};
    if (const long got = sys::call(__NR_fstatfs, mount.value().get(), &state); got < 0)
      return failure(got, "fstatfs", "overlay");
    if ((state.f_flags & ST_RDONLY) != 0) return Error{EROFS, "fsmount", "overlay"};
  }
  machine.fill(step, 0, mount.value().release());
  return {};
}

Status node_make(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  const int base = machine.slot(step, 0);
  const long made = sys::call(__NR_mknodat, base, path, step.number[0], step.number[1]);
  return check(made, "mknodat", path);
}

}  // namespace caisson::steps
