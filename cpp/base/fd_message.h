// Messages with descriptors over a SOCK_SEQPACKET pair.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "result.h"

namespace caisson {

constexpr size_t kMaxPassedFds = 253;  // SCM_MAX_FD

// Sends `size` bytes with the descriptors.
Status send_message(int socket, const void* bytes, size_t size, const int* fds, size_t fd_count);

struct Received {
  size_t size = 0;  // 0: the other end is closed
  size_t fd_count = 0;
};

// Receives one message; `fds` must have room for kMaxPassedFds. All of them are close-on-exec.
Result<Received> receive_message(int socket, void* bytes, size_t capacity, int* fds);

}  // namespace caisson
