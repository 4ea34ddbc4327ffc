// pipe(7): how much a pipe holds.
#pragma once

#include <fcntl.h>

#include "sys.h"

namespace caisson {

constexpr int kUsualPipe = 64 << 10;
// The size of a pipe with much data. Twice as much is hardly faster, and the pipes of an
// unprivileged user share 64 MiB (pipe-user-pages-soft): beyond that all new ones are small.
constexpr int kLargePipe = 512 << 10;
// /proc/sys/fs/pipe-max-size; only root can make a larger one, or raise that.
constexpr int kLargestPipe = 1 << 20;

// For a pipe that was full: its writer has had to wait, and would have to again. Where the kernel
// gives no more (pipe-user-pages-soft), it stays as it is.
inline void enlarge_pipe(int pipe, int size) {
  sys::call(__NR_fcntl, pipe, F_SETPIPE_SZ, size);
}

}  // namespace caisson
