#include "log_writer.h"

#include "../base/kernel.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr const char* kFile = "json.log";
constexpr const char* kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr char kHead[] = "{\"log\":\"";
constexpr char kStreams[][21] = {"\",\"stream\":\"stdout\",", "\",\"stream\":\"stderr\","};
constexpr char kTime[] = "\"time\":\"";
constexpr char kEnd[] = "\"}\n";

// How many bytes come before the first one that is not ASCII or that JSON escapes. Looks at eight
// bytes at a time, as in "Bit Twiddling Hacks" ("Determine if a word has a byte less than n").
size_t plain_bytes(const char* bytes, size_t size) {
  constexpr uint64_t kOnes = ~uint64_t{0} / 255, kTops = kOnes * 0x80;
  const auto zero = [](uint64_t word) { return (word - kOnes) & ~word; };
  size_t at = 0;
  for (; size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
    uint64_t word;
    __builtin_memcpy(&word, bytes + at, sizeof word);
    const uint64_t found = (word | ((word - kOnes * 0x20) & ~word) | zero(word ^ kOnes * '"') |
                            zero(word ^ kOnes * '\\')) &
                           kTops;
    // Both supported processors are little-endian. Only bytes behind the first one that is found
    // can be found wrongly.
    if (found != 0) return at + static_cast<size_t>(__builtin_ctzll(found)) / 8;
  }
  for (; at < size; ++at) {
    const auto c = static_cast<unsigned char>(bytes[at]);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
  }
  return at;
}

// The length of the UTF-8 sequence at `at` (RFC 3629), or 0 when there is none. `cut` tells that
// the bytes end within a sequence that may be valid.
size_t sequence(const unsigned char* at, size_t left, bool& cut) {
  const unsigned char first = at[0];
  if (first < 0x80) return 1;
  size_t size = 0;
  unsigned char low = 0x80, high = 0xbf;  // of the second byte
  if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;  // surrogates
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  for (size_t i = 1; i < size; ++i, low = 0x80, high = 0xbf) {
    if (i == left) {
      cut = true;
      return 0;
    }
    if (at[i] < low || at[i] > high) return 0;
  }
  return size;
}

// How much of `bytes` can be written without splitting a character.
size_t whole_characters(const char* bytes, size_t size) {
  for (size_t back = 1; back <= 3 && back <= size; ++back) {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes + size - back);
    if ((*at & 0xc0) == 0x80) continue;
    bool cut = false;
    sequence(at, back, cut);
    return cut ? size - back : size;
  }
  return size;
}

}  // namespace

void LogWriter::open(int directory, uint64_t max_size, uint32_t max_files) {
  directory_ = directory;
  max_size_ = max_size;
  max_files_ = max_files;
  open_file(false);
}

bool LogWriter::open_file(bool truncate) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  const long fd = sys::call(__NR_openat, directory_, kFile, flags | (truncate ? O_TRUNC : 0), 0640);
  if (fd < 0) {
    lost_reason_ = static_cast<int>(-fd);
    return false;
  }
  file_.reset(static_cast<int>(fd));
  const long end = sys::call(__NR_lseek, file_.get(), 0, SEEK_END);
  written_ = last_end_ = complete_ = end > 0 ? static_cast<uint64_t>(end) : 0;
  return true;
}

void LogWriter::write(Stream stream, const char* bytes, size_t size) {
  if (directory_ < 0) return;
  read_clock();
  Line& line = lines_[static_cast<unsigned>(stream)];
  while (size > 0) {
    // Most lines are complete, and need no escapes.
    if (line.size == 0) {
      const size_t plain = plain_bytes(bytes, size < kMaxPart ? size : kMaxPart);
      if (plain < size && plain < kMaxPart && bytes[plain] == '\n') {
        record_plain(stream, bytes, plain);
        bytes += plain + 1;
        size -= plain + 1;
        continue;
      }
    }
    const size_t room = kMaxPart - line.size;
    const size_t most = size < room ? size : room;
    size_t taken = 0;
    while (taken < most && bytes[taken] != '\n')
      ++taken;
    const bool finished = taken < most;
    if (finished) ++taken;
    if (line.size == 0 && finished) {
      record(stream, bytes, taken);
    } else {
      __builtin_memcpy(line.bytes + line.size, bytes, taken);
      line.size += taken;
      if (finished) {
        record(stream, line.bytes, line.size);
        line.size = 0;
      } else if (line.size == kMaxPart) {
        flush_line(stream, false);
      }
    }
    bytes += taken;
    size -= taken;
  }
  write_out();
}

void LogWriter::flush(bool last) {
  if (!unfinished()) return;
  read_clock();
  flush_line(Stream::kOut, last);
  flush_line(Stream::kErr, last);
  write_out();
}

void LogWriter::flush_line(Stream stream, bool last) {
  Line& line = lines_[static_cast<unsigned>(stream)];
  const size_t size = last ? line.size : whole_characters(line.bytes, line.size);
  if (size == 0) return;
  record(stream, line.bytes, size);
  const size_t rest = line.size - size;
  for (size_t i = 0; i < rest; ++i)
    line.bytes[i] = line.bytes[size + i];
  line.size = rest;
}

void LogWriter::read_clock() {
  format_time(wall_time(), time_);
}

// Makes room for so many bytes in a row. A file that has reached its size is rotated first.
void LogWriter::make_room(size_t size) {
  if (written_ + out_size_ >= max_size_) {
    write_out();
    rotate();
  }
  if (size > sizeof out_ - out_size_) write_out();
  failed_ = false;
}

