#include "extract.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <vector>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../steps/resolve.h"
#include "../tar/tar_reader.h"
#include "file_access.h"

namespace caisson::archive {
namespace {

// The bytes of a descriptor.
class Input : public ByteSource {
 public:
  explicit Input(int fd) : fd_(fd), buffer_(256 << 10) {}

  Bytes take(size_t most) override {
    if (at_ == end_) fill();
    const size_t size = end_ - at_ < most ? end_ - at_ : most;
    const Bytes bytes(buffer_.data() + at_, size);
    at_ += size;
    return bytes;
  }
  Trouble trouble() const override { return trouble_; }

 private:
  void fill() {
    long got;
    do
      got = sys::call(__NR_read, fd_, buffer_.data(), buffer_.size());
    while (got == -EINTR);
    if (got < 0) trouble_ = {Refusal::kSystem, "read", static_cast<int>(-got)};
    at_ = 0;
    end_ = got > 0 ? static_cast<size_t>(got) : 0;
  }

  int fd_;
  std::vector<uint8_t> buffer_;
  size_t at_ = 0, end_ = 0;
  Trouble trouble_;
};

// `a/b` for `./a//b/`; empty for the directory itself. False for a name with `..`.
bool clean_name(std::string_view name, std::string& clean) {
  clean.clear();
  while (!name.empty()) {
    const size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    name = slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
    if (part == "..") return false;
    if (part.empty() || part == ".") continue;
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  return true;
}

class Extractor {
 public:
  Extractor(View& view, const char* path, UniqueFd directory, const ExtractOptions& options)
      : view_(view), path_(path), directory_(directory.release()), options_(options) {}

  Status add(const tar::Entry& entry, tar::Reader& reader);
  // Directories get their times last: each file that is made in one changes them.
  Status finish();

 private:
  struct Times {
    UniqueFd directory;
    tar::Time modified;
  };

  Result<UniqueFd> open_parent(std::string_view path);
  Status make(const tar::Entry& entry, int parent, const char* name, tar::Reader& reader);
  Status make_file(const tar::Entry& entry, int parent, const char* name, tar::Reader& reader);
  Status make_directory(const tar::Entry& entry, int parent, const char* name);
  Status make_hard_link(const tar::Entry& entry, int parent, const char* name);
  Status make_way(const tar::Entry& entry, int parent, const char* name);
  Status give_owner(const tar::Entry& entry, int parent, const char* name);
  Status give_attributes(const tar::Entry& entry, int fd);

  View& view_;
  std::string path_;
  UniqueFd directory_;
  ExtractOptions options_;
  std::vector<Times> times_;
};

// Directories that the archive does not have are made.
Result<UniqueFd> Extractor::open_parent(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string parent(slash == std::string_view::npos ? "." : path.substr(0, slash));
  auto found = ensure_directory(directory_.get(), parent.c_str(), Follow::kBeneath);
  if (found.error().number != EXDEV) return found;
  // A link that leads out of the directory, but not out of the view.
  const std::string whole = path_ + "/" + parent;
  return ensure_directory(view_.root.get(), whole.c_str());
}

// What is in the way of an entry.
Status Extractor::make_way(const tar::Entry& entry, int parent, const char* name) {
  auto found = open_entry(parent, name, O_PATH);
  if (found.error().number == ENOENT) return {};
  if (!found.ok()) return found.error();
  struct statx info {};
  if (Status looked = look(found.value().get(), info); !looked.ok()) return looked;
  const bool was_directory = (info.stx_mode & S_IFMT) == S_IFDIR;
  const bool is_directory = entry.kind == tar::Kind::kDirectory;
  if (was_directory && is_directory) return {};
  if (was_directory) return Error{EISDIR, "unlinkat"};
  if (is_directory) return Error{ENOTDIR, "mkdirat"};
  return check(sys::call(__NR_unlinkat, parent, name, 0), "unlinkat");
}

// With an empty name, of the file that is open.
Status Extractor::give_owner(const tar::Entry& entry, int parent, const char* name) {
  if (options_.owners == Owners::kOfProcess) return {};
  const long given = sys::call(__NR_fchownat, parent, name, entry.uid, entry.gid,
                               AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  if (given == -EINVAL && options_.owners == Owners::kWhereMapped) return {};
  return check(given, "fchownat");
}

// After the owner was given, which takes rights away.
Status Extractor::give_attributes(const tar::Entry& entry, int fd) {
  if (const long set = sys::call(__NR_fchmod, fd, entry.mode); set < 0)
    return failure(set, "fchmod");
  for (const tar::Attribute& attribute : entry.attributes) {
    if (!is_portable_attribute(attribute.name)) continue;
    const long set = sys::call(__NR_fsetxattr, fd, attribute.name.c_str(), attribute.value.data(),
                               attribute.value.size(), 0);
    // Where the file system has none, or this user may not, the file is without them, as with
    // Docker.
    if (set < 0 && set != -EOPNOTSUPP && set != -EPERM) return failure(set, "fsetxattr");
  }
  return {};
}

struct TimePair {
  int64_t accessed[2], modified[2];
};

TimePair times_of(const tar::Time& modified) {
  return {{0, UTIME_OMIT}, {modified.seconds, modified.nanoseconds}};
}

Status Extractor::make_file(const tar::Entry& entry, int parent, const char* name,
                            tar::Reader& reader) {
  constexpr uint64_t kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  long opened = sys::call(__NR_openat, parent, name, kNew, 0600);
  if (opened == -EEXIST) {
    // A mount, such as that of /etc/hosts, which cannot be removed: its content is replaced.
    auto place = open_entry(parent, name, O_PATH);
    if (!place.ok()) return place.error();
    struct statx info {};
    if (Status looked = look(place.value().get(), info); !looked.ok()) return looked;
    if ((info.stx_mode & S_IFMT) != S_IFREG) return Error{EBUSY, "openat"};
    auto again = reopen(view_.own_descriptors.get(), place.value().get(), O_WRONLY | O_TRUNC);
    if (!again.ok()) return again.error();
    opened = again.value().release();
  }
  if (opened < 0) return failure(opened, "openat");
  const UniqueFd file(static_cast<int>(opened));
  if (Status given = give_owner(entry, file.get(), ""); !given.ok()) return given;
  size_t extent = 0;
  int64_t at = 0, left = entry.sparse ? 0 : entry.size;
  for (;;) {
    if (entry.sparse && left == 0) {
      if (extent == entry.extents.size()) break;
      at = entry.extents[extent].offset;
      left = entry.extents[extent++].size;
      continue;
    }
    const Bytes bytes = reader.take(static_cast<size_t>(left));
    if (bytes.empty()) break;
    for (size_t done = 0; done < bytes.size();) {
      const long written = sys::call(__NR_pwrite64, file.get(), bytes.data() + done,
                                     bytes.size() - done, at + static_cast<int64_t>(done));
      if (written == -EINTR) continue;
      if (written < 0) return failure(written, "pwrite");
      done += static_cast<size_t>(written);
    }
    at += static_cast<int64_t>(bytes.size());
    left -= static_cast<int64_t>(bytes.size());
  }
  if (entry.sparse)
    if (const long set = sys::call(__NR_ftruncate, file.get(), entry.size); set < 0)
      return failure(set, "ftruncate");
  if (Status given = give_attributes(entry, file.get()); !given.ok()) return given;
  const TimePair times = times_of(entry.modified);
  return check(sys::call(__NR_utimensat, file.get(), nullptr, &times, 0), "utimensat");
}

Status Extractor::make_directory(const tar::Entry& entry, int parent, const char* name) {
  const long made = sys::call(__NR_mkdirat, parent, name, 0700);
  if (made < 0 && made != -EEXIST) return failure(made, "mkdirat");
  auto opened = open_entry(parent, name, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) return opened.error();
  if (Status given = give_owner(entry, opened.value().get(), ""); !given.ok()) return given;
  if (Status given = give_attributes(entry, opened.value().get()); !given.ok()) return given;
  times_.push_back({opened.take(), entry.modified});
  // So many can be open.
  constexpr size_t kMostOpen = 200;
  return times_.size() < kMostOpen ? Status() : finish();
}

Status Extractor::make_hard_link(const tar::Entry& entry, int parent, const char* name) {
  std::string target;
  if (!clean_name(entry.link, target) || target.empty()) return Error{EINVAL, "linkat"};
  auto directory = open_parent(target);
  if (!directory.ok()) return directory.error();
  const char* const base = target.c_str() + target.rfind('/') + 1;
  return check(sys::call(__NR_linkat, directory.value().get(), base, parent, name, 0), "linkat");
}

Status Extractor::make(const tar::Entry& entry, int parent, const char* name, tar::Reader& reader) {
  const long device = static_cast<long>(
      makedev(static_cast<unsigned>(entry.major), static_cast<unsigned>(entry.minor)));
  long made = 0;
  switch (entry.kind) {
    case tar::Kind::kFile:
      return make_file(entry, parent, name, reader);
    case tar::Kind::kDirectory:
      return make_directory(entry, parent, name);
    case tar::Kind::kHardLink:
      return make_hard_link(entry, parent, name);
    case tar::Kind::kSymlink:
      made = sys::call(__NR_symlinkat, entry.link.c_str(), parent, name);
      break;
    case tar::Kind::kCharacter:
      made = sys::call(__NR_mknodat, parent, name, S_IFCHR | 0600, device);
      break;
    case tar::Kind::kBlock:
      made = sys::call(__NR_mknodat, parent, name, S_IFBLK | 0600, device);
      break;
    case tar::Kind::kFifo:
      made = sys::call(__NR_mknodat, parent, name, S_IFIFO | 0600, 0);
      break;
  }
  if (made < 0) return failure(made, entry.kind == tar::Kind::kSymlink ? "symlinkat" : "mknodat");
  if (Status given = give_owner(entry, parent, name); !given.ok()) return given;
  if (entry.kind != tar::Kind::kSymlink) {
    // Not by its name, in whose place a process of the container may have put a link.
    auto place = open_entry(parent, name, O_PATH);
    if (!place.ok()) return place.error();
    const std::string number = std::to_string(place.value().get());
    const long set =
        sys::call(__NR_fchmodat, view_.own_descriptors.get(), number.c_str(), entry.mode);
    if (set < 0) return failure(set, "fchmodat");
  }
  const TimePair times = times_of(entry.modified);
  return check(sys::call(__NR_utimensat, parent, name, &times, AT_SYMLINK_NOFOLLOW), "utimensat");
}

Status Extractor::add(const tar::Entry& entry, tar::Reader& reader) {
  std::string path;
  if (!clean_name(entry.name, path)) return Error{EXDEV, "openat2"};
  if (path.empty()) {
    // The directory itself.
    if (entry.kind != tar::Kind::kDirectory) return Error{EISDIR, "openat2"};
    return make_directory(entry, directory_.get(), ".");
  }
  auto parent = open_parent(path);
  if (!parent.ok()) return parent.error();
  const char* const name = path.c_str() + path.rfind('/') + 1;
  Status clear = make_way(entry, parent.value().get(), name);
  if (!clear.ok() && clear.error().number != EBUSY) return clear;
  return make(entry, parent.value().get(), name, reader);
}

Status Extractor::finish() {
  // The innermost first.
  for (; !times_.empty(); times_.pop_back()) {
    const TimePair times = times_of(times_.back().modified);
    const long set = sys::call(__NR_utimensat, times_.back().directory.get(), nullptr, &times, 0);
    if (set < 0) return failure(set, "utimensat");
  }
  return {};
}

}  // namespace

void extract(View& view, const char* directory, const ExtractOptions& options, int input,
             ExtractResult& result) {
  auto opened = open_below(view.root.get(), directory, O_PATH | O_DIRECTORY);
  if (!opened.ok()) {
    result.status = opened.error();
    result.path = directory;
    return;
  }
  Input source(input);
  tar::Reader reader(source, {});
  Extractor extractor(view, directory, opened.take(), options);
  tar::Entry entry;
  while (reader.next(entry)) {
    result.status = extractor.add(entry, reader);
    if (!result.status.ok()) {
      result.path = entry.name;
      return;
    }
    ++result.entries;
    if (entry.kind == tar::Kind::kFile) result.bytes += static_cast<uint64_t>(entry.size);
  }
  result.trouble = reader.trouble();
  if (!result.trouble.ok()) {
    result.path = entry.name;
    return;
  }
  reader.drain();
  result.status = extractor.finish();
}

}  // namespace caisson::archive
