// Forwards datagrams of UDP: each client has a socket to the container, and gets the answers from
// the address that it has sent to.
#pragma once

#include "../base/result.h"
#include "flow_table.h"
#include "forward_events.h"
#include "forward_port.h"

namespace caisson {

class Flows {
 public:
  Flows(ForwardEvents& events, ForwardPort* ports, const FlowTable& table)
      : events_(events), ports_(ports), table_(table) {}

  // What the answers need to know of each datagram to the port.
  static Status prepare(const ForwardPort& port);

  // Datagrams for a port. Without a container they are dropped.
  void receive(uint32_t port, uint64_t now, bool has_container);
  // Answers of the container.
  void answer(uint32_t index, uint64_t now);

  // Ends what has been silent for too long. When the next one has been: monotonic, ns, or kNever.
  uint64_t expire(uint64_t now);
  void end_all();

 private:
  static constexpr uint64_t kNever = ~uint64_t{0};

  uint32_t flow_of(const FlowKey& key, const SocketAddress& target, uint64_t now);
  void end(uint32_t index);

  ForwardEvents& events_;
  ForwardPort* ports_;
  FlowTable table_;
  char buffer_[64 << 10];
};

}  // namespace caisson
