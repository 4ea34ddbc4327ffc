// A second pipe, which is this process's alone, beside one that is shared with a program. A pipe is
// locked while bytes are copied into it or out of it, so that its two sides wait for each other's
// copying. splice(2) between two pipes moves pages and copies nothing: the copying is done at this
// pipe instead, while the program goes on with the other one. It pays where much flows.
#pragma once

#include <sys/uio.h>

#include <span>

#include "unique_fd.h"

namespace caisson {

class SidePipe {
 public:
  // False where there is none to be had, and none is to be missed: a system call filter may refuse
  // to splice.
  bool open(int size);
  // What is in it is lost.
  void close();

  // As read(2) of another pipe that does not block. Nothing stays here.
  long read(int pipe, std::span<char> room);

  // As writev(2): the bytes are held here.
  long write(std::span<const iovec> parts);
  // Moves what is held on into another pipe. 0 when that is all, else a negated errno.
  long drain_to(int pipe);
  size_t held() const { return held_; }

 private:
  UniqueFd in_, out_;
  size_t held_ = 0;
  bool refused_ = false;
};

}  // namespace caisson
