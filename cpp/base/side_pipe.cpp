#include "side_pipe.h"

#include <errno.h>
#include <fcntl.h>

#include "pipe_size.h"

namespace caisson {
namespace {

long move(int from, int to, size_t size) {
  return sys::call(__NR_splice, from, nullptr, to, nullptr, size,
                   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

}  // namespace

bool SidePipe::open() {
  if (in_.valid()) return true;
  int ends[2];
  if (refused_ || sys::call(__NR_pipe2, ends, O_CLOEXEC | O_NONBLOCK) < 0) return false;
  out_.reset(ends[0]);
  in_.reset(ends[1]);
  // Of nothing, because what has been moved cannot be put back.
  refused_ = move(out_.get(), in_.get(), 0) < 0;
  if (refused_)
    close();
  else
    enlarge_pipe(in_.get(), kLargePipe);
  return !refused_;
}

void SidePipe::close() {
  in_.reset();
  out_.reset();
}

long SidePipe::read(int pipe, std::span<char> room) {
  const long moved = move(pipe, in_.get(), room.size());
  if (moved <= 0) return moved;
  const auto size = static_cast<size_t>(moved);
  size_t got = 0;
  while (got < size) {
    // Of a pipe in packet mode (pipe(2), O_DIRECT) one packet at a time.
    const long part = sys::call(__NR_read, out_.get(), room.data() + got, size - got);
    if (part <= 0) {
      // A page that cannot be read. Another stream would get what is left.
      close();
      break;
    }
    got += static_cast<size_t>(part);
  }
  return static_cast<long>(got);
}

}  // namespace caisson
