// The Node process's end of a container's stdout or stderr, or of its terminal. Read here and not
// by a stream of Node's own: making and closing one costs the JavaScript thread more than all the
// rest of a start.
#pragma once

#include <span>

#include "../base/unique_fd.h"
#include "environment.h"
#include "listener.h"
#include "slab.h"

namespace caisson {

class Output {
 public:
  // `number` is 1 for stdout and the terminal, and 2 for stderr.
  Output(Environment& environment, Listener& listener, unsigned number)
      : environment_(environment), listener_(listener), number_(number) {}

  unsigned number() const { return number_; }
  Source source() const { return number_ == 1 ? Source::kStdout : Source::kStderr; }
  bool open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }

  // Takes the ends of a pipe over, each -1 where there is none, the first of which is watched
  // already. While the container's end, `inside`, is open here too, the pipe has no end, which
  // would wake the JavaScript thread a moment before the exit does.
  void adopt(int fd, int inside);
  // Takes a terminal over.
  void adopt_terminal(int fd) { fd_.reset(fd); }

  // 0 or a negated errno.
  int watch(uint32_t token);
  void unwatch();
  bool watched() const { return watched_; }
  bool paused() const { return paused_; }

  // JavaScript reads it as a stream, and learns of its end at once; otherwise with the exit.
  void follow(bool paused);
  void pass_on() { slab_.pass_on(); }
  // The pipe has an end from here on.
  void close_inside() { inside_.reset(); }

  static constexpr size_t kAtOnce = 1u << 20;  // before other work of the event loop has its turn
  static constexpr size_t kToTheEnd = ~size_t{0};
  // Delivers what is there, up to about so many bytes; true when there is nothing left to come.
  // When the process has ended, the pipe is read until it says so.
  bool deliver(size_t most, bool process_ended);
  // As much as a pipe can hold at most, whether JavaScript has paused it or not. True as above.
  bool deliver_full_pipe();

  // Nothing more is read, which is told.
  void end();
  // The same, but for the telling: what was open is for another thread to close.
  UniqueFd hand_over();

  // The container is gone.
  void release() { slab_.release(); }
  // The environment is closing.
  void abandon() { slab_.abandon(); }

 private:
  long read(std::span<char> room);

  Environment& environment_;
  Listener& listener_;
  UniqueFd fd_;
  UniqueFd inside_;
  Slab slab_;
  const unsigned number_;
  bool watched_ = false;
  bool paused_ = false;
  bool followed_ = false;
  bool large_ = false;  // the pipe has been full once
};

}  // namespace caisson