// Writes a line that needs no escapes. Its newline comes after `size` bytes.
void LogWriter::record_plain(Stream stream, const char* bytes, size_t size) {
  constexpr size_t kAround = sizeof kHead - 1 + 2 + sizeof kStreams[0] - 1 + sizeof kTime - 1 +
                             kTimeSize - 1 + sizeof kEnd - 1;
  static_assert(kMaxPart + kAround <= sizeof out_);
  make_room(size + kAround);
  char* to = out_ + out_size_;
  const auto copy = [&to](const char* from, size_t count) {
    __builtin_memcpy(to, from, count);
    to += count;
  };
  copy(kHead, sizeof kHead - 1);
  copy(bytes, size);
  copy("\\n", 2);
  copy(kStreams[static_cast<unsigned>(stream)], sizeof kStreams[0] - 1);
  copy(kTime, sizeof kTime - 1);
  copy(time_, kTimeSize - 1);
  copy(kEnd, sizeof kEnd - 1);
  out_size_ += size + kAround;
  pending_ += size + 1;
  last_end_ = written_ + out_size_;
}

void LogWriter::record(Stream stream, const char* bytes, size_t size) {
  make_room(0);
  put(kHead);
  const bool valid = put_json(bytes, size);
  if (!valid) {
    put("\",\"base64\":\"");
    put_base64(bytes, size);
  }
  put(kStreams[static_cast<unsigned>(stream)]);
  put(kTime);
  put(time_);
  put(kEnd);
  if (failed_) {
    lost_ += size;
  } else {
    pending_ += size;
    last_end_ = written_ + out_size_;
  }
}

// False when some of the bytes are not UTF-8.
bool LogWriter::put_json(const char* bytes, size_t size) {
  constexpr const char* kHex = "0123456789abcdef";
  const auto* text = reinterpret_cast<const unsigned char*>(bytes);
  bool valid = true;
  size_t plain = 0;  // where the bytes begin that need no escapes
  const auto until = [&](size_t end) { put(bytes + plain, end - plain); };
  for (size_t i = 0; i < size;) {
    i += plain_bytes(bytes + i, size - i);
    if (i == size) break;
    const unsigned char c = text[i];
    if (c >= 0x80) {
      bool cut = false;
      if (const size_t length = sequence(text + i, size - i, cut); length > 0) {
        i += length;
        continue;
      }
      until(i);
      put(kReplacement);
      valid = false;
    } else {
      until(i);
      if (c == '\n') {
        put("\\n");
      } else if (c == '\t') {
        put("\\t");
      } else if (c == '\r') {
        put("\\r");
      } else if (c == '"' || c == '\\') {
        put("\\");
        put(bytes + i, 1);
      } else {
        const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
        put(escape, sizeof escape);
      }
    }
    plain = ++i;
  }
  until(size);
  return valid;
}

void LogWriter::put_base64(const char* bytes, size_t size) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* text = reinterpret_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < size; i += 3) {
    const size_t left = size - i;
    const unsigned b = left > 1 ? text[i + 1] : 0, c = left > 2 ? text[i + 2] : 0;
    const unsigned word = unsigned{text[i]} << 16 | b << 8 | c;
    char group[] = {kDigits[word >> 18], kDigits[word >> 12 & 63], kDigits[word >> 6 & 63],
                    kDigits[word & 63]};
    if (left < 3) group[3] = '=';
    if (left < 2) group[2] = '=';
    put(group, sizeof group);
  }
}

void LogWriter::put(const char* text) {
  put(text, length(text));
}

void LogWriter::put(const char* bytes, size_t size) {
  while (size > 0 && !failed_) {
    if (out_size_ == sizeof out_) write_out();
    if (failed_) return;  // what was written of the record has just been removed again
    const size_t room = sizeof out_ - out_size_;
    const size_t part = size < room ? size : room;
    __builtin_memcpy(out_ + out_size_, bytes, part);
    out_size_ += part;
    bytes += part;
    size -= part;
  }
}

// On a full disk the container loses its log and goes on. What a failed write leaves of a record is
// removed again.
void LogWriter::write_out() {
  size_t done = 0;
  long result = file_.valid() || open_file(false) ? 0 : -lost_reason_;
  while (result >= 0 && done < out_size_) {
    result = sys::call(__NR_write, file_.get(), out_ + done, out_size_ - done);
    if (result == -EINTR) {
      result = 0;
      continue;
    }
    if (result == 0) result = -ENOSPC;
    if (result > 0) done += static_cast<size_t>(result);
  }
  if (result < 0 && out_size_ > 0) {
    lost_ += pending_;
    lost_reason_ = static_cast<int>(-result);
    if (file_.valid()) sys::call(__NR_ftruncate, file_.get(), complete_);
    written_ = last_end_ = complete_;
    failed_ = true;
  } else {
    written_ += done;
    if (last_end_ <= written_) complete_ = last_end_;
  }
  out_size_ = 0;
  pending_ = 0;
}

void LogWriter::rotate() {
  for (uint32_t i = max_files_ - 1; i > 0; --i) {
    Text<32> from, to;
    from.add(kFile);
    if (i > 1) from.add(".").add(i - 1);
    to.add(kFile).add(".").add(i);
    sys::call(__NR_renameat2, directory_, from.c_str(), directory_, to.c_str(), 0);
  }
  file_.reset();
  open_file(max_files_ == 1);
}

}  // namespace caisson
