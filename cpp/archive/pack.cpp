#include "pack.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <map>
#include <utility>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../steps/regular_file.h"
#include "../steps/resolve.h"
#include "diff.h"
#include "file_access.h"
#include "tar_writer.h"

namespace caisson::archive {
namespace {

constexpr size_t kChunk = 256 << 10;

class Packer {
 public:
  Packer(View& view, int output);

  // The descriptor is O_PATH.
  Status add(UniqueFd file, const std::string& name);
  // What is in the root directory, under its own names. The directory itself comes along if it is
  // not as usual.
  Status add_root(UniqueFd file);
  // Without what is in it.
  Status add_alone(UniqueFd file, const std::string& name);
  // The mark of a file that was removed.
  Status add_whiteout(const std::string& name);
  // The archive has this in place of what is at `place`.
  void replace(std::string place, int fd) { replaced_.emplace(std::move(place), fd); }
  Status finish() { return writer_.finish(); }

 private:
  struct Level {
    UniqueFd directory;
    std::string name;  // with a slash at the end
    std::vector<std::string> names;
    size_t next = 0;
  };

  Status add_one(UniqueFd file, const std::string& name, std::vector<Level>& levels);
  Status add_below(std::vector<Level>& levels);
  Status add_data(int file, uint64_t size);
  // Whether the file is one that the archive has; `link` is its name there.
  bool is_known(const struct statx& info, const std::string& name, std::string& link);

  // A directory of the kernel's or the engine's, whose files make no sense elsewhere.
  bool is_kernels(int directory, const struct statx& info) const;

