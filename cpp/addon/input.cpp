#include "input.h"

#include <utility>

#include "../base/kernel.h"
#include "../base/pipe_size.h"

namespace caisson {
namespace {

// Of a pipe that was full. The writer takes what waits in it for done.
constexpr int kLargeInput = 256 << 10;

}  // namespace

long Input::write(uint32_t token, std::span<const iovec> parts, bool& watch_failed) {
  watch_failed = false;
  if (!fd_.valid()) return -EPIPE;
  long written = sys::call(__NR_writev, fd_.get(), parts.data(), parts.size());
  if (written == -EAGAIN && !std::exchange(large_, true)) {
    enlarge_pipe(fd_.get(), kLargeInput);
    written = sys::call(__NR_writev, fd_.get(), parts.data(), parts.size());
  }
  if (written == -EAGAIN && !watched_) {
    watched_ = environment_.watch(token, Source::kInput, fd_.get(), EPOLLOUT) == 0;
    watch_failed = !watched_;
  }
  return written;
}

void Input::unwatch() {
  if (watched_) environment_.unwatch(fd_.get());
  watched_ = false;
}

void Input::end() {
  unwatch();
  fd_.reset();
}

}  // namespace caisson
