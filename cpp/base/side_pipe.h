// A second pipe, which is this process's alone, beside one that is shared with a program. A pipe is
// locked while bytes are copied into it or out of it, so that its two sides wait for each other's
// copying. splice(2) between two pipes moves pages and copies nothing: the copying is done at this
// pipe instead, while the program goes on with the other one. It pays where much flows.
#pragma once

#include <span>

#include "unique_fd.h"

namespace caisson {

class SidePipe {
 public:
  // False where there is none to be had, and none is to be missed: a system call filter may refuse
  // to splice.
  bool open();
  // As read(2) of another pipe that does not block. Nothing stays here.
  long read(int pipe, std::span<char> room);

 private:
  void close();

  UniqueFd in_, out_;
  bool refused_ = false;
};

}  // namespace caisson
