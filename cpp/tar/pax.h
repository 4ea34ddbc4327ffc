// Extended headers of pax (POSIX.1-2001): records `LENGTH KEY=VALUE\n`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "refusal.h"

namespace caisson::tar {

struct Attribute {
  std::string name, value;
};

struct Time {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
};

// A part of a sparse file that has data.
struct Extent {
  int64_t offset = 0, size = 0;
};

// What the extended header of one entry says.
struct PaxRecords {
  std::optional<std::string> path, link;
  std::optional<int64_t> uid, gid, size;
  std::optional<Time> modified;
  std::vector<Attribute> attributes;
  // GNU's sparse formats 0.0, 0.1 and 1.0.
  std::optional<int64_t> sparse_major, sparse_minor, real_size;
  std::optional<std::string> sparse_name;
  std::vector<Extent> extents;
  bool has_extents = false;
};

// Decimal digits, all of them.
std::optional<int64_t> parse_decimal(std::string_view text);

// `SECONDS[.FRACTION]`, which may be negative.
std::optional<Time> parse_time(std::string_view text);

Trouble parse_pax(std::string_view text, PaxRecords& records);

}  // namespace caisson::tar
