// The process of the resolver that has rights, and reads nothing that comes from a container: it
// takes registrations from the engine, opens sockets in the network namespaces of containers, and
// hands them to its worker. Of containers with a policy, it opens the addresses that the worker has
// found. It ends some time after the last container.
#pragma once

#include "../supervisor/poll_set.h"
#include "container_sockets.h"
#include "name_records.h"
#include "name_request.h"
#include "names.h"
#include "run_directory.h"
#include "set_batch.h"
#include "worker_process.h"

namespace caisson {

class Broker {
 public:
  Broker(int init_fd, RunDirectory& directory) : worker_(init_fd), directory_(directory) {}

  [[noreturn]] void run();

 private:
  static constexpr size_t kMaxClients = 32;
  static constexpr size_t kMaxBatch = 4u << 20;
  static constexpr size_t kMaxReport = 512u << 10;

  struct Registered {
    bool used = false;
    ProcessName process;
    UniqueFd pidfd;
    uint16_t port = 0;
    ContainerSockets sockets;
    // Of the start, if it has a policy: ../base/refusal_notice.h. The worker has the same.
    UniqueFd notices;
    uint32_t serial = 0;
    // By sys::monotonic; until then the report of a container that has ended is kept. 0: it runs.
    uint64_t ended_until = 0;
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
  // Handles its message; false if it cannot be answered.
  bool answer(Client& client);
  Status handle(Registration& registration, Client& client);
  // The process that it is about, by its pidfd or its name.
  Result<ProcessName> find_process(const Registration& registration, Client& client);
  Status add(Registration& registration, Client& client);
  Status change(Registration& registration, Client& client);
  // The container's process has ended.
  void end(size_t slot, uint64_t now);
  void remove(size_t slot);
  // Has the worker know of the slot; with its descriptors, or of new names only.
  void tell(size_t slot, bool with_sockets);
  size_t slot_of(View id) const;
  size_t free_slot();
  bool is_idle() const;
  // Writes the registration to the slot.
  void keep(size_t slot, const uint8_t* bytes, size_t size);
  int milliseconds_left(uint64_t now) const;

  // broker_policy.cpp
  // Completes a message that leaves the policy as it is, or has nothing else.
  Status complete(size_t slot, Registration& registration, Client& client);
  // Makes the sets as the new policy has them.
  Status apply_policy(size_t slot, const Registration& registration);
  void take_requests();
  void handle_request(const NameRequest& request);
  bool may_open(const NameRequest& request, const Address& address) const;
  int open(const NameRequest& request);
  // Adds the elements of one that has been opened; of each the longest time that a name gives it.
  void add_elements(uint32_t slot, const NameRequest& request, const Address& address, uint64_t now,
                    SetBatch& batch) const;
  bool report(const Registration& registration, const Client& client);

  WorkerProcess worker_;
  RunDirectory& directory_;
  UniqueFd own_network_;
  uint64_t idle_since_ = 0;
  Client clients_[kMaxClients];
  Registered registered_[kMaxRegistrations];
  Names names_;
  NameRecords records_;
  uint32_t last_serial_ = 0;
  bool updates_elements_ = false;
  char batch_[kMaxBatch];
  uint8_t report_[kMaxReport];
};

}  // namespace caisson
