#include "broker.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include "../base/fd_message.h"
#include "../base/mount_api.h"
#include "../base/refusal_notice.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr uint64_t kClientTime = 10 * kSecond;  // between the messages of a client
// Without a container, so that containers that are started one after the other share a resolver.
constexpr uint64_t kIdleTime = 2 * kSecond;
// The sockets of an earlier broker's worker are closed by then.
constexpr uint64_t kTakeOverTime = 3 * kSecond;
constexpr uint64_t kReportTime = 30 * kSecond;  // after the end of a container
constexpr rlim_t kFiles = 8192;

}  // namespace

size_t Broker::slot_of(View id) const {
  size_t slot = 0;
  while (slot < kMaxRegistrations &&
         (!registered_[slot].used || !same_bytes(registered_[slot].id, id)))
    ++slot;
  return slot;
}

// One that ended before all others is given up for a new one.
size_t Broker::free_slot() {
  size_t oldest = kMaxRegistrations;
  for (size_t slot = 0; slot < kMaxRegistrations; ++slot) {
    const Registered& one = registered_[slot];
    if (!one.used) return slot;
    if (one.ended_until != 0 &&
        (oldest == kMaxRegistrations || one.ended_until < registered_[oldest].ended_until))
      oldest = slot;
  }
  if (oldest != kMaxRegistrations) remove(oldest);
  return oldest;
}

bool Broker::is_idle() const {
  for (const Client& client : clients_)
    if (client.socket.valid()) return false;
  for (const Registered& one : registered_)
    if (one.used) return false;
  return true;
}

// It has been decoded before.
void Broker::keep(size_t slot, const uint8_t* bytes, size_t size) {
  static_cast<void>(names_.set(slot, bytes, size));
  registered_[slot].id = names_.at(slot)->id;
}

void Broker::tell(size_t slot, bool with_sockets) {
  static ChannelMessage message;
  const Registered& one = registered_[slot];
  const bool runs = one.used && one.ended_until == 0;
  message.head = {runs ? ChannelKind::kSet : ChannelKind::kClear, static_cast<uint32_t>(slot),
                  one.serial, 0};
  if (!runs) return worker_.send(message, sizeof message.head, nullptr, 0);
  const std::span<const uint8_t> bytes = names_.bytes(slot);
  __builtin_memcpy(message.registration, bytes.data(), bytes.size());
  const int fds[] = {one.sockets.datagrams.get(), one.sockets.listener.get(), one.notices.get()};
  const size_t count = !with_sockets ? 0 : one.notices.valid() ? 3 : 2;
  worker_.send(message, sizeof message.head + bytes.size(), fds, count);
}

void Broker::remove(size_t slot) {
  Registered& one = registered_[slot];
  const bool runs = one.ended_until == 0;
  if (runs) directory_.forget(one.id);
  one = Registered{};
  names_.clear(slot);
  records_.forget(static_cast<uint32_t>(slot));
  if (runs) tell(slot, false);
}

