// Writes the entries of an archive as a layer of overlayfs: whiteouts become devices 0:0, opaque
// markers an attribute.
#pragma once

#include <string>

#include "../tar/layer_path.h"
#include "../tar/tar_reader.h"
#include "layer_directories.h"

namespace caisson {

struct WriterOptions {
  PathLimits path;
  bool devices =
      true;  // false: devices are left out, as Docker does without the right to make them
  bool one_id = false;  // everything belongs to the one id that there is
  int requests = -1;    // to the process outside, which sets the attribute of opaque directories
};

class LayerWriter {
 public:
  LayerWriter(tar::Reader& reader, const WriterOptions& options)
      : reader_(reader), options_(options) {}

  bool begin();
  bool add(const tar::Entry& entry);
  // A directory that the archive may not contain: it has these attributes then.
  bool add_given(const tar::Entry& entry);
  // The directories get what later entries would have changed: their times, and rights that are
  // passed on to what is made in them.
  bool finish();

  const Trouble& trouble() const { return trouble_; }
  const std::string& trouble_path() const { return trouble_path_; }
  uint64_t files() const { return files_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t skipped() const { return skipped_; }
  const LayerDirectories& directories() const { return directories_; }

 private:
  struct Place {
    int parent = -1;
    const char* name = nullptr;
  };

  bool fail(Refusal refusal, const char* detail);
  bool fail(long result, const char* call);
  bool find_parent(std::string_view path, Place& place);
  bool make_parents(std::string_view path);
  bool make_implied(const std::string& path);
  bool make_room(const Place& place, const std::string& path, bool& was_whiteout);
  bool add_whiteout(std::string_view base);
  bool set_opaque(const std::string& path);
  bool add_directory(const tar::Entry& entry);
  bool add_file(const tar::Entry& entry);
  bool add_hard_link(const tar::Entry& entry);
  bool add_node(const tar::Entry& entry);
  bool write_data(int fd, const tar::Entry& entry);
  bool write_all(int fd, Bytes bytes, int64_t offset);
  bool set_attributes(const tar::Entry& entry, int fd, DirectoryRecord* directory);
  bool set_owner(const tar::Entry& entry, const Place& place, int fd);
  template <class Make>
  bool make(const Place& place, const char* call, const Make& make_it, bool& was_whiteout);

  tar::Reader& reader_;
  WriterOptions options_;
  LayerDirectories directories_;
  Trouble trouble_;
  std::string trouble_path_;
  std::string path_;       // of the entry
  bool replaced_ = false;  // something that a descriptor may be open of
  uint64_t files_ = 0, bytes_ = 0, skipped_ = 0;
};

}  // namespace caisson
