// The process of the resolver that has rights, and reads nothing that comes from a container: it
// takes registrations from the engine, opens sockets in the network namespaces of containers, and
// hands them to its worker. It ends some time after the last container.
#pragma once

#include "../supervisor/poll_set.h"
#include "container_sockets.h"
#include "names.h"
#include "run_directory.h"
#include "worker_process.h"

namespace caisson {

class Broker {
 public:
  Broker(int init_fd, RunDirectory& directory) : worker_(init_fd), directory_(directory) {}

  [[noreturn]] void run();

 private:
  static constexpr size_t kMaxClients = 32;

  struct Registered {
    bool used = false;
    ProcessName process;
    UniqueFd pidfd;
    uint16_t port = 0;
    ContainerSockets sockets;
    size_t size = 0;
    View id;  // in the registration
  };
  struct Client {
    UniqueFd socket;
    uint64_t due = 0;  // by sys::monotonic, when it is closed
    size_t received = 0, size = 0;
    UniqueFd pidfd;
    uint8_t bytes[kMaxRegistration];
  };

  void take_over();
  void accept();
  // Reads what is there; false at the end of the client.
  bool receive(Client& client);
  Status handle(Client& client);
  // The process that it is about, by its pidfd or its name.
  Result<ProcessName> find_process(const Registration& registration, Client& client);
  Status add(const Registration& registration, Client& client);
  Status change(const Registration& registration, const Client& client);
  void remove(size_t slot);
  // Has the worker know of the slot; with its sockets, or of new names only.
  void tell(size_t slot, bool with_sockets);
  size_t slot_of(View id) const;
  size_t free_slot() const;
  bool is_idle() const;
  // Writes the registration to the slot.
  void keep(size_t slot, const uint8_t* bytes, size_t size, View id);
  int milliseconds_left(uint64_t now) const;

  WorkerProcess worker_;
  RunDirectory& directory_;
  UniqueFd own_network_;
  uint64_t idle_since_ = 0;
  Client clients_[kMaxClients];
  Registered registered_[kMaxRegistrations];
  uint8_t bytes_[kMaxRegistrations][kMaxRegistration];  // the registrations, as they came
};

}  // namespace caisson
