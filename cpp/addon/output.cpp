#include "output.h"

#include <algorithm>
#include <utility>

#include "../base/kernel.h"
#include "../base/pipe_size.h"

namespace caisson {
namespace {

// Bytes that JavaScript gets at a time.
constexpr size_t kPart = Output::kAtOnce / 4;

}  // namespace

void Output::adopt(int fd, int inside) {
  fd_.reset(fd);
  inside_.reset(inside);
  watched_ = fd_.valid();
  if (followed_) inside_.reset();
  if (paused_) unwatch();
}

int Output::watch(uint32_t token) {
  const int error = environment_.watch(token, source(), fd_.get());
  watched_ = error == 0;
  return error;
}

void Output::unwatch() {
  if (watched_) environment_.unwatch(fd_.get());
  watched_ = false;
}

void Output::follow(bool paused) {
  paused_ = paused;
  followed_ = true;
  inside_.reset();
}

bool Output::deliver(size_t most, bool process_ended) {
  const Napi::Env env = environment_.env();
  for (size_t done = 0; fd_.valid() && !paused_ && done < most;) {
    const Napi::HandleScope scope(env);
    std::span<char> room = slab_.room(env);
    room = room.first(std::min(room.size(), kPart));
    const long size = read(room);
    if (size == -EAGAIN || size == -EINTR) return false;
    if (size <= 0) return true;
    const auto got = static_cast<size_t>(size);
    done += got;
    // The program has had to wait for room, and would have to again.
    if (got >= size_t{kUsualPipe} && !std::exchange(large_, true))
      enlarge_pipe(fd_.get(), kLargePipe);
    Slab::Part part{};
    if (!slab_.take(env, room.first(got), part)) continue;
    listener_.data(number_, part);
    // Most likely that was all; if not, the poller says so. After the exit only the end will do.
    if (got < room.size() && !process_ended) return false;
  }
  return false;
}

bool Output::deliver_full_pipe() {
  for (int left = kLargestPipe; fd_.valid() && left > 0; left -= kUsualPipe) {
    paused_ = false;
    if (deliver(1, true)) return true;
  }
  return false;
}

long Output::read(std::span<char> room) {
  SidePipe& side = environment_.side_pipe();
  if (large_ && side.open()) return side.read(fd_.get(), room);
  return sys::call(__NR_read, fd_.get(), room.data(), room.size());
}

void Output::end() {
  unwatch();
  fd_.reset();
  inside_.reset();
  listener_.end(number_);
}

UniqueFd Output::hand_over() {
  unwatch();
  return std::move(fd_);
}

}  // namespace caisson
