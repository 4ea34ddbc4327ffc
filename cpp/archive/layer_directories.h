// The directories of a layer while it is written: open ones, those that the archive does not
// contain, and what they get last.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../base/unique_fd.h"
#include "../tar/tar_reader.h"

namespace caisson {

struct DirectoryRecord {
  tar::Time modified;
  uint32_t mode = 0;     // with the bits of set-user-id and set-group-id, if it has some
  bool implied = false;  // the archive has something in it, and not the directory
  bool given = false;    // its attributes are those of the layers below
  bool opaque = false;
  std::string default_acl;  // system.posix_acl_default
};

class LayerDirectories {
 public:
  // The process's root is the layer's. A negated errno, or 0.
  int open_root();
  int root() const { return root_.get(); }

  // A descriptor (O_PATH) of a directory that is there, or a negated errno: links in the path lead
  // within the root. It is valid until the next call.
  int find(std::string_view path);
  // Forgets descriptors: something in the tree was replaced.
  void forget_open();

  // Null if there are too many of them.
  DirectoryRecord* record(const std::string& path);
  DirectoryRecord* known(const std::string& path);
  void forget(const std::string& path);
  const std::unordered_map<std::string, DirectoryRecord>& all() const { return records_; }

 private:
  static constexpr size_t kOpen = 32;

  struct Open {
    std::string path;
    UniqueFd fd;
    uint64_t used = 0;
  };

  UniqueFd root_;
  Open open_[kOpen];
  uint64_t uses_ = 0;
  std::unordered_map<std::string, DirectoryRecord> records_;
  size_t bytes_ = 0;
};

}  // namespace caisson
