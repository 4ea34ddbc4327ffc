#include "input_pipe.h"

#include <errno.h>

#include "pipe_size.h"

namespace caisson {
namespace {

// What waits here, the writer takes for done: no more of it than is of use.
constexpr int kLargeInput = 256 << 10;

}  // namespace

void InputPipe::close() {
  pipe_.reset();
  side_.close();
}

long InputPipe::write(std::span<const iovec> parts) {
  if (large_ && side_.open(kUsualPipe)) {
    const long written = side_.write(parts);
    const long flushed = flush();
    return flushed == 0 || flushed == -EAGAIN ? written : flushed;
  }
  const long written = sys::call(__NR_writev, fd(), parts.data(), parts.size());
  if (written != -EAGAIN || large_) return written;
  large_ = true;
  enlarge_pipe(fd(), kLargeInput);
  return write(parts);
}

}  // namespace caisson
