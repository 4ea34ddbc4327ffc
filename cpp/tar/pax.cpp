#include "pax.h"

namespace caisson::tar {
namespace {

constexpr std::string_view kAttributePrefix = "SCHILY.xattr.";
constexpr size_t kMaxAttributes = 1024;
constexpr size_t kMaxExtents = 1 << 16;

constexpr Trouble kMalformed{Refusal::kInvalidHeader, "a malformed extended header"};

// False if the text is no such number. An empty one takes back what was said before.
bool set_number(std::string_view text, std::optional<int64_t>& to) {
  to.reset();
  if (text.empty()) return true;
  to = parse_decimal(text);
  return to.has_value();
}

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

bool set_path(std::string_view text, std::optional<std::string>& to) {
  to.reset();
  if (text.empty()) return true;
  if (has_nul(text)) return false;
  to = std::string(text);
  return true;
}

// Format 0.1: `OFFSET,SIZE,OFFSET,SIZE…`.
Trouble parse_sparse_map(std::string_view text, std::vector<Extent>& extents) {
  extents.clear();
  while (!text.empty()) {
    int64_t pair[2];
    for (int64_t& number : pair) {
      const size_t end = text.find(',');
      const auto found = parse_decimal(text.substr(0, end));
      if (!found) return kMalformed;
      number = *found;
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    if (extents.size() == kMaxExtents)
      return {Refusal::kTooManyEntries, "a sparse file with too many parts"};
    extents.push_back({pair[0], pair[1]});
  }
  return {};
}

Trouble add_attribute(std::string_view name, std::string_view value, PaxRecords& records) {
  if (name.empty() || has_nul(name)) return kMalformed;
  for (Attribute& known : records.attributes) {
    if (known.name != name) continue;
    known.value = value;
    return {};
  }
  if (records.attributes.size() == kMaxAttributes)
    return {Refusal::kTooManyEntries, "too many extended attributes"};
  records.attributes.push_back({std::string(name), std::string(value)});
  return {};
}

Trouble take_sparse(std::string_view key, std::string_view value, PaxRecords& records) {
  bool valid = true;
  if (key == "major") {
    valid = set_number(value, records.sparse_major);
  } else if (key == "minor") {
    valid = set_number(value, records.sparse_minor);
  } else if (key == "name") {
    valid = set_path(value, records.sparse_name);
  } else if (key == "size" || key == "realsize") {
    valid = set_number(value, records.real_size);
  } else if (key == "map") {
    records.has_extents = true;
    return parse_sparse_map(value, records.extents);
  } else if (key == "offset") {  // format 0.0: a record for each number
    const auto offset = parse_decimal(value);
    if (!offset) return kMalformed;
    if (records.extents.size() == kMaxExtents)
      return {Refusal::kTooManyEntries, "a sparse file with too many parts"};
    records.has_extents = true;
    records.extents.push_back({*offset, -1});
  } else if (key == "numbytes") {
    const auto size = parse_decimal(value);
    if (!size || records.extents.empty() || records.extents.back().size >= 0) return kMalformed;
    records.extents.back().size = *size;
  }
  return valid ? Trouble{} : kMalformed;
}

Trouble take_record(std::string_view key, std::string_view value, PaxRecords& records) {
  constexpr std::string_view kSparse = "GNU.sparse.";
  if (key.starts_with(kAttributePrefix))
    return add_attribute(key.substr(kAttributePrefix.size()), value, records);
  if (key.starts_with(kSparse)) return take_sparse(key.substr(kSparse.size()), value, records);
  bool valid = true;
  if (key == "path") valid = set_path(value, records.path);
  if (key == "linkpath") valid = set_path(value, records.link);
  if (key == "uid") valid = set_number(value, records.uid);
  if (key == "gid") valid = set_number(value, records.gid);
  if (key == "size") valid = set_number(value, records.size);
  if (key == "mtime") {
    records.modified = value.empty() ? std::nullopt : parse_time(value);
    valid = value.empty() || records.modified;
  }
  return valid ? Trouble{} : kMalformed;
}

}  // namespace

std::optional<int64_t> parse_decimal(std::string_view text) {
  if (text.empty()) return std::nullopt;
  int64_t number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    if (number > (INT64_MAX - (digit - '0')) / 10) return std::nullopt;
    number = number * 10 + (digit - '0');
  }
  return number;
}

std::optional<Time> parse_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const auto seconds = parse_decimal(text.substr(0, point));
  if (!seconds) return std::nullopt;
  uint32_t nanoseconds = 0;
  if (point != std::string_view::npos) {
    uint32_t place = 100'000'000;
    for (const char digit : text.substr(point + 1)) {
      if (digit < '0' || digit > '9') return std::nullopt;
      nanoseconds += place * static_cast<uint32_t>(digit - '0');
      place /= 10;
    }
  }
  if (!negative) return Time{*seconds, nanoseconds};
  if (nanoseconds == 0) return Time{-*seconds, 0};
  return Time{-*seconds - 1, 1'000'000'000 - nanoseconds};
}

Trouble parse_pax(std::string_view text, PaxRecords& records) {
  while (!text.empty()) {
    // The length counts itself, the space and the line's end.
    const size_t space = text.find(' ');
    if (space == 0 || space > 20) return kMalformed;
    const auto size = parse_decimal(text.substr(0, space));
    if (!size || *size < static_cast<int64_t>(space) + 3 ||
        *size > static_cast<int64_t>(text.size()))
      return kMalformed;
    const std::string_view record = text.substr(space + 1, static_cast<size_t>(*size) - space - 1);
    text.remove_prefix(static_cast<size_t>(*size));
    const size_t equals = record.find('=');
    if (!record.ends_with('\n') || equals == 0 || equals >= record.size() - 1) return kMalformed;
    const std::string_view value = record.substr(equals + 1, record.size() - equals - 2);
    if (Trouble trouble = take_record(record.substr(0, equals), value, records); !trouble.ok())
      return trouble;
  }
  return {};
}

}  // namespace caisson::tar
