// What a start learns at its end about look-ups that the resolver has refused. The connection by
// which it has registered a container with a policy stays open: the resolver's worker writes
// kRefused before it sends the first reply that refuses something, and the broker writes kOver when
// the container has ended.
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "kernel.h"
#include "sys.h"

namespace caisson {

enum class RefusalNotice : uint8_t { kOver, kRefused };

inline void send_notice(int socket, RefusalNotice notice) {
  // The other end may be closed: not every start wants to know.
  sys::call(__NR_sendto, socket, &notice, sizeof notice, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
}

// True also if it is not known, as after the resolver was killed.
inline bool may_have_refused(int socket) {
  RefusalNotice notices[16];
  const long got =
      sys::call(__NR_recvfrom, socket, notices, sizeof notices, MSG_DONTWAIT, nullptr, nullptr);
  if (got == -EAGAIN) return false;
  for (long i = 0; i < got; ++i)
    if (notices[i] == RefusalNotice::kRefused) return true;
  return got <= 0;
}

}  // namespace caisson
