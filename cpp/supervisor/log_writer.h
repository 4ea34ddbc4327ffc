// Writes a container's output as Docker's json-file log (docs/lifecycle.md), rotated by size.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/unique_fd.h"
#include "clock.h"

namespace caisson {

enum class Stream : unsigned { kOut = 0, kErr = 1 };

class LogWriter {
 public:
  // The caller keeps `directory` open. Until this is called, nothing is written.
  void open(int directory, uint64_t max_size, uint32_t max_files);

  // All lines of one call have the same time.
  void write(Stream stream, const char* bytes, size_t size);
  // Writes lines that are not finished yet, because the program has paused, or (`last`) has ended.
  void flush(bool last);
  bool unfinished() const { return lines_[0].size + lines_[1].size > 0; }

  // Bytes of output that could not be written, and the reason for the last loss as an errno.
  uint64_t lost() const { return lost_; }
  int lost_reason() const { return lost_reason_; }

 private:
  static constexpr size_t kMaxPart = 16u << 10;  // in one "log", as in Docker

  struct Line {
    size_t size = 0;
    char bytes[kMaxPart];
  };

  void read_clock();
  void record(Stream stream, const char* bytes, size_t size);
  void record_plain(Stream stream, const char* bytes, size_t size);
  void make_room(size_t size);
  void flush_line(Stream stream, bool last);
  void put(const char* bytes, size_t size);
  void put(const char* text);
  bool put_json(const char* bytes, size_t size);
  void put_base64(const char* bytes, size_t size);
  void write_out();
  void rotate();
  bool open_file(bool truncate);

  int directory_ = -1;
  UniqueFd file_;
  uint64_t max_size_ = 0;
  uint32_t max_files_ = 1;
  uint64_t written_ = 0;   // the file's size
  uint64_t last_end_ = 0;  // where the newest complete record ends, or will end
  uint64_t complete_ = 0;  // where the last complete record in the file ends
  uint64_t pending_ = 0;   // bytes of output in `out_` that are not yet written
  uint64_t lost_ = 0;
  int lost_reason_ = 0;
  char time_[kTimeSize] = "";
  Line lines_[2];
  size_t out_size_ = 0;
  char out_[64u << 10];
  bool failed_ = false;  // the rest of this record cannot be written
};

}  // namespace caisson
