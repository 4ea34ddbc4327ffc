// Node's side of the guard (cpp/init/guard.cpp): one process beside each Node process that has
// containers, which undoes what is left when Node is killed.
#pragma once

#include <stdint.h>

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

class Guard {
 public:
  bool running() const { return socket_.valid(); }
  // Starts the guard. Called on a launcher thread.
  Status start(int init_fd, void* stack, size_t stack_size);
  // From now on `program`'s teardown half is run should this process die. A failure leaves the
  // guard as it is, unless it was found dead: then it is no longer `running`.
  Status add(uint64_t token, const void* program, size_t size);
  void done(uint64_t token);
  // Lets the guard run what is left and waits for its end.
  void stop();

 private:
  UniqueFd socket_;
  UniqueFd pidfd_;
};

}  // namespace caisson
