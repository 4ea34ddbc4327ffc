#include "resolve.h"

#include <fcntl.h>
#include <linux/openat2.h>

#include "../base/text.h"

namespace caisson {
namespace {

constexpr int kNotFound = 2, kExists = 17, kNameTooLong = 36, kAgain = 11;
constexpr size_t kMaxPath = 4096;

// Splits a path into its parent (copied) and its last component.
bool split(const char* path, Text<kMaxPath>& parent, const char*& name) {
  size_t end = length(path);
  if (end == 0 || path[end - 1] == '/') return false;
  size_t cut = end;
  while (cut > 0 && path[cut - 1] != '/')
    --cut;
  name = path + cut;
  parent.add(path, cut == 0 ? 0 : cut - 1);
  if (parent.size() == 0) parent.add(path[0] == '/' ? "/" : ".");
  return !parent.truncated();
}

}  // namespace

Result<UniqueFd> open_below(int root, const char* path, uint64_t flags, Follow follow,
                            uint64_t mode) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  if (root >= 0) {
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    if (follow == Follow::kNoLinks) how.resolve |= RESOLVE_NO_SYMLINKS;
  }
  // EAGAIN: a rename or mount elsewhere made the kernel unsure that it stayed inside; it asks to
  // retry.
  for (int attempt = 0;; ++attempt) {
    const long fd = sys::call(__NR_openat2, root >= 0 ? root : AT_FDCWD, path, &how, sizeof how);
    if (fd == -kAgain && attempt < 64) continue;
    if (fd < 0) return failure(fd, "openat2", path);
    return UniqueFd(static_cast<int>(fd));
  }
}

Result<UniqueFd> ensure_directory(int root, const char* path, Follow follow, uint32_t mode) {
  auto found = open_below(root, path, O_PATH | O_DIRECTORY, follow);
  if (found.ok() || found.error().number != kNotFound) return found;

  // Make what is missing, one component after another, each below the descriptor of its parent.
  Text<kMaxPath> so_far;
  const char* rest = path;
  while (*rest != '\0') {
    while (*rest == '/')
      so_far.add(rest++, 1);
    const char* start = rest;
    while (*rest != '\0' && *rest != '/')
      ++rest;
    if (rest == start) break;
    Text<kMaxPath> parent_path;
    parent_path.add(so_far.c_str());
    if (parent_path.size() == 0) parent_path.add(".");
    so_far.add(start, static_cast<size_t>(rest - start));
    if (so_far.truncated()) return failure(-kNameTooLong, "mkdirat", path);
    auto here = open_below(root, so_far.c_str(), O_PATH | O_DIRECTORY, follow);
    if (here.ok()) continue;
    if (here.error().number != kNotFound) return Error{here.error().number, "openat2", path};
    auto parent = open_below(root, parent_path.c_str(), O_PATH | O_DIRECTORY, follow);
    if (!parent.ok()) return Error{parent.error().number, "openat2", path};
    Text<256> name;
    name.add(start, static_cast<size_t>(rest - start));
    if (name.truncated()) return failure(-kNameTooLong, "mkdirat", path);
    const long made = sys::call(__NR_mkdirat, parent.value().get(), name.c_str(), mode);
    if (made < 0 && made != -kExists) return failure(made, "mkdirat", path);
  }
  return open_below(root, path, O_PATH | O_DIRECTORY, follow);
}

Result<UniqueFd> ensure_file(int root, const char* path) {
  auto found = open_below(root, path, O_PATH);
  if (found.ok() || found.error().number != kNotFound) return found;
  Text<kMaxPath> parent_path;
  const char* name = nullptr;
  if (!split(path, parent_path, name)) return failure(-kNotFound, "openat2", path);
  auto parent = ensure_directory(root, parent_path.c_str());
  if (!parent.ok()) return Error{parent.error().number, parent.error().call, path};
  const long fd = sys::call(__NR_openat, parent.value().get(), name,
                            O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0 && fd != -kExists) return failure(fd, "openat", path);
  UniqueFd made(fd < 0 ? -1 : static_cast<int>(fd));
  return open_below(root, path, O_PATH);
}

}  // namespace caisson
