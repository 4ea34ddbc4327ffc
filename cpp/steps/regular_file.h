// Opening files whose names a container, or a process that may write to its root, has chosen.
#pragma once

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

struct RegularFile {
  UniqueFd fd;
  uint64_t size = 0;
};

// The file at `path` below `root`, for reading, if it is a regular one of at most `limit` bytes on
// a filesystem that stores files. Anything else is not opened, since opening or reading it may have
// effects, or wait for ever: a fifo, a device, a file of proc or another kernel filesystem
// (EINVAL); EFBIG is a larger one. `own_descriptors` is /proc/self/fd of a trusted procfs.
Result<RegularFile> open_regular(int root, const char* path, int own_descriptors, uint64_t limit);

// Whether a filesystem, by its `f_type` of statfs(2), is one whose files the kernel makes when they
// are read, which may wait for something to happen, as that of /proc/kmsg does.
bool is_kernel_filesystem(unsigned type);

}  // namespace caisson
