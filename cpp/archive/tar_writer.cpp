#include "tar_writer.h"

#include <string.h>

#include "../base/kernel.h"

namespace caisson::tar {
namespace {

constexpr size_t kNameField = 100;
constexpr size_t kBlock = 512;

char type_of(Kind kind) {
  switch (kind) {
    case Kind::kFile:
      return '0';
    case Kind::kHardLink:
      return '1';
    case Kind::kSymlink:
      return '2';
    case Kind::kCharacter:
      return '3';
    case Kind::kBlock:
      return '4';
    case Kind::kDirectory:
      return '5';
    case Kind::kFifo:
      return '6';
  }
  return '0';
}

void add_record(std::string& records, std::string_view key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;  // a space, `=` and a newline
  size_t length = rest + 1;
  while (length != rest + std::to_string(length).size())
    length = rest + std::to_string(length).size();
  records += std::to_string(length);
  records += ' ';
  records += key;
  records += '=';
  records += value;
  records += '\n';
}

// The largest number of octal digits that leave room for a zero byte.
bool fits(int64_t number, unsigned digits) {
  return number >= 0 && number < int64_t{1} << 3 * digits;
}

std::string time_text(const Time& time) {
  int64_t seconds = time.seconds;
  uint32_t nanoseconds = time.nanoseconds;
  std::string text;
  if (seconds < 0) {
    text = "-";
    if (nanoseconds > 0) {
      seconds += 1;
      nanoseconds = 1'000'000'000 - nanoseconds;
    }
    seconds = -seconds;
  }
  text += std::to_string(seconds);
  if (nanoseconds > 0) {
    const std::string digits = std::to_string(nanoseconds);
    text += '.' + std::string(9 - digits.size(), '0') + digits;
    while (text.back() == '0')
      text.pop_back();
  }
  return text;
}

std::string pax_records(const Entry& entry) {
  std::string records;
  if (entry.name.size() > kNameField) add_record(records, "path", entry.name);
  if (entry.link.size() > kNameField) add_record(records, "linkpath", entry.link);
  if (!fits(entry.uid, 7)) add_record(records, "uid", std::to_string(entry.uid));
  if (!fits(entry.gid, 7)) add_record(records, "gid", std::to_string(entry.gid));
  if (!fits(entry.size, 11)) add_record(records, "size", std::to_string(entry.size));
  if (entry.modified.nanoseconds > 0 || !fits(entry.modified.seconds, 11))
    add_record(records, "mtime", time_text(entry.modified));
  for (const Attribute& attribute : entry.attributes)
    add_record(records, "SCHILY.xattr." + attribute.name, attribute.value);
  return records;
}

void octal(uint8_t* field, unsigned digits, int64_t number) {
  if (!fits(number, digits)) number = 0;  // in the extended header
  for (unsigned at = digits; at > 0; --at, number >>= 3)
    field[at - 1] = static_cast<uint8_t>('0' + (number & 7));
}

}  // namespace

Status Writer::block(const Entry& entry, char type, std::string_view name, uint64_t size) {
  uint8_t block[kBlock] = {};
  memcpy(block, name.data(), name.size() < kNameField ? name.size() : kNameField);
  octal(block + 100, 7, entry.mode & 07777);
  octal(block + 108, 7, entry.uid);
  octal(block + 116, 7, entry.gid);
  octal(block + 124, 11, static_cast<int64_t>(size));
  octal(block + 136, 11, entry.modified.seconds);
  block[156] = static_cast<uint8_t>(type);
  if (type == '1' || type == '2')
    memcpy(block + 157, entry.link.data(),
           entry.link.size() < kNameField ? entry.link.size() : kNameField);
  memcpy(block + 257,
         "ustar\0"
         "00",
         8);
  octal(block + 329, 7, entry.major);
  octal(block + 337, 7, entry.minor);
  memset(block + 148, ' ', 8);
  int64_t sum = 0;
  for (const uint8_t byte : block)
    sum += byte;
  octal(block + 148, 6, sum);
  block[154] = 0;
  return output_.write(block, sizeof block);
}

Status Writer::header(const Entry& entry) {
  if (const std::string records = pax_records(entry); !records.empty()) {
    Entry special;
    special.mode = 0644;
    special.modified.seconds = entry.modified.seconds;
    if (Status written = block(special, 'x', "PaxHeaders/entry", records.size()); !written.ok())
      return written;
    if (Status written = output_.write(records); !written.ok()) return written;
    if (Status written = end_of_data(records.size()); !written.ok()) return written;
  }
  const bool has_data = entry.kind == Kind::kFile;
  return block(entry, type_of(entry.kind), entry.name,
               has_data ? static_cast<uint64_t>(entry.size) : 0);
}

Status Writer::end_of_data(uint64_t size) {
  const uint8_t zeros[kBlock] = {};
  return output_.write(zeros, (kBlock - size % kBlock) % kBlock);
}

Status Writer::finish() {
  const uint8_t zeros[2 * kBlock] = {};
  if (Status written = output_.write(zeros, sizeof zeros); !written.ok()) return written;
  return output_.flush();
}

}  // namespace caisson::tar
