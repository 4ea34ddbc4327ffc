// Reads a tar archive entry by entry: ustar, GNU long names and sparse files, pax.
#pragma once

#include <string>
#include <vector>

#include "pax.h"
#include "refusal.h"
#include "tar_header.h"

namespace caisson::tar {

enum class Kind : uint8_t { kFile, kHardLink, kSymlink, kCharacter, kBlock, kDirectory, kFifo };

struct Entry {
  std::string name, link;  // as the archive has them: any bytes but NUL
  Kind kind = Kind::kFile;
  uint32_t mode = 0;  // permissions, with those of set-user-id, set-group-id and sticky
  int64_t uid = 0, gid = 0;
  int64_t size = 0;  // of the file, with its holes
  Time modified;
  int64_t major = 0, minor = 0;
  std::vector<Attribute> attributes;
  bool sparse = false;
  std::vector<Extent> extents;  // of a sparse file: in order, within `size`
};

struct ReaderLimits {
  int64_t entries = INT64_MAX;
  int64_t file_size = INT64_MAX;
};

class Reader {
 public:
  Reader(ByteSource& source, ReaderLimits limits) : source_(source), limits_(limits) {}

  // The next entry; what is left of the one before is skipped. False at the end of the archive, or
  // after a trouble.
  bool next(Entry& entry);
  // Data of the entry, at most `most`: of a sparse file those of its extents, one after the other.
  // None when there are no more of them, or after a trouble.
  Bytes take(size_t most);
  // How much take() has yet to give.
  int64_t left() const { return left_; }
  // Reads what is behind the end of the archive, up to the end of the stream.
  void drain();
  Trouble trouble() const { return trouble_; }

 private:
  bool fail(Refusal refusal, const char* detail);
  bool fill(uint8_t* to, size_t size, bool may_end);
  bool skip(int64_t size);
  bool read_block(bool& end);
  bool read_text(int64_t size, std::string& text);
  bool read_special(const Header& header);
  bool finish(const Header& header, Entry& entry);
  bool take_pax(const Header& header, Entry& entry);
  bool read_gnu_extents(const Header& header, Entry& entry);
  bool read_pax_extents(Entry& entry);
  bool check_extents(const Entry& entry);

  ByteSource& source_;
  ReaderLimits limits_;
  Trouble trouble_;
  int64_t count_ = 0;
  int64_t left_ = 0;     // of the entry's data
  int64_t padding_ = 0;  // behind them
  bool ended_ = false;
  alignas(8) uint8_t block_[kBlockSize];
  PaxRecords pax_;
  std::string long_name_, long_link_;
};

}  // namespace caisson::tar
