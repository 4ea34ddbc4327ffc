// port.bind: the ports of the host that are a container's. On a network of bridges, packets to them
// are translated before they come to a socket; the sockets are there so that no other process gets
// these ports. In user mode, the program that forwards them binds them itself: it is only tried.
#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "port_socket.h"

namespace caisson {
namespace {

// Descriptors in one descriptor: they are in messages to a socket that are never received, and are
// closed with it. A container may have more ports than there are slots.
class Bundle {
 public:
  Status make() {
    int ends[2];
    Status made = check(sys::call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends),
                        "socketpair");
    if (!made.ok()) return made;
    in_.reset(ends[0]);
    out_.reset(ends[1]);
    // Full, it fails instead of waiting for a reader.
    return check(sys::call(__NR_fcntl, in_.get(), F_SETFL, O_NONBLOCK), "fcntl");
  }

  Status add(UniqueFd fd) {
    if (!fd.valid()) return {};
    fds_[count_++] = fd.release();
    return count_ == kMaxPassedFds ? flush() : Status{};
  }

  Status flush() {
    if (count_ == 0) return {};
    Status sent = send_message(in_.get(), "", 1, fds_, count_);
    while (count_ > 0)
      sys::close(fds_[--count_]);
    return sent;
  }

  UniqueFd take() { return static_cast<UniqueFd&&>(out_); }

  Bundle() = default;
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;
  ~Bundle() {
    while (count_ > 0)
      sys::close(fds_[--count_]);
  }

 private:
  UniqueFd in_, out_;
  int fds_[kMaxPassedFds];
  size_t count_ = 0;
};

}  // namespace

namespace steps {

// The error has the line of its port, such as "0.0.0.0:80/tcp".
Status port_bind(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const Blob ports = base.blob(step, 1);
  if (ports.size % sizeof(PortAddress) != 0) return Error{EINVAL, "bind"};
  const bool only_tries = step.number[0] != 0;
  Bundle bundle;
  if (Status made = bundle.make(); !made.ok()) return made;
  const uint64_t end = end_of_patience();
  for (uint32_t i = 0; i < ports.size / sizeof(PortAddress); ++i) {
    PortAddress port;
    __builtin_memcpy(&port, ports.data + i * sizeof port, sizeof port);
    auto socket = bind_port(port, only_tries ? Bind::kTry : Bind::kKeep, machine.canceller, end);
    if (!socket.ok()) return port_error(socket.error(), base, step, i);
    if (only_tries) continue;
    if (Status added = bundle.add(socket.take()); !added.ok()) return added;
  }
  if (only_tries) return {};
  if (Status flushed = bundle.flush(); !flushed.ok()) return flushed;
  machine.ports = bundle.take();
  return {};
}

}  // namespace steps
}  // namespace caisson
