#include "broker.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/mount_api.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr uint64_t kClientTime = 10 * kSecond;  // between the messages of a client
// Without a container, so that containers that are started one after the other share a resolver.
constexpr uint64_t kIdleTime = 2 * kSecond;
// The sockets of an earlier broker's worker are closed by then.
constexpr uint64_t kTakeOverTime = 3 * kSecond;
constexpr rlim_t kFiles = 8192;

}  // namespace

size_t Broker::slot_of(View id) const {
  size_t slot = 0;
  while (slot < kMaxRegistrations &&
         (!registered_[slot].used || !same_bytes(registered_[slot].id, id)))
    ++slot;
  return slot;
}

size_t Broker::free_slot() const {
  size_t slot = 0;
  while (slot < kMaxRegistrations && registered_[slot].used)
    ++slot;
  return slot;
}

bool Broker::is_idle() const {
  for (const Client& client : clients_)
    if (client.socket.valid()) return false;
  for (const Registered& one : registered_)
    if (one.used) return false;
  return true;
}

void Broker::keep(size_t slot, const uint8_t* bytes, size_t size, View id) {
  Registered& one = registered_[slot];
  __builtin_memmove(bytes_[slot], bytes, size);
  one.size = size;
  one.id = {reinterpret_cast<const char*>(bytes_[slot]) +
                (id.bytes - reinterpret_cast<const char*>(bytes)),
            id.size};
}

void Broker::tell(size_t slot, bool with_sockets) {
  static ChannelMessage message;
  const Registered& one = registered_[slot];
  message.head = {one.used ? ChannelKind::kSet : ChannelKind::kClear, static_cast<uint32_t>(slot)};
  if (!one.used) return worker_.send(message, sizeof message.head, nullptr, 0);
  __builtin_memcpy(message.registration, bytes_[slot], one.size);
  const int fds[] = {one.sockets.datagrams.get(), one.sockets.listener.get()};
  worker_.send(message, sizeof message.head + one.size, fds, with_sockets ? 2 : 0);
}

void Broker::remove(size_t slot) {
  Registered& one = registered_[slot];
  directory_.forget(one.id);
  one = Registered{};
  tell(slot, false);
}

// Registrations of a broker that was killed, whose worker closes its sockets about now.
void Broker::take_over() {
  const uint64_t end = sys::monotonic() + kTakeOverTime;
  directory_.each_saved([&](const SavedRegistration& saved) {
    const size_t slot = free_slot();
    auto process = open_process(saved.process);
    if (slot == kMaxRegistrations || !process.ok()) return false;
    Registration registration;
    static_cast<void>(Registration::decode(saved.registration, saved.size, registration));
    Registered& one = registered_[slot];
    for (;;) {
      const Status opened = open_in_container(process.value().get(), own_network_.get(),
                                              registration.port, one.sockets);
      if (opened.ok()) break;
      if (opened.error().number != EADDRINUSE || sys::monotonic() >= end) return false;
      sys::sleep(5 * kMillisecond);
    }
    one.used = true;
    one.process = saved.process;
    one.port = registration.port;
    one.pidfd = process.take();
    keep(slot, saved.registration, saved.size, registration.id);
    return true;
  });
}

Result<ProcessName> Broker::find_process(const Registration& registration, Client& client) {
  if (registration.kind == RegistrationKind::kRegisterProcess) {
    ProcessName name{registration.pid, registration.start_time};
    auto process = open_process(name);
    if (!process.ok()) return process.error();
    client.pidfd = process.take();
    return static_cast<ProcessName&&>(name);
  }
  if (!client.pidfd.valid()) return failure(-EBADF, "recvmsg");
  return name_process(client.pidfd.get());
}

Status Broker::add(const Registration& registration, Client& client) {
  auto process = find_process(registration, client);
  if (!process.ok()) return process.error();
  size_t slot = slot_of(registration.id);
  if (slot == kMaxRegistrations) slot = free_slot();
  if (slot == kMaxRegistrations) return failure(-ENOBUFS, "resolver");
  Registered& one = registered_[slot];
  const bool same = one.used && one.process == process.value() && one.port == registration.port;
  ContainerSockets sockets;
  if (!same)
    if (Status opened =
            open_in_container(client.pidfd.get(), own_network_.get(), registration.port, sockets);
        !opened.ok())
      return opened;
  if (Status saved = directory_.save(registration.id, process.value(), client.bytes, client.size);
      !saved.ok())
    return saved;
  one.used = true;
  if (!same) {
    one.process = process.value();
    one.port = registration.port;
    one.pidfd = static_cast<UniqueFd&&>(client.pidfd);
    one.sockets = static_cast<ContainerSockets&&>(sockets);
  }
  keep(slot, client.bytes, client.size, registration.id);
  tell(slot, !same);
  return {};
}

