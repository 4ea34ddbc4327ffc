// slirp4netns publishes a port when it is asked to by a JSON text on a socket of its own
// (slirp4netns(1), "API SOCKET"). Every process that reaches the socket may publish ports. So it is
// in a tmpfs that is attached nowhere: only /proc/<pid>/fd of the supervisor leads there, until the
// supervisor has sent its requests and closes the descriptor.
#include "slirp_ports.h"

#include <linux/mount.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <initializer_list>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../program/control.h"

namespace caisson {
namespace {

constexpr long kSecondsPerAnswer = 10;

// The whole answer: slirp4netns closes the connection after it. A negated errno, or its size.
long ask(const char* path, const char* request, char* answer, size_t capacity, const char*& call) {
  call = "socket";
  const long made = sys::call(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made < 0) return made;
  const UniqueFd socket(static_cast<int>(made));
  const timeval patience{kSecondsPerAnswer, 0};
  call = "setsockopt";
  for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    const long set =
        sys::call(__NR_setsockopt, socket.get(), SOL_SOCKET, direction, &patience, sizeof patience);
    if (set < 0) return set;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  copy_text(address.sun_path, path);
  call = "connect";
  const long connected = sys::call(__NR_connect, socket.get(), &address, sizeof address);
  if (connected < 0) return connected;
  call = "sendto";
  const size_t size = length(request);
  const long sent = sys::call(__NR_sendto, socket.get(), request, size, MSG_NOSIGNAL, nullptr, 0);
  if (sent < 0) return sent;
  if (static_cast<size_t>(sent) != size) return -EMSGSIZE;
  call = "recvfrom";
  size_t filled = 0;
  while (filled + 1 < capacity) {
    const long got = sys::call(__NR_recvfrom, socket.get(), answer + filled, capacity - 1 - filled,
                               0, nullptr, nullptr);
    if (got == -EINTR) continue;
    if (got < 0) return got;
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  answer[filled] = '\0';
  return static_cast<long>(filled);
}

// `{"return":{"id":1}}`; anything else is `{"error":{"desc":"…"}}`.
bool is_accepted(const char* answer) {
  constexpr const char kAccepted[] = "{\"return\"";
  for (size_t i = 0; i + 1 < sizeof kAccepted; ++i)
    if (answer[i] != kAccepted[i]) return false;
  return true;
}

}  // namespace

long make_socket_directory(const char*& call) {
  auto made = make_filesystem("tmpfs", "mode=0700,size=4096,nr_inodes=4",
                              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (!made.ok()) {
    call = made.error().call;
    return -made.error().number;
  }
  return made.take().release();
}

RefusedRequest send_requests(const char* path, const SlirpPorts& ports) {
  RefusedRequest refused;
  for (size_t i = 0; i < ports.count; ++i) {
    const char* request = ports.requests[i];
    char answer[200] = {};
    const char* call = nullptr;
    const long result = ask(path, request, answer, sizeof answer, call);
    if (result >= 0 && is_accepted(answer)) continue;
    refused.call = result < 0 ? call : kHelperEnded;
    refused.result = result < 0 ? result : -EIO;
    Text<sizeof refused.text> text;
    text.add(result < 0 ? "" : answer).add(result < 0 ? "" : ": ").add(request);
    copy_text(refused.text, text.c_str());
    return refused;
  }
  return refused;
}

}  // namespace caisson
