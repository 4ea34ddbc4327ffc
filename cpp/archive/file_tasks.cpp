#include "file_tasks.h"

#include <sys/stat.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../steps/resolve.h"
#include "file_access.h"

namespace caisson::archive {
namespace {

// Of an answer with names.
constexpr size_t kFullAnswer = 256 << 10;

Result<UniqueFd> open_place(View& view, const std::string& path, bool follow) {
  if (follow || path.ends_with('/')) return open_below(view.root.get(), path.c_str(), O_PATH);
  auto place = find_place(view.root.get(), path);
  if (!place.ok()) return place.error();
  return open_entry(place.value().directory.get(), place.value().name.c_str(), O_PATH);
}

void add_stat(const struct statx& info, std::string_view link, FrameWriter& answer) {
  answer.number<uint32_t>(info.stx_mode);
  answer.number<uint32_t>(info.stx_uid);
  answer.number<uint32_t>(info.stx_gid);
  answer.number<uint64_t>(info.stx_size);
  answer.number<int64_t>(info.stx_mtime.tv_sec);
  answer.number<uint32_t>(info.stx_mtime.tv_nsec);
  answer.text(link);
}

Status add_file(int file, FrameWriter& answer) {
  struct statx info {};
  if (Status looked = look(file, info); !looked.ok()) return looked;
  add_stat(info, (info.stx_mode & S_IFMT) == S_IFLNK ? read_link(file) : std::string(), answer);
  return {};
}

// The last component, in a directory that is there.
Status at_place(View& view, const std::string& path, long (*change)(int, const char*, uint32_t),
                uint32_t argument, const char* call) {
  auto place = find_place(view.root.get(), path);
  if (!place.ok()) return place.error();
  return check(change(place.value().directory.get(), place.value().name.c_str(), argument), call);
}

}  // namespace

Status stat_path(View& view, const std::string& path, bool follow, FrameWriter& answer) {
  auto file = open_place(view, path, follow);
  if (!file.ok()) return file.error();
  return add_file(file.value().get(), answer);
}

Status list_directory(View& view, const std::string& path, uint32_t from, FrameWriter& answer) {
  auto place = open_below(view.root.get(), path.c_str(), O_PATH | O_DIRECTORY);
  if (!place.ok()) return place.error();
  auto open = reopen(view.own_descriptors.get(), place.value().get(), O_RDONLY | O_DIRECTORY);
  if (!open.ok()) return open.error();
  auto names = list_names(open.value().get());
  if (!names.ok()) return names.error();
  const auto total = static_cast<uint32_t>(names.value().size());
  answer.number(total);
  for (uint32_t i = from; i < total && answer.size() < kFullAnswer; ++i) {
    const std::string& name = names.value()[i];
    auto file = open_entry(open.value().get(), name.c_str(), O_PATH);
    answer.text(name);
    // Removed meanwhile: it has no mode.
    if (!file.ok() || !add_file(file.value().get(), answer).ok()) add_stat({}, "", answer);
  }
  return {};
}

Result<UniqueFd> open_file(View& view, const std::string& path, uint32_t flags, uint32_t mode) {
  uint64_t how = (flags & kOpenWrite) != 0 ? O_WRONLY : O_RDONLY;
  if ((flags & kOpenTruncate) != 0) how |= O_TRUNC;
  if ((flags & kOpenAppend) != 0) how |= O_APPEND;
  // Between a look that finds nothing and the creation, another process may make it.
  for (int attempt = 0; attempt < 8; ++attempt) {
    if ((flags & kOpenExclusive) == 0) {
      auto found = open_below(view.root.get(), path.c_str(), O_PATH);
      if (found.ok()) {
        struct statx info {};
        if (Status looked = look(found.value().get(), info); !looked.ok()) return looked.error();
        const auto format = info.stx_mode & S_IFMT;
        if (format == S_IFDIR) return Error{EISDIR, "openat"};
        if (format != S_IFREG) return Error{EINVAL, "openat"};
        return reopen(view.own_descriptors.get(), found.value().get(), how);
      }
      if (found.error().number != ENOENT || (flags & kOpenCreate) == 0) return found;
    }
    auto made = open_below(view.root.get(), path.c_str(), how | O_CREAT | O_EXCL | O_NOFOLLOW,
                           Follow::kInRoot, mode & 07777);
    if (made.ok() || made.error().number != EEXIST || (flags & kOpenExclusive) != 0) return made;
  }
  // A link to what does not exist.
  return Error{ENOENT, "openat2"};
}

Status make_directory(View& view, const std::string& path, uint32_t mode, bool recursive) {
  if (recursive) {
    auto made = ensure_directory(view.root.get(), path.c_str(), Follow::kInRoot, mode & 07777);
    return made.ok() ? Status() : Status(made.error());
  }
  return at_place(
      view, path,
      [](int directory, const char* name, uint32_t bits) {
        return sys::call(__NR_mkdirat, directory, name, bits);
      },
      mode & 07777, "mkdirat");
}

Status remove_path(View& view, const std::string& path, bool recursive) {
  auto place = find_place(view.root.get(), path);
  if (!place.ok()) return place.error();
  if (place.value().name == ".") return Error{EBUSY, "unlinkat"};
  struct Level {
    UniqueFd directory;
    std::string name;
  };
  std::vector<Level> levels;
  levels.push_back({static_cast<UniqueFd&&>(place.value().directory), place.value().name});
  // From the innermost outwards; each name is looked at again when what is in it has gone.
  while (!levels.empty()) {
    const int directory = levels.back().directory.get();
    const char* const name = levels.back().name.c_str();
    long gone = sys::call(__NR_unlinkat, directory, name, 0);
    if (gone == -EISDIR) gone = sys::call(__NR_unlinkat, directory, name, AT_REMOVEDIR);
    if (gone == 0 || (gone == -ENOENT && levels.size() > 1)) {
      levels.pop_back();
      continue;
    }
    if (gone != -ENOTEMPTY || !recursive) return failure(gone, "unlinkat");
    auto open = open_entry(directory, name, O_RDONLY | O_DIRECTORY);
    if (!open.ok()) return open.error();
    auto names = list_names(open.value().get());
    if (!names.ok()) return names.error();
    // Files at once; a directory is a level of its own, and its name is looked at again.
    std::string inner;
    for (const std::string& one : names.value()) {
      const long removed = sys::call(__NR_unlinkat, open.value().get(), one.c_str(), 0);
      if (removed == 0 || removed == -ENOENT) continue;
      if (removed != -EISDIR) return failure(removed, "unlinkat");
      inner = one;
    }
    if (!inner.empty()) levels.push_back({open.take(), inner});
  }
  return {};
}

Status rename_path(View& view, const std::string& from, const std::string& to) {
  auto old_place = find_place(view.root.get(), from);
  if (!old_place.ok()) return old_place.error();
  auto new_place = find_place(view.root.get(), to);
  if (!new_place.ok()) return new_place.error();
  return check(
      sys::call(__NR_renameat2, old_place.value().directory.get(), old_place.value().name.c_str(),
                new_place.value().directory.get(), new_place.value().name.c_str(), 0),
      "renameat2");
}

Status change_mode(View& view, const std::string& path, uint32_t mode) {
  auto file = open_below(view.root.get(), path.c_str(), O_PATH);
  if (!file.ok()) return file.error();
  const std::string number = std::to_string(file.value().get());
  return check(sys::call(__NR_fchmodat, view.own_descriptors.get(), number.c_str(), mode & 07777),
               "fchmodat");
}

Status change_owner(View& view, const std::string& path, uint32_t uid, uint32_t gid) {
  auto file = open_below(view.root.get(), path.c_str(), O_PATH);
  if (!file.ok()) return file.error();
  return check(sys::call(__NR_fchownat, file.value().get(), "", uid, gid, AT_EMPTY_PATH),
               "fchownat");
}

Status make_symlink(View& view, const std::string& target, const std::string& path) {
  auto place = find_place(view.root.get(), path);
  if (!place.ok()) return place.error();
  return check(sys::call(__NR_symlinkat, target.c_str(), place.value().directory.get(),
                         place.value().name.c_str()),
               "symlinkat");
}

}  // namespace caisson::archive