Status Broker::change(const Registration& registration, const Client& client) {
  const size_t slot = slot_of(registration.id);
  if (slot == kMaxRegistrations) return failure(-ENOENT, "resolver");
  if (registration.kind == RegistrationKind::kEnd) {
    remove(slot);
    return {};
  }
  // The sockets stay as they are.
  if (registered_[slot].port != registration.port) return failure(-EINVAL, "resolver");
  if (Status saved =
          directory_.save(registration.id, registered_[slot].process, client.bytes, client.size);
      !saved.ok())
    return saved;
  keep(slot, client.bytes, client.size, registration.id);
  tell(slot, false);
  return {};
}

Status Broker::handle(Client& client) {
  Registration registration;
  if (!Registration::decode(client.bytes, client.size, registration))
    return failure(-EINVAL, "resolver");
  const bool adds = registration.kind == RegistrationKind::kRegister ||
                    registration.kind == RegistrationKind::kRegisterProcess;
  return adds ? add(registration, client) : change(registration, client);
}

void Broker::accept() {
  Client* free = nullptr;
  for (Client& client : clients_)
    if (!client.socket.valid()) free = &client;
  const long fd = sys::call(__NR_accept4, directory_.listener(), nullptr, nullptr,
                            SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 || free == nullptr) {
    if (fd >= 0) sys::close(static_cast<int>(fd));
    if (fd != -EAGAIN) sys::sleep(kMillisecond);  // no descriptor or no place is left
    return;
  }
  free->socket.reset(static_cast<int>(fd));
  free->received = free->size = 0;
  free->due = sys::monotonic() + kClientTime;
}

bool Broker::receive(Client& client) {
  const size_t wanted = client.size == 0 ? kRegistrationPrefix : client.size;
  int fds[kMaxPassedFds];
  auto received = receive_message(client.socket.get(), client.bytes + client.received,
                                  wanted - client.received, fds);
  if (!received.ok()) return received.error().number == EAGAIN;
  const Received& got = received.value();
  for (size_t i = 0; i < got.fd_count; ++i)
    client.pidfd.reset(fds[i]);
  if (got.size == 0) return false;
  client.received += got.size;
  if (client.received < wanted) return true;
  if (client.size == 0) {
    client.size = Registration::size_of(client.bytes);
    return client.size != 0;
  }
  const int32_t answer = handle(client).error().number;
  client.received = client.size = 0;
  client.pidfd.reset();
  client.due = sys::monotonic() + kClientTime;
  return sys::call(__NR_sendto, client.socket.get(), &answer, sizeof answer,
                   MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0) == sizeof answer;
}

int Broker::milliseconds_left(uint64_t now) const {
  uint64_t next = worker_.due();
  const auto consider = [&](uint64_t due) {
    if (due != 0 && (next == 0 || due < next)) next = due;
  };
  for (const Client& client : clients_)
    if (client.socket.valid()) consider(client.due);
  if (idle_since_ != 0) consider(idle_since_ + kIdleTime);
  if (next == 0) return -1;
  return next <= now ? 0 : static_cast<int>((next - now + kMillisecond - 1) / kMillisecond);
}

void Broker::run() {
  const rlimit files{kFiles, kFiles};
  sys::call(__NR_prlimit64, 0, RLIMIT_NOFILE, &files, nullptr);  // without it, fewer containers
  own_network_.reset(static_cast<int>(
      sys::call(__NR_openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC)));
  if (!own_network_.valid()) sys::exit_group(1);
  take_over();
  for (;;) {
    uint64_t now = sys::monotonic();
    if (!is_idle()) {
      idle_since_ = 0;
    } else if (idle_since_ == 0) {
      idle_since_ = now;
    } else if (now - idle_since_ >= kIdleTime) {
      // A client that has just connected is refused, or gets no answer, and tries again.
      directory_.remove();
      sys::exit_group(0);
    }
    if (worker_.start(now))
      for (size_t slot = 0; slot < kMaxRegistrations; ++slot)
        if (registered_[slot].used) tell(slot, true);

    PollSet<2 + kMaxClients + kMaxRegistrations> waiting;
    const size_t listener = waiting.add(directory_.listener(), POLLIN);
    const size_t worker = waiting.add(worker_.pidfd(), POLLIN);
    size_t client_at[kMaxClients], process_at[kMaxRegistrations];
    for (size_t i = 0; i < kMaxClients; ++i)
      client_at[i] = waiting.add(clients_[i].socket.get(), POLLIN);
    for (size_t i = 0; i < kMaxRegistrations; ++i)
      process_at[i] = waiting.add(registered_[i].pidfd.get(), POLLIN);
    waiting.wait(milliseconds_left(now));

    now = sys::monotonic();
    if (waiting.events(worker) != 0) worker_.reap(now);
    // Before the clients: a container that is started again has another process.
    for (size_t i = 0; i < kMaxRegistrations; ++i)
      if (waiting.events(process_at[i]) != 0) remove(i);
    for (size_t i = 0; i < kMaxClients; ++i) {
      Client& client = clients_[i];
      if (!client.socket.valid()) continue;
      const bool stays = waiting.events(client_at[i]) == 0 || receive(client);
      if (stays && now < client.due) continue;
      client.socket.reset();
      client.pidfd.reset();
    }
    if (waiting.events(listener) != 0) accept();
  }
}

}  // namespace caisson
