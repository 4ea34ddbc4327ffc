// One block of a tar archive: ustar (POSIX.1-1988), GNU's and star's variants, and V7.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

#include "refusal.h"

namespace caisson::tar {

constexpr size_t kBlockSize = 512;

struct Header {
  std::string name, link;
  int64_t mode = 0, uid = 0, gid = 0, size = 0, seconds = 0;
  int64_t major = 0, minor = 0;
  char type = '0';
  bool gnu = false;
};

// A number of `field`: octal digits, or GNU's base-256 with the highest bit set. Nothing where it
// is neither, or does not fit.
std::optional<int64_t> parse_number(Bytes field);

bool is_zero_block(const uint8_t* block);

// False if this is no header: its checksum is wrong, or a number is malformed.
bool parse_header(const uint8_t* block, Header& header);

}  // namespace caisson::tar