void Broker::end(size_t slot, uint64_t now) {
  Registered& one = registered_[slot];
  if (one.notices.valid()) send_notice(one.notices.get(), RefusalNotice::kOver);
  if (!records_.has_any(static_cast<uint32_t>(slot))) return remove(slot);
  directory_.forget(one.id);
  names_.clear(slot);
  one.pidfd.reset();
  one.sockets = ContainerSockets{};
  one.notices.reset();
  one.ended_until = now + kReportTime;
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
    one.serial = ++last_serial_;
    one.process = saved.process;
    one.port = registration.port;
    one.pidfd = process.take();
    keep(slot, saved.registration, saved.size);
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

Status Broker::add(Registration& registration, Client& client) {
  auto process = find_process(registration, client);
  if (!process.ok()) return process.error();
  size_t slot = slot_of(registration.id);
  if (slot == kMaxRegistrations) slot = free_slot();
  if (slot == kMaxRegistrations) return failure(-ENOBUFS, "resolver");
  Registered& one = registered_[slot];
  const bool known = one.used && one.ended_until == 0 && one.process == process.value();
  const bool same = known && one.port == registration.port;
  if (known)
    if (Status completed = complete(slot, registration, client); !completed.ok()) return completed;
  ContainerSockets sockets;
  if (!same)
    if (Status opened =
            open_in_container(client.pidfd.get(), own_network_.get(), registration.port, sockets);
        !opened.ok())
      return opened;
  if (Status saved = directory_.save(registration.id, process.value(), client.bytes, client.size);
      !saved.ok())
    return saved;
  if (!known) records_.forget_opened(static_cast<uint32_t>(slot));
  one.used = true;
  one.ended_until = 0;
  if (!same) {
    one.serial = ++last_serial_;
    one.process = process.value();
    one.port = registration.port;
    one.pidfd = static_cast<UniqueFd&&>(client.pidfd);
    one.sockets = static_cast<ContainerSockets&&>(sockets);
  }
  const bool notices = registration.kind == RegistrationKind::kRegister && registration.has_policy;
  if (notices) one.notices = static_cast<UniqueFd&&>(client.socket);
  keep(slot, client.bytes, client.size);
  tell(slot, !same || notices);
  return {};
}

Status Broker::change(Registration& registration, Client& client) {
  const size_t slot = slot_of(registration.id);
  if (slot == kMaxRegistrations) return failure(-ENOENT, "resolver");
  if (registration.kind == RegistrationKind::kEnd) {
    remove(slot);
    return {};
  }
  if (registered_[slot].ended_until != 0) return failure(-ESRCH, "resolver");
  if (Status completed = complete(slot, registration, client); !completed.ok()) return completed;
  // The sockets stay as they are.
  if (registered_[slot].port != registration.port) return failure(-EINVAL, "resolver");
  if (Status saved =
          directory_.save(registration.id, registered_[slot].process, client.bytes, client.size);
      !saved.ok())
    return saved;
  keep(slot, client.bytes, client.size);
  tell(slot, false);
  return {};
}

Status Broker::handle(Registration& registration, Client& client) {
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
  if (!receive(*free)) free->socket.reset();
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
    // What follows is there, mostly.
    return client.size != 0 && receive(client);
  }
  const bool answered = answer(client);
  client.received = client.size = 0;
  client.pidfd.reset();
  client.due = sys::monotonic() + kClientTime;
  return answered;
}

bool Broker::answer(Client& client) {
  Registration registration;
  const int socket = client.socket.get();  // of which a registration may dispose
  const bool sound = Registration::decode(client.bytes, client.size, registration);
  if (sound && registration.kind == RegistrationKind::kReport) return report(registration, client);
  const int32_t answer = sound ? handle(registration, client).error().number : EINVAL;
  return sys::call(__NR_sendto, socket, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL,
                   nullptr, 0) == sizeof answer;
}

int Broker::milliseconds_left(uint64_t now) const {
  uint64_t next = worker_.due();
  const auto consider = [&](uint64_t due) {
    if (due != 0 && (next == 0 || due < next)) next = due;
  };
  for (const Client& client : clients_)
    if (client.socket.valid()) consider(client.due);
  for (const Registered& one : registered_)
    consider(one.ended_until);
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
  updates_elements_ = kernel_updates_elements();
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
        if (registered_[slot].used && registered_[slot].ended_until == 0) tell(slot, true);

    PollSet<3 + kMaxClients + kMaxRegistrations> waiting;
    const size_t listener = waiting.add(directory_.listener(), POLLIN);
    const size_t worker = waiting.add(worker_.pidfd(), POLLIN);
    const size_t requests = waiting.add(worker_.channel(), POLLIN);
    size_t client_at[kMaxClients], process_at[kMaxRegistrations];
    for (size_t i = 0; i < kMaxClients; ++i)
      client_at[i] = waiting.add(clients_[i].socket.get(), POLLIN);
    for (size_t i = 0; i < kMaxRegistrations; ++i)
      process_at[i] = waiting.add(registered_[i].pidfd.get(), POLLIN);
    waiting.wait(milliseconds_left(now));

    now = sys::monotonic();
    if (waiting.events(worker) != 0)
      worker_.reap(now);
    else if (waiting.events(requests) != 0)
      take_requests();
    // Before the clients: a container that is started again has another process.
    for (size_t i = 0; i < kMaxRegistrations; ++i)
      if (waiting.events(process_at[i]) != 0) end(i, now);
    for (size_t i = 0; i < kMaxRegistrations; ++i)
      if (registered_[i].ended_until != 0 && registered_[i].ended_until <= now) remove(i);
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
