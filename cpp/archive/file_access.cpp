#include "file_access.h"

#include <linux/openat2.h>

#include <algorithm>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../steps/resolve.h"

namespace caisson::archive {
namespace {

constexpr size_t kLargestAttribute = 64 << 10;  // XATTR_SIZE_MAX, XATTR_LIST_MAX

// getdents64(2).
struct DirectoryEntry {
  uint64_t inode;
  int64_t next;
  uint16_t size;
  uint8_t type;
  char name[1];
};

}  // namespace

Result<Place> find_place(int root, std::string_view path) {
  while (path.size() > 1 && path.back() == '/')
    path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  const bool has_parent = slash != std::string_view::npos;
  std::string_view parent = has_parent ? path.substr(0, slash + 1) : ".";
  std::string_view name = has_parent ? path.substr(slash + 1) : path;
  // The directory itself, found with its links.
  if (name.empty() || name == "." || name == "..") {
    if (!path.empty()) parent = path;
    name = ".";
  }
  auto directory = open_below(root, std::string(parent).c_str(), O_PATH | O_DIRECTORY);
  if (!directory.ok()) return directory.error();
  Place place;
  place.directory = directory.take();
  place.name = name;
  return place;
}

Result<UniqueFd> open_entry(int directory, const char* name, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long opened = sys::call(__NR_openat2, directory, name, &how, sizeof how);
  if (opened < 0) return failure(opened, "openat2");
  return UniqueFd(static_cast<int>(opened));
}

Result<UniqueFd> reopen(int own_descriptors, int fd, uint64_t flags) {
  Text<16> name;
  name.add(static_cast<uint64_t>(fd));
  const long opened =
      sys::call(__NR_openat, own_descriptors, name.c_str(), flags | O_CLOEXEC | O_NONBLOCK);
  if (opened < 0) return failure(opened, "openat");
  return UniqueFd(static_cast<int>(opened));
}

Status look(int fd, struct statx& info) {
  return check(
      sys::call(__NR_statx, fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &info),
      "statx");
}

Result<std::vector<std::string>> list_names(int directory) {
  std::vector<std::string> names;
  alignas(DirectoryEntry) uint8_t buffer[32 << 10];
  for (;;) {
    const long got = sys::call(__NR_getdents64, directory, buffer, sizeof buffer);
    if (got < 0) return failure(got, "getdents64");
    if (got == 0) break;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->size;
      const std::string_view name = entry->name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_link(int fd) {
  char target[4096];
  const long size = sys::call(__NR_readlinkat, fd, "", target, sizeof target);
  return size < 0 ? std::string() : std::string(target, static_cast<size_t>(size));
}

bool is_portable_attribute(std::string_view name) {
  if (name.starts_with("trusted.") || name.starts_with("user.overlay.")) return false;
  if (name.starts_with("security.") && name != "security.capability") return false;
  // An archive separates it from its value by the first `=`.
  return name.find('=') == std::string_view::npos;
}

Result<std::vector<tar::Attribute>> read_attributes(int fd) {
  std::vector<tar::Attribute> attributes;
  std::string list(kLargestAttribute, '\0');
  const long size = sys::call(__NR_flistxattr, fd, list.data(), list.size());
  if (size == -EOPNOTSUPP || size == -EPERM) return attributes;
  if (size < 0) return failure(size, "flistxattr");
  list.resize(static_cast<size_t>(size));
  std::string value;
  for (size_t at = 0; at < list.size();) {
    const std::string name = list.c_str() + at;
    at += name.size() + 1;
    if (!is_portable_attribute(name)) continue;
    value.resize(kLargestAttribute);
    const long length = sys::call(__NR_fgetxattr, fd, name.c_str(), value.data(), value.size());
    // Removed meanwhile, or one of those that only the host's root may read.
    if (length < 0) continue;
    value.resize(static_cast<size_t>(length));
    attributes.push_back({name, value});
  }
  return attributes;
}

}  // namespace caisson::archive
