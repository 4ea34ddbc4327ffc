#include "link.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kernel.h"
#include "mount_api.h"
#include "text.h"

namespace caisson {

Status set_link_up(const char* name) {
  auto socket =
      own_fd(sys::call(__NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", name);
  if (!socket.ok()) return socket.error();
  ifreq request{};
  if (length(name) >= sizeof request.ifr_name) return failure(-ENAMETOOLONG, "ioctl", name);
  copy_text(request.ifr_name, name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return check(sys::call(__NR_ioctl, socket.value().get(), SIOCSIFFLAGS, &request),
               "ioctl SIOCSIFFLAGS", name);
}

}  // namespace caisson
