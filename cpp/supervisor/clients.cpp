#include "clients.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "../base/kernel.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr uint64_t kSendTime = 30 * kSecond;  // for clients that have not read everything yet
constexpr uint64_t kLeaveTime = 5 * kSecond;  // for clients that have, and stay connected

}  // namespace

void Clients::listen(int directory, const char* name) {
  UniqueFd socket(static_cast<int>(
      sys::call(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  if (!socket.valid()) return;
  // A socket's path has 108 bytes at most; through the descriptor it fits, wherever the directory
  // is.
  Text<sizeof sockaddr_un::sun_path> path;
  path.add("/proc/self/fd/").add(static_cast<uint64_t>(directory)).add("/").add(name);
  sockaddr_un address{};
  if (path.truncated()) return;
  address.sun_family = AF_UNIX;
  copy_text(address.sun_path, path.c_str());
  sys::call(__NR_unlinkat, directory, name, 0);
  if (sys::call(__NR_bind, socket.get(), &address, sizeof address) < 0) return;
  if (sys::call(__NR_listen, socket.get(), 128) < 0) return;
  listener_ = static_cast<UniqueFd&&>(socket);
}

void Clients::stop_listening(int directory, const char* name) {
  listener_.reset();
  if (directory >= 0) sys::call(__NR_unlinkat, directory, name, 0);
}

void Clients::accept() {
  const long fd =
      sys::call(__NR_accept4, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) {
    add(static_cast<int>(fd));
  } else if (fd != -EAGAIN) {
    sys::sleep(kMillisecond);  // no descriptor is left: the client still waits
  }
}

void Clients::add(int fd) {
  for (Client& client : clients_)
    if (!client.connected()) {
      client.open(fd);
      return;
    }
  for (size_t tries = 0; tries < kMax; ++tries) {
    Client& client = clients_[next_to_yield_++ % kMax];
    Frame frame;
    if (client.asked || client.next(frame) || client.waiting() || is_bound(client)) continue;
    client.close();
    client.open(fd);
    return;
  }
  sys::close(fd);
}

size_t Clients::attached_besides(const Client& client) const {
  size_t count = 0;
  for (const Client& other : clients_)
    if (other.connected() && &other != &client && other.attached != 0) ++count;
  return count;
}

bool Clients::hold_back() const {
  for (const Client& client : clients_)
    if (client.connected() && (client.attached & (kAttachOut | kAttachErr)) != 0 &&
        client.waiting())
      return true;
  return false;
}

void Clients::tell_all(Reply type, const void* first, size_t first_size, const void* second,
                       size_t second_size) {
  for (Client& client : clients_)
    if (client.connected()) client.send(type, first, first_size, second, second_size);
}

void Clients::tell_attached(uint8_t streams, Reply type, const void* first, size_t first_size,
                            const void* second, size_t second_size) {
  for (Client& client : clients_)
    if (client.connected() && (client.attached & streams) != 0)
      client.send(type, first, first_size, second, second_size);
}

void Clients::detach_all() {
  for (Client& client : clients_)
    client.attached = 0;
}

// A client with a whole frame that was not served yet (it waits for room, or for the program) is
// not read from.
short Clients::wanted(const Client& client) {
  Frame frame;
  const bool blocked = client.next(frame);
  return static_cast<short>((blocked ? 0 : POLLIN) | (client.waiting() ? POLLOUT : 0));
}

// ppoll(2) reports the end of a connection whether it was asked for or not, and would report it
// again and again. It is only of interest where something is wanted, or the container ends with the
// client.
int Clients::polled_fd(const Client& client) const {
  return client.connected() && (wanted(client) != 0 || is_bound(client)) ? client.fd() : -1;
}

void Clients::say_farewell() {
  const uint64_t began = sys::monotonic();
  for (;;) {
    PollSet<kMax> set;
    size_t at[kMax];
    bool connected = false, sending = false;
    for (size_t i = 0; i < kMax; ++i) {
      Client& client = clients_[i];
      at[i] = 0;
      if (!client.connected()) continue;
      connected = true;
      if (client.waiting())
        sending = true;
      else
        client.end_sending();
      at[i] = set.add(client.fd(), static_cast<short>(POLLIN | (client.waiting() ? POLLOUT : 0)));
    }
    const uint64_t now = sys::monotonic();
    if (!connected || now >= began + (sending ? kSendTime : kLeaveTime)) return;
    set.wait(1000);
    for (size_t i = 0; i < kMax; ++i) {
      const short events = set.events(at[i]);
      if ((events & POLLOUT) != 0) clients_[i].resume();
      if ((events & ~POLLOUT) != 0 && !clients_[i].drain()) clients_[i].close();
    }
  }
}

}  // namespace caisson
