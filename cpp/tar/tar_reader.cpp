#include "tar_reader.h"

#include <string.h>

namespace caisson::tar {
namespace {

// Of an extended header or a long name. Go's archive/tar, by which most layers are read, has it
// too.
constexpr int64_t kMaxSpecial = 1 << 20;
constexpr size_t kMaxExtents = 1 << 16;
constexpr int64_t kMaxId = UINT32_MAX - 1;

int64_t padding_of(int64_t size) {
  return (512 - size % 512) % 512;
}

bool is_special(char type) {
  return type == 'x' || type == 'g' || type == 'L' || type == 'K';
}

}  // namespace

bool Reader::fail(Refusal refusal, const char* detail) {
  if (trouble_.ok()) trouble_ = {refusal, detail};
  return false;
}

// `may_end`: the stream may end before the first byte, and `ended_` tells so.
bool Reader::fill(uint8_t* to, size_t size, bool may_end) {
  size_t filled = 0;
  while (filled < size) {
    const Bytes bytes = source_.take(size - filled);
    if (bytes.empty()) {
      trouble_ = source_.trouble();
      if (!trouble_.ok()) return false;
      if (may_end && filled == 0) {
        ended_ = true;
        return true;
      }
      return fail(Refusal::kTruncated, "the archive ends within a header or a file");
    }
    memcpy(to + filled, bytes.data(), bytes.size());
    filled += bytes.size();
  }
  return true;
}

bool Reader::skip(int64_t size) {
  while (size > 0) {
    const Bytes bytes = source_.take(static_cast<size_t>(size < INT32_MAX ? size : INT32_MAX));
    if (bytes.empty()) {
      trouble_ = source_.trouble();
      return trouble_.ok() ? fail(Refusal::kTruncated, "the archive ends within a file") : false;
    }
    size -= static_cast<int64_t>(bytes.size());
  }
  return true;
}

// `end`: there are no more headers. That is said by two blocks of zeros, or by the stream's end.
bool Reader::read_block(bool& end) {
  end = false;
  if (!fill(block_, kBlockSize, true)) return false;
  if (!ended_ && is_zero_block(block_)) {
    if (!fill(block_, kBlockSize, true)) return false;
    if (!ended_ && !is_zero_block(block_))
      return fail(Refusal::kInvalidHeader, "a header behind a block of zeros");
    ended_ = true;
  }
  end = ended_;
  return true;
}

bool Reader::read_text(int64_t size, std::string& text) {
  if (size < 0 || size > kMaxSpecial)
    return fail(Refusal::kInvalidHeader, "an extended header that is too long");
  text.resize(static_cast<size_t>(size));
  return fill(reinterpret_cast<uint8_t*>(text.data()), text.size(), false) &&
         skip(padding_of(size));
}

bool Reader::read_special(const Header& header) {
  std::string text;
  if (!read_text(header.size, text)) return false;
  if (header.type == 'L' || header.type == 'K') {
    text.resize(strnlen(text.data(), text.size()));
    (header.type == 'L' ? long_name_ : long_link_) = static_cast<std::string&&>(text);
    return true;
  }
  // What a global header says is not applied, as by Docker: it would be about all later entries.
  if (header.type == 'g') return true;
  pax_ = PaxRecords();
  const Trouble trouble = parse_pax(text, pax_);
  return trouble.ok() ? true : fail(trouble.refusal, trouble.detail);
}

bool Reader::next(Entry& entry) {
  if (!trouble_.ok() || ended_) return false;
  if (!skip(left_) || !skip(padding_)) return false;
  left_ = padding_ = 0;
  pax_ = PaxRecords();
  long_name_.clear();
  long_link_.clear();
  bool special = false;
  for (;;) {
    bool end = false;
    if (!read_block(end)) return false;
    if (end)
      return special ? fail(Refusal::kTruncated, "the archive ends behind an extended header")
                     : false;
    Header header;
    if (!parse_header(block_, header))
      return fail(Refusal::kInvalidHeader, "what should be a header is not a tar header");
    if (++count_ > limits_.entries) return fail(Refusal::kTooManyEntries, "too many entries");
    if (!is_special(header.type)) return finish(header, entry);
    // A global one may be the last.
    special = special || header.type != 'g';
    if (!read_special(header)) return false;
  }
}

bool Reader::take_pax(const Header& header, Entry& entry) {
  if (!long_name_.empty()) entry.name = long_name_;
  if (!long_link_.empty()) entry.link = long_link_;
  if (pax_.path) entry.name = *pax_.path;
  if (pax_.link) entry.link = *pax_.link;
  entry.uid = pax_.uid.value_or(header.uid);
  entry.gid = pax_.gid.value_or(header.gid);
  entry.size = pax_.size.value_or(header.size);
  entry.modified = pax_.modified.value_or(Time{header.seconds, 0});
  entry.attributes = static_cast<std::vector<Attribute>&&>(pax_.attributes);
  if (entry.uid < 0 || entry.uid > kMaxId || entry.gid < 0 || entry.gid > kMaxId)
    return fail(Refusal::kInvalidHeader, "an owner that is no id");
  return entry.size < 0 ? fail(Refusal::kInvalidHeader, "a negative size") : true;
}

bool Reader::finish(const Header& header, Entry& entry) {
  entry.name = header.name;
  entry.link = header.link;
  entry.mode = static_cast<uint32_t>(header.mode & 07777);
  entry.major = header.major;
  entry.minor = header.minor;
  entry.sparse = false;
  entry.extents.clear();
  if (!take_pax(header, entry)) return false;
  switch (header.type) {
    case '\0':
    case '0':
    case '7':
    case 'S':
      // V7 had no type for directories.
      entry.kind =
          header.type == '\0' && entry.name.ends_with('/') ? Kind::kDirectory : Kind::kFile;
      break;
    case '1':
      entry.kind = Kind::kHardLink;
      break;
    case '2':
      entry.kind = Kind::kSymlink;
      break;
    case '3':
      entry.kind = Kind::kCharacter;
      break;
    case '4':
      entry.kind = Kind::kBlock;
      break;
    case '5':
      entry.kind = Kind::kDirectory;
      break;
    case '6':
      entry.kind = Kind::kFifo;
      break;
    default:
      return fail(Refusal::kUnsupported, "an entry of an unknown kind");
  }
  if (entry.kind != Kind::kFile) {
    // Only files have data, whatever their size says.
    entry.size = 0;
    return true;
  }
  left_ = entry.size;
  padding_ = padding_of(left_);
  if (header.type == 'S') {
    if (!header.gnu) return fail(Refusal::kUnsupported, "an entry of an unknown kind");
    if (!read_gnu_extents(header, entry)) return false;
  } else if (pax_.sparse_major || pax_.has_extents || pax_.real_size) {
    if (!read_pax_extents(entry)) return false;
  }
  if (entry.size > limits_.file_size) return fail(Refusal::kTooLarge, "a file that is too large");
  return entry.sparse ? check_extents(entry) : true;
}

// GNU's own format: four extents in the header, 21 in each block that follows it.
bool Reader::read_gnu_extents(const Header& header, Entry& entry) {
  const auto size = parse_number({block_ + 483, 12});
  if (!size || *size < 0 || header.size < 0)
    return fail(Refusal::kInvalidHeader, "a sparse file without a size");
  const auto read = [&](size_t at, size_t count) {
    for (size_t i = 0; i < count; ++i, at += 24) {
      if (block_[at] == 0) break;
      const auto offset = parse_number({block_ + at, 12});
      const auto part = parse_number({block_ + at + 12, 12});
      if (!offset || !part)
        return fail(Refusal::kInvalidHeader, "a malformed map of a sparse file");
      if (entry.extents.size() == kMaxExtents)
        return fail(Refusal::kTooManyEntries, "a sparse file with too many parts");
      entry.extents.push_back({*offset, *part});
    }
    return true;
  };
  entry.size = *size;
  entry.sparse = true;
  bool more = block_[482] != 0;
  if (!read(386, 4)) return false;
  while (more) {
    if (!fill(block_, kBlockSize, false)) return false;
    more = block_[504] != 0;
    if (!read(0, 21)) return false;
  }
  return true;
}

bool Reader::read_pax_extents(Entry& entry) {
  const int64_t major = pax_.sparse_major.value_or(0), minor = pax_.sparse_minor.value_or(0);
  if (major > 1 || (major == 1 && minor != 0) || (major == 0 && minor > 1))
    return fail(Refusal::kUnsupported, "a sparse file in an unknown format");
  if (!pax_.real_size) return fail(Refusal::kInvalidHeader, "a sparse file without a size");
  if (pax_.sparse_name) entry.name = *pax_.sparse_name;
  entry.size = *pax_.real_size;
  entry.sparse = true;
  if (major == 0) {
    entry.extents = static_cast<std::vector<Extent>&&>(pax_.extents);
    for (const Extent& extent : entry.extents)
      if (extent.size < 0) return fail(Refusal::kInvalidHeader, "a part without a size");
    return true;
  }
  // 1.0: the map is in front of the data, as lines of decimal numbers, filled up to a block.
  size_t at = kBlockSize;
  const auto number = [&](int64_t& to) {
    std::string digits;
    for (;;) {
      if (at == kBlockSize) {
        if (left_ < static_cast<int64_t>(kBlockSize))
          return fail(Refusal::kInvalidHeader, "a malformed map of a sparse file");
        if (!fill(block_, kBlockSize, false)) return false;
        left_ -= kBlockSize;
        at = 0;
      }
      const char byte = static_cast<char>(block_[at++]);
      if (byte == '\n') break;
      if (digits.size() == 20)
        return fail(Refusal::kInvalidHeader, "a malformed map of a sparse file");
      digits += byte;
    }
    const auto found = parse_decimal(digits);
    if (!found) return fail(Refusal::kInvalidHeader, "a malformed map of a sparse file");
    to = *found;
    return true;
  };
  int64_t count = 0;
  if (!number(count)) return false;
  if (count > static_cast<int64_t>(kMaxExtents))
    return fail(Refusal::kTooManyEntries, "a sparse file with too many parts");
  for (int64_t i = 0; i < count; ++i) {
    Extent extent;
    if (!number(extent.offset) || !number(extent.size)) return false;
    entry.extents.push_back(extent);
  }
  return true;
}

bool Reader::check_extents(const Entry& entry) {
  int64_t end = 0, sum = 0;
  for (const Extent& extent : entry.extents) {
    if (extent.offset < end || extent.size < 0 || extent.offset > entry.size ||
        extent.size > entry.size - extent.offset)
      return fail(Refusal::kInvalidHeader, "the parts of a sparse file overlap, or leave it");
    end = extent.offset + extent.size;
    sum += extent.size;
  }
  return sum == left_
             ? true
             : fail(Refusal::kInvalidHeader, "the parts of a sparse file are not its data");
}

Bytes Reader::take(size_t most) {
  if (!trouble_.ok() || left_ == 0) return {};
  const auto wanted = static_cast<uint64_t>(left_) < most ? static_cast<size_t>(left_) : most;
  const Bytes bytes = source_.take(wanted);
  if (bytes.empty()) {
    trouble_ = source_.trouble();
    fail(Refusal::kTruncated, "the archive ends within a file");
  }
  left_ -= static_cast<int64_t>(bytes.size());
  return bytes;
}

void Reader::drain() {
  while (trouble_.ok()) {
    if (source_.take(SIZE_MAX).empty()) {
      trouble_ = source_.trouble();
      return;
    }
  }
}

}  // namespace caisson::tar
