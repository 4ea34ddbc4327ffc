#include "diff.h"

#include <sys/stat.h>

#include <algorithm>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "buffered_output.h"
#include "file_access.h"

namespace caisson::archive {
namespace {

// Whether a file is overlay's mark for one that was removed.
bool is_whiteout(const struct statx& info) {
  return (info.stx_mode & S_IFMT) == S_IFCHR && info.stx_rdev_major == 0 &&
         info.stx_rdev_minor == 0;
}

bool is_directory(const struct statx& info) {
  return (info.stx_mode & S_IFMT) == S_IFDIR;
}

// Times that an archive has carried may have lost their nanoseconds.
bool same_time(const statx_timestamp& a, const statx_timestamp& b) {
  return a.tv_sec == b.tv_sec && (a.tv_nsec == b.tv_nsec || a.tv_nsec == 0 || b.tv_nsec == 0);
}

std::string capability(int own_descriptors, int file) {
  std::string value(64, '\0');
  auto open = reopen(own_descriptors, file, O_RDONLY);
  if (!open.ok()) return {};
  const long size = sys::call(__NR_fgetxattr, open.value().get(), "security.capability",
                              value.data(), value.size());
  value.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return value;
}

class Lines final : public Changes {
 public:
  explicit Lines(int output) : output_(output) {}
  Status change(char kind, const std::string& path, int /*file*/) override {
    return output_.write(kind + path + '\0');
  }
  Status finish() { return output_.flush(); }

 private:
  Output output_;
};

class Comparison {
 public:
  Comparison(View& view, const std::set<std::string>& hidden, Changes& changes)
      : view_(view), hidden_(hidden), changes_(changes) {}

  // `uppers`: the container's layers, the top one first. `lower` is -1 where there is nothing
  // below, or what is there is hidden.
  Status compare(std::vector<UniqueFd> uppers, UniqueFd lower);

 private:
  struct Level {
    std::vector<UniqueFd> uppers;
    UniqueFd lower;  // invalid where there is nothing to compare with
    std::string path;
    std::vector<std::string> names;
    bool opaque = false, told = false;
    size_t next = 0;
  };
  // What the layers have of one name.
  struct Merged {
    std::vector<UniqueFd> files;  // of a directory, all that it is made of; otherwise one or none
    struct statx info {};         // of the first
    bool opaque = false;          // what is below them is hidden
  };

  Status enter(std::vector<UniqueFd> uppers, bool opaque, UniqueFd lower, std::string path,
               bool told);
  Status merge(const Level& level, const std::string& name, Merged& merged);
  Status compare_one(const std::string& name);
  Status tell(char kind, const std::string& path, int file);
  bool is_opaque(int directory) const;
  Result<bool> changed(int upper, const struct statx& now, int lower, const struct statx& before);

