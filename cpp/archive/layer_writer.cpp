#include "layer_writer.h"

#include <sys/socket.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "directory_removal.h"

namespace caisson {
namespace {

constexpr uint32_t kPermissions = 0777, kSpecial = 07000;
constexpr uint32_t kInherited = S_ISUID | S_ISGID;
constexpr size_t kChunk = 1 << 20;
constexpr std::string_view kCapability = "security.capability";
constexpr std::string_view kDefaultAcl = "system.posix_acl_default";
constexpr std::string_view kAccessAcl = "system.posix_acl_access";

long status_of(int parent, const char* name, struct statx& status) {
  return sys::call(__NR_statx, parent, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO, &status);
}

bool is_type(const struct statx& status, unsigned type) {
  return (status.stx_mode & S_IFMT) == type;
}

bool is_whiteout(const struct statx& status) {
  return is_type(status, S_IFCHR) && status.stx_rdev_major == 0 && status.stx_rdev_minor == 0;
}

// Labels of the host's policy, other filesystems' marks and overlayfs's own are nothing that an
// archive decides.
bool is_taken(std::string_view name) {
  if (name == kCapability || name == kDefaultAcl || name == kAccessAcl) return true;
  return name.starts_with("user.") && !name.starts_with("user.overlay.");
}

long set_times(int parent, const char* name, const tar::Time& modified, int flags) {
  const timespec times[2] = {{modified.seconds, modified.nanoseconds},
                             {modified.seconds, modified.nanoseconds}};
  return sys::call(__NR_utimensat, parent, name, times, flags);
}

// A directory whose path led through a link that was replaced.
bool is_gone(long result) {
  return result == -ENOENT || result == -ENOTDIR || result == -ELOOP;
}

}  // namespace

bool LayerWriter::fail(Refusal refusal, const char* detail) {
  if (!trouble_.ok()) return false;
  trouble_ = {refusal, detail};
  trouble_path_ = path_;
  return false;
}

bool LayerWriter::fail(long result, const char* call) {
  if (result == -ENAMETOOLONG) return fail(Refusal::kPathTooLong, "a path that is too long");
  fail(Refusal::kSystem, call);
  trouble_.number = static_cast<int>(-result);
  return false;
}

bool LayerWriter::begin() {
  if (const int opened = directories_.open_root(); opened < 0) return fail(opened, "open");
  DirectoryRecord* root = directories_.record("");
  root->implied = true;
  return true;
}

bool LayerWriter::add(const tar::Entry& entry) {
  // Not while the descriptors of the entry before were used.
  if (replaced_) directories_.forget_open();
  replaced_ = false;
  path_ = entry.name;
  std::string path;
  if (Trouble bad = normalize_path(entry.name, options_.path, path); !bad.ok())
    return fail(bad.refusal, bad.detail);
  path_ = static_cast<std::string&&>(path);
  if (path_.empty() && entry.kind != tar::Kind::kDirectory)
    return fail(Refusal::kUnsafePath, "a root that is not a directory");
  const std::string_view base = base_of(path_);
  if (base.starts_with(kWhiteoutPrefix)) return add_whiteout(base);
  if (path_.find("/.wh.") != std::string::npos || path_.starts_with(kWhiteoutPrefix)) {
    // aufs keeps its own files there.
    if (path_.find(kAufsPrefix) != std::string::npos) return true;
    return fail(Refusal::kInvalidWhiteout, "a path through a whiteout");
  }
  ++files_;
  switch (entry.kind) {
    case tar::Kind::kDirectory:
      return add_directory(entry);
    case tar::Kind::kFile:
      return add_file(entry);
    case tar::Kind::kHardLink:
      return add_hard_link(entry);
    default:
      return add_node(entry);
  }
}

bool LayerWriter::add_given(const tar::Entry& entry) {
  path_ = entry.name;
  std::string path;
  if (Trouble bad = normalize_path(entry.name, options_.path, path); !bad.ok())
    return fail(bad.refusal, bad.detail);
  path_ = static_cast<std::string&&>(path);
  if (entry.kind != tar::Kind::kDirectory) return fail(Refusal::kUnsupported, "no directory");
  if (!add_directory(entry)) return false;
  DirectoryRecord* record = directories_.known(path_);
  record->implied = record->given = true;
  return true;
}

// The directory of the path, made if the archive does not have it.
bool LayerWriter::find_parent(std::string_view path, Place& place) {
  const std::string_view parent = parent_of(path);
  int fd = directories_.find(parent);
  if (fd == -ENOENT || fd == -ENOTDIR) {
    if (!make_parents(parent)) return false;
    fd = directories_.find(parent);
  }
  if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
    return fail(Refusal::kUnsafePath, "a path through something that is not a directory");
  if (fd < 0) return fail(fd, "openat2");
  place = {fd, base_of(path).data()};  // the end of a string
  return true;
}

bool LayerWriter::make_implied(const std::string& path) {
  DirectoryRecord* record = directories_.record(path);
  if (record == nullptr) return fail(Refusal::kTooManyEntries, "too many directories");
  record->implied = true;
  return true;
}

bool LayerWriter::make_parents(std::string_view path) {
  for (size_t end = 0; end != std::string_view::npos;) {
    end = path.find('/', end + 1);
    const std::string part(path.substr(0, end));
    const auto make_it = [&] {
      return sys::call(__NR_mkdirat, directories_.root(), part.c_str(), 0755);
    };
    long made = make_it();
    if (made == -EEXIST) {
      struct statx status {};
      if (const long got = status_of(directories_.root(), part.c_str(), status); got < 0)
        return fail(got, "statx");
      if (!is_whiteout(status)) continue;
      // What it hides below stays hidden.
      const long gone = sys::call(__NR_unlinkat, directories_.root(), part.c_str(), 0);
      if (gone < 0) return fail(gone, "unlinkat");
      made = make_it();
      if (made == 0 && !set_opaque(part)) return false;
    }
    if (made == -ENOENT || made == -ENOTDIR || made == -ELOOP)
      return fail(Refusal::kUnsafePath, "a path through something that is not a directory");
    if (made < 0) return fail(made, "mkdirat");
    if (!make_implied(part)) return false;
  }
  return true;
}

// A later entry replaces an earlier one.
bool LayerWriter::make_room(const Place& place, const std::string& path, bool& was_whiteout) {
  struct statx status {};
  if (const long got = status_of(place.parent, place.name, status); got < 0)
    return fail(got, "statx");
  was_whiteout = is_whiteout(status);
  replaced_ = true;
  if (is_type(status, S_IFDIR)) {
    const auto forget = [](void* directories, const std::string& gone) {
      static_cast<LayerDirectories*>(directories)->forget(gone);
    };
    const long gone = remove_directory(place.parent, place.name, path, {forget, &directories_});
    if (gone < 0) return fail(gone, "unlinkat");
  } else if (const long gone = sys::call(__NR_unlinkat, place.parent, place.name, 0); gone < 0) {
    return fail(gone, "unlinkat");
  }
  return true;
}

// `make_it` gets the place, which changes if something had to make room.
template <class Make>
bool LayerWriter::make(const Place& place, const char* call, const Make& make_it,
                       bool& was_whiteout) {
  was_whiteout = false;
  long made = make_it(place);
  if (made != -EEXIST) return made < 0 ? fail(made, call) : true;
  if (!make_room(place, path_, was_whiteout)) return false;
  made = make_it(place);
  return made < 0 ? fail(made, call) : true;
}

bool LayerWriter::set_opaque(const std::string& path) {
  DirectoryRecord* record = directories_.record(path);
  if (record == nullptr) return fail(Refusal::kTooManyEntries, "too many directories");
  if (record->opaque) return true;
  record->opaque = true;
  if (const long sent = sys::call(__NR_sendto, options_.requests, path.data(), path.size(),
                                  MSG_NOSIGNAL, nullptr, 0);
      sent < 0)
    return fail(sent, "sendto");
  int32_t answer = 0;
  long got = 0;
  do
    got = sys::call(__NR_recvfrom, options_.requests, &answer, sizeof answer, 0, nullptr, nullptr);
  while (got == -EINTR);
  if (got != sizeof answer) return fail(got < 0 ? got : -EPIPE, "recvfrom");
  if (answer == -ELOOP)
    return fail(Refusal::kInvalidWhiteout, "an opaque marker in a directory behind a link");
  return answer < 0 ? fail(answer, "fsetxattr") : true;
}

bool LayerWriter::add_whiteout(std::string_view base) {
  const std::string parent(parent_of(path_));
  if (parent.find("/.wh.") != std::string::npos || parent.starts_with(kWhiteoutPrefix)) {
    if (parent.find(kAufsPrefix) != std::string::npos) return true;
    return fail(Refusal::kInvalidWhiteout, "a path through a whiteout");
  }
  Place place;
  if (base == kOpaqueMarker) {
    if (parent.empty()) return fail(Refusal::kInvalidWhiteout, "a whiteout of the root");
    return find_parent(path_, place) && set_opaque(parent);
  }
  if (base.starts_with(kAufsPrefix)) return true;
  const std::string hidden(base.substr(kWhiteoutPrefix.size()));
  if (hidden.empty() || hidden == "." || hidden == "..")
    return fail(Refusal::kInvalidWhiteout, "a whiteout of nothing, of `.` or of `..`");
  if (!find_parent(path_, place)) return false;
  const long made = sys::call(__NR_mknodat, place.parent, hidden.c_str(), S_IFCHR, 0);
  if (made != -EEXIST) return made < 0 ? fail(made, "mknodat") : true;
  // It is about what lies below this layer, not about what the layer has itself.
  struct statx status {};
  if (const long got = status_of(place.parent, hidden.c_str(), status); got < 0)
    return fail(got, "statx");
  if (!is_type(status, S_IFDIR)) return true;
  return set_opaque(parent.empty() ? hidden : parent + "/" + hidden);
}

bool LayerWriter::set_owner(const tar::Entry& entry, const Place& place, int fd) {
  if (options_.one_id || (entry.uid == 0 && entry.gid == 0)) return true;
  const auto uid = static_cast<unsigned>(entry.uid), gid = static_cast<unsigned>(entry.gid);
  const long set =
      fd >= 0 ? sys::call(__NR_fchown, fd, uid, gid)
              : sys::call(__NR_fchownat, place.parent, place.name, uid, gid, AT_SYMLINK_NOFOLLOW);
  if (set == -EINVAL)
    return fail(Refusal::kUnmappedId, "an owner that this user namespace does not have");
  return set < 0 ? fail(set, "fchown") : true;
}

// `fd` -1: of the entry's path, which is not followed if it is a link.
bool LayerWriter::set_attributes(const tar::Entry& entry, int fd, DirectoryRecord* directory) {
  std::string path;
  for (const tar::Attribute& attribute : entry.attributes) {
    if (!is_taken(attribute.name)) continue;
    if (attribute.name == kDefaultAcl) {
      // What is made in the directory would get it.
      if (directory != nullptr) directory->default_acl = attribute.value;
      continue;
    }
    if (fd < 0 && path.empty()) path = "/" + path_;
    const long set = fd >= 0 ? sys::call(__NR_fsetxattr, fd, attribute.name.c_str(),
                                         attribute.value.data(), attribute.value.size(), 0)
                             : sys::call(__NR_lsetxattr, path.c_str(), attribute.name.c_str(),
                                         attribute.value.data(), attribute.value.size(), 0);
    // Filesystems without them, and files that cannot have them; but no program without its rights.
    if ((set == -EOPNOTSUPP || set == -EPERM) && attribute.name != kCapability) continue;
    if (set == -EINVAL) return fail(Refusal::kInvalidHeader, "a malformed extended attribute");
    if (set < 0) return fail(set, "setxattr");
  }
  return true;
}

bool LayerWriter::add_directory(const tar::Entry& entry) {
  Place place{directories_.root(), "."};
  if (!path_.empty() && !find_parent(path_, place)) return false;
  const uint32_t mode = entry.mode & (kPermissions | S_ISVTX);
  long made = path_.empty() ? -EEXIST : sys::call(__NR_mkdirat, place.parent, place.name, mode);
  if (made == -EEXIST) {
    struct statx status {};
    if (const long got = status_of(place.parent, place.name, status); got < 0)
      return fail(got, "statx");
    if (!is_type(status, S_IFDIR)) {
      bool was_whiteout = false;
      if (!make_room(place, path_, was_whiteout)) return false;
      made = sys::call(__NR_mkdirat, place.parent, place.name, mode);
      if (made == 0 && was_whiteout && !set_opaque(path_)) return false;
    } else {
      made = sys::call(__NR_fchmodat, place.parent, place.name, mode);
      // The owner of the entry before it.
      if (made == 0 && !options_.one_id)
        made = sys::call(__NR_fchownat, place.parent, place.name, 0, 0, AT_SYMLINK_NOFOLLOW);
    }
  }
  if (made < 0) return fail(made, "mkdirat");
  if (!set_owner(entry, place, -1)) return false;
  DirectoryRecord* record = directories_.record(path_);
  if (record == nullptr) return fail(Refusal::kTooManyEntries, "too many directories");
  record->implied = false;
  record->modified = entry.modified;
  record->mode = (entry.mode & kInherited) != 0 ? entry.mode : 0;
  record->default_acl.clear();
  if (entry.attributes.empty()) return true;
  const UniqueFd fd(static_cast<int>(sys::call(__NR_openat, place.parent, place.name,
                                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
  if (!fd.valid()) return fail(fd.get(), "openat");
  return set_attributes(entry, fd.get(), record);
}

bool LayerWriter::write_all(int fd, Bytes bytes, int64_t offset) {
  while (!bytes.empty()) {
    const long written = offset < 0
                             ? sys::call(__NR_write, fd, bytes.data(), bytes.size())
                             : sys::call(__NR_pwrite64, fd, bytes.data(), bytes.size(), offset);
    if (written == -EINTR) continue;
    if (written < 0) return fail(written, "write");
    if (offset >= 0) offset += written;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

bool LayerWriter::write_data(int fd, const tar::Entry& entry) {
  if (!entry.sparse) {
    while (reader_.left() > 0) {
      const Bytes bytes = reader_.take(kChunk);
      if (bytes.empty()) return false;  // the reader has the trouble
      if (!write_all(fd, bytes, -1)) return false;
    }
    return true;
  }
  for (const tar::Extent& extent : entry.extents) {
    for (int64_t at = 0; at < extent.size;) {
      const int64_t left = extent.size - at;
      const Bytes bytes = reader_.take(left < int64_t{kChunk} ? static_cast<size_t>(left) : kChunk);
      if (bytes.empty()) return false;
      if (!write_all(fd, bytes, extent.offset + at)) return false;
      at += static_cast<int64_t>(bytes.size());
    }
  }
  const long cut = sys::call(__NR_ftruncate, fd, entry.size);
  return cut < 0 ? fail(cut, "ftruncate") : true;
}

bool LayerWriter::add_file(const tar::Entry& entry) {
  Place place;
  if (!find_parent(path_, place)) return false;
  UniqueFd fd;
  bool was_whiteout = false;
  const auto open = [&](const Place& at) {
    const long opened =
        sys::call(__NR_openat, at.parent, at.name,
                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, entry.mode & kPermissions);
    if (opened >= 0) fd.reset(static_cast<int>(opened));
    return opened;
  };
  if (!make(place, "openat", open, was_whiteout)) return false;
  if (!write_data(fd.get(), entry) || !set_owner(entry, place, fd.get())) return false;
  bytes_ += static_cast<uint64_t>(entry.size);
  // After the owner, a change of which takes these away, and security.capability.
  if ((entry.mode & kSpecial) != 0)
    if (const long set = sys::call(__NR_fchmod, fd.get(), entry.mode); set < 0)
      return fail(set, "fchmod");
  if (!entry.attributes.empty() && !set_attributes(entry, fd.get(), nullptr)) return false;
  const long set = set_times(fd.get(), nullptr, entry.modified, 0);
  return set < 0 ? fail(set, "utimensat") : true;
}

bool LayerWriter::add_hard_link(const tar::Entry& entry) {
  std::string target;
  if (!normalize_path(entry.link, options_.path, target).ok() || target.empty())
    return fail(Refusal::kUnsafeLink, "a hard link to a name with `..`, or to the root");
  Place place;
  if (!find_parent(path_, place)) return false;
  const int from = directories_.find(parent_of(target));
  // Looking it up may have closed the other one.
  if (from >= 0 && !find_parent(path_, place)) return false;
  const char* name = base_of(target).data();
  const auto link = [&](const Place& at) {
    if (from < 0) return static_cast<long>(from);
    return sys::call(__NR_linkat, from, name, at.parent, at.name, 0);
  };
  long made = link(place);
  if (made == -EEXIST) {
    struct statx old {
    }, wanted{};
    if (status_of(place.parent, place.name, old) == 0 && status_of(from, name, wanted) == 0 &&
        old.stx_ino == wanted.stx_ino)
      return true;
    bool was_whiteout = false;
    if (!make_room(place, path_, was_whiteout)) return false;
    made = link(place);
  }
  if (made == -ENOENT || made == -ENOTDIR || made == -ELOOP || made == -EPERM)
    return fail(Refusal::kUnsafeLink, "a hard link to no file of this archive");
  return made < 0 ? fail(made, "linkat") : true;
}

// Links, fifos and devices.
bool LayerWriter::add_node(const tar::Entry& entry) {
  Place place;
  bool was_whiteout = false;
  if (entry.kind == tar::Kind::kSymlink) {
    if (entry.link.empty()) return fail(Refusal::kInvalidHeader, "a link to nothing");
    if (!find_parent(path_, place)) return false;
    const auto link = [&](const Place& at) {
      return sys::call(__NR_symlinkat, entry.link.c_str(), at.parent, at.name);
    };
    if (!make(place, "symlinkat", link, was_whiteout)) return false;
  } else {
    const bool device = entry.kind != tar::Kind::kFifo;
    if (device &&
        (entry.major < 0 || entry.major > 0xfff || entry.minor < 0 || entry.minor > 0xfffff))
      return fail(Refusal::kInvalidHeader, "a device with a number that is none");
    const bool hides = entry.kind == tar::Kind::kCharacter && entry.major == 0 && entry.minor == 0;
    if (device && !options_.devices && !hides) {
      ++skipped_;
      return true;
    }
    if (!find_parent(path_, place)) return false;
    const uint32_t type = !device ? S_IFIFO : entry.kind == tar::Kind::kBlock ? S_IFBLK : S_IFCHR;
    const auto number = static_cast<unsigned>((entry.minor & 0xff) | entry.major << 8 |
                                              (entry.minor & ~int64_t{0xff}) << 12);
    const auto make_node = [&](const Place& at) {
      return sys::call(__NR_mknodat, at.parent, at.name, type | (entry.mode & kPermissions),
                       device ? number : 0u);
    };
    if (!make(place, "mknodat", make_node, was_whiteout)) return false;
  }
  if (!set_owner(entry, place, -1)) return false;
  if ((entry.mode & kSpecial) != 0 && entry.kind != tar::Kind::kSymlink)
    if (const long set = sys::call(__NR_fchmodat, place.parent, place.name, entry.mode); set < 0)
      return fail(set, "fchmodat");
  if (!entry.attributes.empty() && !set_attributes(entry, -1, nullptr)) return false;
  const long set = set_times(place.parent, place.name, entry.modified, AT_SYMLINK_NOFOLLOW);
  return set < 0 ? fail(set, "utimensat") : true;
}

bool LayerWriter::finish() {
  for (const auto& [path, record] : directories_.all()) {
    if (record.implied && !record.given) continue;
    path_ = path;
    const char* name = path.empty() ? "." : path.c_str();
    const int root = directories_.root();
    if (record.mode != 0)
      if (const long set = sys::call(__NR_fchmodat, root, name, record.mode);
          set < 0 && !is_gone(set))
        return fail(set, "fchmodat");
    if (!record.default_acl.empty()) {
      const std::string full = "/" + path;
      const long set = sys::call(__NR_lsetxattr, full.c_str(), kDefaultAcl.data(),
                                 record.default_acl.data(), record.default_acl.size(), 0);
      if (set == -EINVAL) return fail(Refusal::kInvalidHeader, "a malformed extended attribute");
      if (set < 0 && set != -EOPNOTSUPP && !is_gone(set)) return fail(set, "setxattr");
    }
    if (const long set = set_times(root, name, record.modified, AT_SYMLINK_NOFOLLOW);
        set < 0 && !is_gone(set))
      return fail(set, "utimensat");
  }
  return true;
}

}  // namespace caisson
