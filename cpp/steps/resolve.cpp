#include "resolve.h"

#include <linux/openat2.h>

#include "../base/kernel.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr int kMaxLinks = 40;
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
    how.resolve =
        (follow == Follow::kBeneath ? RESOLVE_BENEATH : RESOLVE_IN_ROOT) | RESOLVE_NO_MAGICLINKS;
    if (follow == Follow::kNoLinks) how.resolve |= RESOLVE_NO_SYMLINKS;
  }
  // EAGAIN: a rename or mount elsewhere made the kernel unsure that it stayed inside; it asks to
  // retry.
  for (int attempt = 0;; ++attempt) {
    const long fd = sys::call(__NR_openat2, root >= 0 ? root : AT_FDCWD, path, &how, sizeof how);
    if (fd == -EAGAIN && attempt < 64) continue;
    if (fd < 0) return failure(fd, "openat2", path);
    return UniqueFd(static_cast<int>(fd));
  }
}

namespace {

// Where the link `name` in `parent` leads, with `rest` behind it, as a path from the same root;
// `parent_path` is that of `parent`.
Status follow_link(int parent, const char* parent_path, const char* name, const char* rest,
                   Text<kMaxPath>& to) {
  char link[kMaxPath];
  const long size = sys::call(__NR_readlinkat, parent, name, link, sizeof link);
  if (size < 0) return failure(size, "readlinkat");
  to.clear();
  if (link[0] != '/') to.add(parent_path).add("/");
  to.add(link, static_cast<size_t>(size)).add(rest);
  if (to.truncated()) return failure(-ENAMETOOLONG, "readlinkat");
  return {};
}

// Makes what is missing of `path`, one component after another, each below the descriptor of its
// parent. At a link that leads nowhere yet it stops, and `next` is the path to go on with.
Status make_directories(int root, const char* path, Follow follow, uint32_t mode,
                        Text<kMaxPath>& next) {
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
    if (so_far.truncated()) return failure(-ENAMETOOLONG, "mkdirat");
    auto here = open_below(root, so_far.c_str(), O_PATH | O_DIRECTORY, follow);
    if (here.ok()) continue;
    if (here.error().number != ENOENT) return Error{here.error().number, "openat2"};
    auto parent = open_below(root, parent_path.c_str(), O_PATH | O_DIRECTORY, follow);
    if (!parent.ok()) return Error{parent.error().number, "openat2"};
    Text<256> name;
    name.add(start, static_cast<size_t>(rest - start));
    if (name.truncated()) return failure(-ENAMETOOLONG, "mkdirat");
    const long made = sys::call(__NR_mkdirat, parent.value().get(), name.c_str(), mode);
    if (made >= 0) continue;
    if (made != -EEXIST) return failure(made, "mkdirat");
    // Either another process has just created it, or it is a link to a path that does not exist.
    if (open_below(root, so_far.c_str(), O_PATH | O_DIRECTORY, follow).ok()) continue;
    return follow_link(parent.value().get(), parent_path.c_str(), name.c_str(), rest, next);
  }
  return {};
}

}  // namespace

Result<UniqueFd> ensure_directory(int root, const char* path, Follow follow, uint32_t mode) {
  auto found = open_below(root, path, O_PATH | O_DIRECTORY, follow);
  if (found.ok() || found.error().number != ENOENT) return found;
  Text<kMaxPath> whole, next;
  whole.add(path);
  if (whole.truncated()) return failure(-ENAMETOOLONG, "mkdirat", path);
  for (int links = 0; links < kMaxLinks; ++links) {
    next.clear();
    if (Status made = make_directories(root, whole.c_str(), follow, mode, next); !made.ok())
      return Error{made.error().number, made.error().call, path};
    if (next.size() == 0) {
      auto directory = open_below(root, whole.c_str(), O_PATH | O_DIRECTORY, follow);
      if (!directory.ok()) return Error{directory.error().number, directory.error().call, path};
      return directory;
    }
    whole = next;
  }
  return failure(-ELOOP, "openat2", path);
}

Result<UniqueFd> ensure_file(int root, const char* path) {
  auto found = open_below(root, path, O_PATH);
  if (found.ok() || found.error().number != ENOENT) return found;
  Text<kMaxPath> whole, next;
  whole.add(path);
  if (whole.truncated()) return failure(-ENAMETOOLONG, "openat", path);
  for (int links = 0; links < kMaxLinks; ++links) {
    Text<kMaxPath> parent_path;
    const char* name = nullptr;
    if (!split(whole.c_str(), parent_path, name)) return failure(-ENOENT, "openat2", path);
    auto parent = ensure_directory(root, parent_path.c_str());
    if (!parent.ok()) return Error{parent.error().number, parent.error().call, path};
    const long fd = sys::call(__NR_openat, parent.value().get(), name,
                              O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0 && fd != -EEXIST) return failure(fd, "openat", path);
    UniqueFd made(fd < 0 ? -1 : static_cast<int>(fd));
    auto file = open_below(root, whole.c_str(), O_PATH);
    if (file.ok()) return file;
    if (file.error().number != ENOENT || fd >= 0)
      return Error{file.error().number, file.error().call, path};
    // A link to what does not exist, such as /etc/resolv.conf often is.
    Status followed = follow_link(parent.value().get(), parent_path.c_str(), name, "", next);
    if (!followed.ok()) return Error{followed.error().number, followed.error().call, path};
    whole = next;
  }
  return failure(-ELOOP, "openat2", path);
}

}  // namespace caisson
