// The Node process's end of a container's stdin, where that is a pipe.
#pragma once

#include <sys/uio.h>

#include <span>

#include "../base/unique_fd.h"
#include "environment.h"

namespace caisson {

class Input {
 public:
  explicit Input(Environment& environment) : environment_(environment) {}

  void adopt(int fd) { fd_.reset(fd); }
  bool open() const { return fd_.valid(); }

  // How many bytes the pipe has taken, or a negated errno. After -EAGAIN the container is told when
  // it takes more, unless it cannot be watched: that is in `watch_failed`.
  long write(uint32_t token, std::span<const iovec> parts, bool& watch_failed);
  void unwatch();
  void end();

 private:
  Environment& environment_;
  UniqueFd fd_;
  bool watched_ = false;
  bool large_ = false;  // the pipe has been full once
};

}  // namespace caisson
