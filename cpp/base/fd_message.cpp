#include "fd_message.h"

#include <sys/socket.h>

#include "kernel.h"
#include "sys.h"

namespace caisson {
namespace {

struct FdControl {
  alignas(cmsghdr) unsigned char bytes[CMSG_SPACE(sizeof(int) * kMaxPassedFds)];
};

}  // namespace

Status send_message(int socket, const void* bytes, size_t size, const int* fds, size_t fd_count) {
  if (fd_count > kMaxPassedFds) return failure(-EMSGSIZE, "sendmsg");
  iovec part{const_cast<void*>(bytes), size};
  // All of it: where the C library's fields are shorter than the kernel's, the rest is padding.
  FdControl control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd_count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen =
        static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(sizeof(int) * fd_count));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(sizeof(int) * fd_count));
    __builtin_memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
  }
  for (;;) {
    const long sent = sys::call(__NR_sendmsg, socket, &message, MSG_NOSIGNAL);
    if (sent == -EINTR) continue;
    return check(sent, "sendmsg");
  }
}

Result<Received> receive_message(int socket, void* bytes, size_t capacity, int* fds) {
  iovec part{bytes, capacity};
  FdControl control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  long size = 0;
  do
    size = sys::call(__NR_recvmsg, socket, &message, MSG_CMSG_CLOEXEC);
  while (size == -EINTR);
  if (size < 0) return failure(size, "recvmsg");
  Received received;
  received.size = static_cast<size_t>(size);
  if (message.msg_controllen >= sizeof(cmsghdr)) {
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      received.fd_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      __builtin_memcpy(fds, CMSG_DATA(header), received.fd_count * sizeof(int));
    }
  }
  if ((message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
    for (size_t i = 0; i < received.fd_count; ++i)
      sys::close(fds[i]);
    return failure(-EMSGSIZE, "recvmsg");
  }
  return received;
}

}  // namespace caisson