  View& view_;
  const std::set<std::string>& hidden_;
  Changes& changes_;
  std::vector<Level> levels_;
};

// A change is told after those directories that it is in.
Status Comparison::tell(char kind, const std::string& path, int file) {
  for (Level& level : levels_) {
    if (level.told) continue;
    level.told = true;
    if (level.path.empty()) continue;  // the root
    if (Status told = changes_.change('C', level.path, level.uppers[0].get()); !told.ok())
      return told;
  }
  return changes_.change(kind, path, file);
}

bool Comparison::is_opaque(int directory) const {
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque"}) {
    char value = 0;
    if (sys::call(__NR_fgetxattr, directory, name, &value, 1) == 1 && value == 'y') return true;
  }
  return false;
}

Result<bool> Comparison::changed(int upper, const struct statx& now, int lower,
                                 const struct statx& before) {
  if (now.stx_mode != before.stx_mode || now.stx_uid != before.stx_uid ||
      now.stx_gid != before.stx_gid || now.stx_rdev_major != before.stx_rdev_major ||
      now.stx_rdev_minor != before.stx_rdev_minor)
    return true;
  if (is_directory(now)) return false;
  if (now.stx_size != before.stx_size || !same_time(now.stx_mtime, before.stx_mtime)) return true;
  const int own = view_.own_descriptors.get();
  return (now.stx_mode & S_IFMT) == S_IFREG && capability(own, upper) != capability(own, lower);
}

Status Comparison::enter(std::vector<UniqueFd> uppers, bool opaque, UniqueFd lower,
                         std::string path, bool told) {
  const int own = view_.own_descriptors.get();
  Level level;
  for (const UniqueFd& upper : uppers) {
    auto open = reopen(own, upper.get(), O_RDONLY | O_DIRECTORY);
    if (!open.ok()) return open.error();
    auto names = list_names(open.value().get());
    if (!names.ok()) return names.error();
    level.names.insert(level.names.end(), names.value().begin(), names.value().end());
    level.uppers.push_back(open.take());
    opaque = opaque || is_opaque(level.uppers.back().get());
    if (is_opaque(level.uppers.back().get())) break;
  }
  level.lower = static_cast<UniqueFd&&>(lower);
  level.path = std::move(path);
  level.told = told;
  level.opaque = level.lower.valid() && opaque;
  if (level.opaque) {
    // What is below and not here was removed.
    auto below = reopen(own, level.lower.get(), O_RDONLY | O_DIRECTORY);
    if (!below.ok()) return below.error();
    auto hidden = list_names(below.value().get());
    if (!hidden.ok()) return hidden.error();
    level.names.insert(level.names.end(), hidden.value().begin(), hidden.value().end());
  }
  if (level.opaque || level.uppers.size() > 1) {
    std::sort(level.names.begin(), level.names.end());
    level.names.erase(std::unique(level.names.begin(), level.names.end()), level.names.end());
  }
  levels_.push_back(static_cast<Level&&>(level));
  return {};
}

// A directory is made of those of all layers down to one that has something else of that name.
Status Comparison::merge(const Level& level, const std::string& name, Merged& merged) {
  for (const UniqueFd& upper : level.uppers) {
    auto found = open_entry(upper.get(), name.c_str(), O_PATH);
    if (!found.ok() && found.error().number == ENOENT) continue;
    if (!found.ok()) return found.error();
    struct statx info {};
    if (Status looked = look(found.value().get(), info); !looked.ok()) return looked;
    merged.opaque = !is_directory(info);
    if (!merged.files.empty() && merged.opaque) return {};
    if (is_whiteout(info)) return {};
    if (merged.files.empty()) merged.info = info;
    merged.files.push_back(found.take());
    if (merged.opaque) return {};
  }
  return {};
}

Status Comparison::compare_one(const std::string& name) {
  const Level& level = levels_.back();
  const std::string path = level.path + "/" + name;
  UniqueFd before;
  struct statx then {};
  if (level.lower.valid()) {
    auto found = open_entry(level.lower.get(), name.c_str(), O_PATH);
    if (!found.ok() && found.error().number != ENOENT) return found.error();
    if (found.ok()) {
      before = found.take();
      if (Status looked = look(before.get(), then); !looked.ok()) return looked;
    }
  }
  Merged merged;
  if (Status found = merge(level, name, merged); !found.ok()) return found;
  if (merged.files.empty()) {
    // A file that came and went leaves no trace, or a whiteout of nothing.
    const bool removed = before.valid() && (merged.opaque || level.opaque);
    return removed ? tell('D', path, -1) : Status();
  }
  const struct statx& now = merged.info;
  const int file = merged.files[0].get();
  const bool added = !before.valid();
  if (added && hidden_.contains(path)) return {};
  bool told = false;
  if (added) {
    if (Status done = tell('A', path, file); !done.ok()) return done;
    told = true;
  } else {
    auto different = changed(file, now, before.get(), then);
    if (!different.ok()) return different.error();
    told = different.value();
    if (told)
      if (Status done = tell('C', path, file); !done.ok()) return done;
  }
  if (!is_directory(now)) return {};
  if (!added && !is_directory(then)) before.reset();
  return enter(static_cast<std::vector<UniqueFd>&&>(merged.files), merged.opaque,
               static_cast<UniqueFd&&>(before), path, told);
}

Status Comparison::compare(std::vector<UniqueFd> uppers, UniqueFd lower) {
  if (Status entered = enter(static_cast<std::vector<UniqueFd>&&>(uppers), false,
                             static_cast<UniqueFd&&>(lower), "", true);
      !entered.ok())
    return entered;
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next == level.names.size()) {
      levels_.pop_back();
      continue;
    }
    const std::string name = level.names[level.next++];
    if (Status compared = compare_one(name); !compared.ok()) return compared;
  }
  return {};
}

}  // namespace

Status compare(View& view, const std::set<std::string>& hidden, Changes& changes) {
  if (view.uppers.empty()) return {};
  return Comparison(view, hidden, changes)
      .compare(static_cast<std::vector<UniqueFd>&&>(view.uppers),
               static_cast<UniqueFd&&>(view.lower));
}

Status diff(View& view, const std::set<std::string>& hidden, int output) {
  Lines lines(output);
  if (Status compared = compare(view, hidden, lines); !compared.ok()) return compared;
  return lines.finish();
}

}  // namespace caisson::archive
