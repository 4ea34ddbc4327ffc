// The end of a program's standard input that is written to. It does not block.
#pragma once

#include "side_pipe.h"

namespace caisson {

class InputPipe {
 public:
  bool valid() const { return pipe_.valid(); }
  int fd() const { return pipe_.get(); }
  void open(int pipe) { pipe_.reset(pipe); }
  void close();

  // How many of the bytes it has taken, or a negated errno: -EAGAIN when it is full.
  long write(std::span<const iovec> parts);
  // Passes on what it has taken: -EAGAIN while the program's pipe has no room for all of that.
  long flush() { return side_.drain_to(fd()); }
  // Some of what it has taken is not in the program's pipe yet.
  bool holds() const { return side_.held() > 0; }

 private:
  UniqueFd pipe_;
  SidePipe side_;
  // It has been full once.
  bool large_ = false;
};

}  // namespace caisson