  View& view_;
  uint64_t devices_ = 0;  // the inode of the engine's /dev
  Output output_;
  tar::Writer writer_;
  std::map<std::string, int> replaced_;
  std::map<std::pair<uint64_t, uint64_t>, std::string> links_;
};

Packer::Packer(View& view, int output) : view_(view), output_(output), writer_(output_) {
  auto devices = open_entry(view.root.get(), "dev", O_PATH);
  struct statx info {};
  struct statfs state {};
  if (devices.ok() && look(devices.value().get(), info).ok() &&
      sys::call(__NR_fstatfs, devices.value().get(), &state) == 0 && state.f_type == TMPFS_MAGIC &&
      (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
    devices_ = info.stx_ino;
}

bool Packer::is_kernels(int directory, const struct statx& info) const {
  struct statfs state {};
  if (sys::call(__NR_fstatfs, directory, &state) < 0) return false;
  if (state.f_type == TMPFS_MAGIC) return devices_ != 0 && info.stx_ino == devices_;
  return is_kernel_filesystem(static_cast<unsigned>(state.f_type));
}

tar::Entry entry_of(const struct statx& info, std::string name) {
  tar::Entry entry;
  entry.name = std::move(name);
  entry.mode = info.stx_mode & 07777u;
  entry.uid = info.stx_uid;
  entry.gid = info.stx_gid;
  entry.modified = {info.stx_mtime.tv_sec, info.stx_mtime.tv_nsec};
  return entry;
}

bool Packer::is_known(const struct statx& info, const std::string& name, std::string& link) {
  if (info.stx_nlink < 2 || (info.stx_mode & S_IFMT) == S_IFDIR) return false;
  const auto device = uint64_t{info.stx_dev_major} << 32 | info.stx_dev_minor;
  const auto [found, is_new] = links_.try_emplace({device, info.stx_ino}, name);
  if (!is_new) link = found->second;
  return !is_new;
}

// As many bytes as were announced, whatever becomes of the file meanwhile.
Status Packer::add_data(int file, uint64_t size) {
  std::vector<char> chunk(kChunk);
  uint64_t left = size;
  while (left > 0) {
    const size_t wanted = left < kChunk ? left : kChunk;
    const long got = sys::call(__NR_read, file, chunk.data(), wanted);
    if (got == -EINTR) continue;
    if (got < 0) return failure(got, "read");
    size_t count = static_cast<size_t>(got);
    if (got == 0) {
      count = wanted;
      std::fill(chunk.begin(), chunk.end(), '\0');
    }
    if (Status written = writer_.data(chunk.data(), count); !written.ok()) return written;
    left -= count;
  }
  return writer_.end_of_data(size);
}

Status Packer::add_one(UniqueFd file, const std::string& name, std::vector<Level>& levels) {
  struct statx info {};
  if (Status looked = look(file.get(), info); !looked.ok()) return looked;
  tar::Entry entry = entry_of(info, name);
  const auto format = info.stx_mode & S_IFMT;
  if (format == S_IFSOCK) return {};  // has no meaning without its process
  if (is_known(info, name, entry.link)) {
    entry.kind = tar::Kind::kHardLink;
    return writer_.header(entry);
  }
  UniqueFd open;
  if (format == S_IFREG || format == S_IFDIR) {
    auto opened = reopen(view_.own_descriptors.get(), file.get(),
                         format == S_IFDIR ? O_RDONLY | O_DIRECTORY : O_RDONLY);
    if (!opened.ok()) return opened.error();
    open = opened.take();
    auto attributes = read_attributes(open.get());
    if (!attributes.ok()) return attributes.error();
    entry.attributes = attributes.take();
  }
  switch (format) {
    case S_IFREG:
      if (Status looked = look(open.get(), info); !looked.ok()) return looked;
      entry.size = static_cast<int64_t>(info.stx_size);
      if (Status written = writer_.header(entry); !written.ok()) return written;
      return add_data(open.get(), info.stx_size);
    case S_IFLNK:
      entry.kind = tar::Kind::kSymlink;
      entry.link = read_link(file.get());
      break;
    case S_IFCHR:
    case S_IFBLK:
      entry.kind = format == S_IFCHR ? tar::Kind::kCharacter : tar::Kind::kBlock;
      entry.major = info.stx_rdev_major;
      entry.minor = info.stx_rdev_minor;
      break;
    case S_IFIFO:
      entry.kind = tar::Kind::kFifo;
      break;
    case S_IFDIR: {
      entry.kind = tar::Kind::kDirectory;
      if (!entry.name.ends_with('/')) entry.name += '/';
      if (Status written = writer_.header(entry); !written.ok()) return written;
      if (is_kernels(open.get(), info)) return {};
      auto names = list_names(open.get());
      if (!names.ok()) return names.error();
      levels.push_back({static_cast<UniqueFd&&>(open), entry.name, names.take()});
      return {};
    }
    default:
      return {};
  }
  return writer_.header(entry);
}

Status Packer::add(UniqueFd file, const std::string& name) {
  std::vector<Level> levels;
  if (Status added = add_one(static_cast<UniqueFd&&>(file), name, levels); !added.ok())
    return added;
  return add_below(levels);
}

Status Packer::add_alone(UniqueFd file, const std::string& name) {
  std::vector<Level> below;
  return add_one(static_cast<UniqueFd&&>(file), name, below);
}

Status Packer::add_whiteout(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t base = slash == std::string::npos ? 0 : slash + 1;
  tar::Entry entry;
  entry.name = name.substr(0, base) + ".wh." + name.substr(base);
  entry.mode = 0600;
  if (Status written = writer_.header(entry); !written.ok()) return written;
  return writer_.end_of_data(0);
}

Status Packer::add_root(UniqueFd file) {
  struct statx info {};
  if (Status looked = look(file.get(), info); !looked.ok()) return looked;
  std::vector<Level> levels;
  if (info.stx_mode != (S_IFDIR | 0755) || info.stx_uid != 0 || info.stx_gid != 0) {
    if (Status added = add_one(static_cast<UniqueFd&&>(file), "./", levels); !added.ok())
      return added;
    levels.back().name.clear();
    return add_below(levels);
  }
  auto open = reopen(view_.own_descriptors.get(), file.get(), O_RDONLY | O_DIRECTORY);
  if (!open.ok()) return open.error();
  auto names = list_names(open.value().get());
  if (!names.ok()) return names.error();
  levels.push_back({open.take(), "", names.take()});
  return add_below(levels);
}

// Not recursive: a tree may be as deep as its container likes.
Status Packer::add_below(std::vector<Level>& levels) {
  while (!levels.empty()) {
    Level& level = levels.back();
    if (level.next == level.names.size()) {
      levels.pop_back();
      continue;
    }
    const std::string& below = level.names[level.next++];
    const std::string path = level.name + below;
    UniqueFd found;
    if (const auto other = replaced_.find(path); other != replaced_.end()) {
      found = UniqueFd(static_cast<int>(sys::call(__NR_fcntl, other->second, F_DUPFD_CLOEXEC, 0)));
    } else {
      auto opened = open_entry(level.directory.get(), below.c_str(), O_PATH);
      // Removed meanwhile.
      if (opened.error().number == ENOENT) continue;
      if (!opened.ok()) return opened.error();
      found = opened.take();
    }
    if (Status added = add_one(static_cast<UniqueFd&&>(found), path, levels); !added.ok())
      return added;
  }
  return {};
}

}  // namespace

Status pack(View& view, const char* path, std::string_view name, bool follow, int output) {
  UniqueFd file;
  if (follow) {
    auto opened = open_below(view.root.get(), path, O_PATH);
    if (!opened.ok()) return opened.error();
    file = opened.take();
  } else {
    auto place = find_place(view.root.get(), path);
    if (!place.ok()) return place.error();
    auto opened = open_entry(place.value().directory.get(), place.value().name.c_str(), O_PATH);
    if (!opened.ok()) return opened.error();
    file = opened.take();
  }
  Packer packer(view, output);
  if (Status added = packer.add(static_cast<UniqueFd&&>(file), std::string(name)); !added.ok())
    return added;
  return packer.finish();
}

Status pack_layer(View& view, const std::set<std::string>& hidden, int output) {
  class Layer final : public Changes {
   public:
    Layer(View& view, int output) : packer_(view, output) {}
    Status change(char kind, const std::string& path, int file) override {
      const std::string name = path.substr(1);
      if (kind == 'D') return packer_.add_whiteout(name);
      const long copy = sys::call(__NR_fcntl, file, F_DUPFD_CLOEXEC, 0);
      if (copy < 0) return failure(copy, "fcntl");
      return packer_.add_alone(UniqueFd(static_cast<int>(copy)), name);
    }
    Status finish() { return packer_.finish(); }

   private:
    Packer packer_;
  } layer(view, output);
  if (Status compared = compare(view, hidden, layer); !compared.ok()) return compared;
  return layer.finish();
}

Status pack_parts(View& view, int output) {
  if (view.parts.empty()) return Error{EINVAL, "request"};
  Packer packer(view, output);
  for (size_t i = 1; i < view.parts.size(); ++i)
    packer.replace(view.parts[i].place.substr(1), view.parts[i].mount.get());
  const long root = sys::call(__NR_fcntl, view.parts[0].mount.get(), F_DUPFD_CLOEXEC, 0);
  if (root < 0) return failure(root, "fcntl");
  if (Status added = packer.add_root(UniqueFd(static_cast<int>(root))); !added.ok()) return added;
  return packer.finish();
}

}  // namespace caisson::archive
