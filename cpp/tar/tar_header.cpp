#include "tar_header.h"

#include <string.h>

namespace caisson::tar {
namespace {

constexpr size_t kChecksumAt = 148, kChecksumSize = 8;

std::string text_at(const uint8_t* block, size_t at, size_t size) {
  const auto* text = reinterpret_cast<const char*>(block + at);
  return {text, strnlen(text, size)};
}

bool has_valid_checksum(const uint8_t* block) {
  // The sum is that of unsigned bytes; some old programs have added signed ones.
  int64_t plain = 0, with_signs = 0;
  for (size_t i = 0; i < kBlockSize; ++i) {
    const bool own = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
    const uint8_t byte = own ? static_cast<uint8_t>(' ') : block[i];
    plain += byte;
    with_signs += static_cast<int8_t>(byte);
  }
  const auto said = parse_number({block + kChecksumAt, kChecksumSize});
  return said && (*said == plain || *said == with_signs);
}

std::optional<int64_t> parse_binary(Bytes field) {
  // Two's complement, big-endian; the highest bit is the mark, the next one the sign.
  const uint64_t fill = (field[0] & 0x40) != 0 ? ~uint64_t{0} : 0;
  uint64_t number = fill;
  for (size_t i = 0; i < field.size(); ++i) {
    uint8_t byte = field[i];
    if (i == 0) byte = fill != 0 ? static_cast<uint8_t>(byte | 0x80) : byte & 0x7f;
    // What is shifted out has to be the sign, and so has the bit that becomes the highest one.
    if (number >> 55 != fill >> 55) return std::nullopt;
    number = number << 8 | byte;
  }
  return static_cast<int64_t>(number);
}

}  // namespace

std::optional<int64_t> parse_number(Bytes field) {
  if (field.empty()) return std::nullopt;
  if ((field[0] & 0x80) != 0) return parse_binary(field);
  size_t i = 0;
  while (i < field.size() && (field[i] == ' ' || field[i] == '\0'))
    ++i;
  int64_t number = 0;
  for (; i < field.size() && field[i] >= '0' && field[i] <= '7'; ++i) {
    if (number > INT64_MAX >> 3) return std::nullopt;
    number = number << 3 | (field[i] - '0');
  }
  for (; i < field.size(); ++i) {
    if (field[i] == '\0') break;
    if (field[i] != ' ') return std::nullopt;
  }
  return number;
}

bool is_zero_block(const uint8_t* block) {
  return block[0] == 0 && memcmp(block, block + 1, kBlockSize - 1) == 0;
}

bool parse_header(const uint8_t* block, Header& header) {
  if (!has_valid_checksum(block)) return false;
  const auto number = [block](size_t at, size_t size, int64_t& to) {
    const auto found = parse_number({block + at, size});
    if (found) to = *found;
    return found.has_value();
  };
  header = Header();
  header.type = static_cast<char>(block[156]);
  header.name = text_at(block, 0, 100);
  header.link = text_at(block, 157, 100);
  if (!number(100, 8, header.mode) || !number(108, 8, header.uid) || !number(116, 8, header.gid) ||
      !number(124, 12, header.size) || !number(136, 12, header.seconds))
    return false;
  const bool posix = memcmp(block + 257, "ustar\0", 6) == 0;
  header.gnu = memcmp(block + 257, "ustar  ", 8) == 0;
  if (!posix && !header.gnu) return true;
  if (!number(329, 8, header.major) || !number(337, 8, header.minor)) {
    if (header.type == '3' || header.type == '4') return false;
    header.major = header.minor = 0;
  }
  if (posix) {
    // star keeps two times behind a shorter prefix.
    const bool star = memcmp(block + 508, "tar", 4) == 0;
    const std::string prefix = text_at(block, 345, star ? 131 : 155);
    if (!prefix.empty()) header.name = prefix + "/" + header.name;
  }
  return true;
}

}  // namespace caisson::tar
