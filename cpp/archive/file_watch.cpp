#include "file_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../steps/resolve.h"

namespace caisson::archive {
namespace {

// The kernel's own limit for a user is usually larger.
constexpr size_t kMostWatched = 16384;

constexpr uint32_t kMask = IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_ATTRIB | IN_DELETE |
                           IN_MOVED_FROM | IN_ONLYDIR | IN_EXCL_UNLINK;

}  // namespace

Status Watches::open() {
  if (inotify_.valid()) return {};
  const long opened = sys::call(__NR_inotify_init1, IN_NONBLOCK | IN_CLOEXEC);
  if (opened < 0) return failure(opened, "inotify_init1");
  inotify_.reset(static_cast<int>(opened));
  return {};
}

// `found`: what is there already is told of, because it may have come before the watch.
Status Watches::watch_tree(UniqueFd directory, const std::string& path, uint32_t id, bool recursive,
                           std::vector<WatchEvent>* found) {
  struct Level {
    UniqueFd directory;
    std::string path;
  };
  std::vector<Level> levels;
  levels.push_back({static_cast<UniqueFd&&>(directory), path});
  while (!levels.empty()) {
    Level level = static_cast<Level&&>(levels.back());
    levels.pop_back();
    if (watched_.size() >= kMostWatched) return Error{ENOSPC, "inotify_add_watch"};
    // inotify takes a path only: that of the descriptor, in the directory of this process's own.
    if (const long moved = sys::call(__NR_fchdir, view_.own_descriptors.get()); moved < 0)
      return failure(moved, "fchdir");
    const std::string number = std::to_string(level.directory.get());
    const long watch = sys::call(__NR_inotify_add_watch, inotify_.get(), number.c_str(), kMask);
    if (watch < 0) return failure(watch, "inotify_add_watch");
    watched_.insert({static_cast<int>(watch), {id, level.path, recursive}});
    if (!recursive && found == nullptr) continue;
    auto open = reopen(view_.own_descriptors.get(), level.directory.get(), O_RDONLY | O_DIRECTORY);
    if (!open.ok()) continue;
    auto names = list_names(open.value().get());
    if (!names.ok()) continue;
    for (const std::string& name : names.value()) {
      std::string below = level.path + (level.path.ends_with('/') ? "" : "/");
      below += name;
      if (found != nullptr) found->push_back({id, FileEvent::kAdded, below});
      auto child = open_entry(level.directory.get(), name.c_str(), O_PATH | O_DIRECTORY);
      if (recursive && child.ok()) levels.push_back({child.take(), below});
    }
  }
  return {};
}

Status Watches::add(uint32_t id, const std::string& path, bool recursive) {
  if (Status opened = open(); !opened.ok()) return opened;
  auto directory = open_below(view_.root.get(), path.c_str(), O_PATH | O_DIRECTORY);
  if (!directory.ok()) return directory.error();
  Status watched = watch_tree(directory.take(), path, id, recursive, nullptr);
  if (!watched.ok()) remove(id);
  return watched;
}

void Watches::remove(uint32_t id) {
  for (auto at = watched_.begin(); at != watched_.end();) {
    const int watch = at->first;
    at = at->second.id == id ? watched_.erase(at) : std::next(at);
    if (!watched_.contains(watch)) sys::call(__NR_inotify_rm_watch, inotify_.get(), watch);
  }
}

Status Watches::read(std::vector<WatchEvent>& events) {
  alignas(inotify_event) char buffer[16 << 10];
  const long got = sys::call(__NR_read, inotify_.get(), buffer, sizeof buffer);
  if (got == -EAGAIN || got == -EINTR) return {};
  if (got < 0) return failure(got, "read");
  for (long at = 0; at < got;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<long>(sizeof *event + event->len);
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
      events.push_back({0, FileEvent::kLost, ""});
      continue;
    }
    if ((event->mask & IN_IGNORED) != 0) {
      watched_.erase(event->wd);
      continue;
    }
    if (event->len == 0) continue;  // of the directory itself, which its own directory tells of
    std::vector<Watched> watched;
    const auto [first, last] = watched_.equal_range(event->wd);
    for (auto each = first; each != last; ++each)
      watched.push_back(each->second);
    for (const Watched& one : watched) {
      std::string path = one.path + (one.path.ends_with('/') ? "" : "/");
      path += event->name;
      const bool added = (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0;
      const bool removed = (event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0;
      events.push_back({one.id,
                        added     ? FileEvent::kAdded
                        : removed ? FileEvent::kRemoved
                                  : FileEvent::kChanged,
                        path});
      if (!added || !one.recursive || (event->mask & IN_ISDIR) == 0) continue;
      auto place = find_place(view_.root.get(), path);
      if (!place.ok()) continue;
      auto directory = open_entry(place.value().directory.get(), place.value().name.c_str(),
                                  O_PATH | O_DIRECTORY);
      // What cannot be watched is told of as lost.
      if (directory.ok() && !watch_tree(directory.take(), path, one.id, true, &events).ok())
        events.push_back({one.id, FileEvent::kLost, path});
    }
  }
  return {};
}

}  // namespace caisson::archive
