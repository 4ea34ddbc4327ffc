// Tells what happens in a directory, with all that is below it if that was asked for.
#pragma once

#include <map>
#include <vector>

#include "file_access.h"
#include "frame.h"
#include "view.h"

namespace caisson::archive {

enum class FileEvent : uint8_t { kAdded, kChanged, kRemoved, kLost };

struct WatchEvent {
  uint32_t id;
  FileEvent kind;
  std::string path;
};

class Watches {
 public:
  explicit Watches(View& view) : view_(view) {}

  // Before the rights are given up that are not needed later.
  Status open();
  int fd() const { return inotify_.get(); }
  Status add(uint32_t id, const std::string& path, bool recursive);
  void remove(uint32_t id);
  // What has happened since the last call.
  Status read(std::vector<WatchEvent>& events);

 private:
  struct Watched {
    uint32_t id;
    std::string path;
    bool recursive;
  };

  Status watch_tree(UniqueFd directory, const std::string& path, uint32_t id, bool recursive,
                    std::vector<WatchEvent>* found);

  View& view_;
  UniqueFd inotify_;
  std::multimap<int, Watched> watched_;
};

}  // namespace caisson::archive
