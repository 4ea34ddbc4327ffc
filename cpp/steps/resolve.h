// Paths below a container's root are resolved by the kernel, never by text, and used by descriptor
// (CVE-2021-30465 and its family).
#pragma once

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

// kBeneath: a link or `..` that leads out of the root is an error, EXDEV.
enum class Follow { kInRoot, kNoLinks, kBeneath };

// openat2(2) of `path` below `root` (RESOLVE_IN_ROOT: links and `..` stay inside; no magic links).
// With root -1 the path is the caller's own and resolved plainly.
Result<UniqueFd> open_below(int root, const char* path, uint64_t flags,
                            Follow follow = Follow::kInRoot, uint64_t mode = 0);

// The directory at `path`, made with its missing parents (mode 0755) by walking descriptors. Links
// are followed, below the root, also where they lead to what does not exist yet.
Result<UniqueFd> ensure_directory(int root, const char* path, Follow follow = Follow::kInRoot,
                                  uint32_t mode = 0755);

// The file at `path`, made empty when missing, opened O_PATH.
Result<UniqueFd> ensure_file(int root, const char* path);

}  // namespace caisson
