// Connections that are forwarded: from a client to a published port of the host, and from here to
// the container.
//
// Bytes stay in the kernel's buffers until the other side has room for them: they are looked at
// there (MSG_PEEK), sent, and as many as were sent are taken. So a connection needs two descriptors
// and nothing else, and a side that does not read holds the other one back. splice(2) would need
// two pipes for each connection, because what is in a pipe cannot be put back.
#pragma once

#include <stdint.h>

#include "forward_events.h"
#include "forward_port.h"

namespace caisson {

struct Connection {
  UniqueFd sides[2];  // the client's and the container's
  uint32_t next;      // in the list that it is in
  bool connected;     // to the container
  bool ended[2];      // that side sends no more, and the other one was told so
  bool blocked[2];    // what that side has sent waits for room at the other one
  bool failed;        // with one of its sides
  bool waiting;       // in the list of those that have more to forward at once
};

class Connections {
 public:
  // Room for `most` of them.
  Connections(ForwardEvents& events, Connection* memory, uint32_t most)
      : events_(events), all_(memory), most_(most) {}

  bool has_room() const { return free_ != kNone || used_ < most_; }
  uint32_t count() const { return count_; }

  // Forwards a connection that was accepted. False: there are no descriptors for it, it was reset.
  bool add(UniqueFd client, const SocketAddress& target);

  // An event of one of its sides.
  void handle(uint32_t index, bool of_container, uint32_t events);

  // Those that have more to forward than others should wait for. To be called after all events.
  bool has_more() const { return first_waiting_ != kNone; }
  void go_on();

  // The container has ended: what it has sent is forwarded as far as there is room.
  void end_all();

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  // How much is forwarded before it is another connection's turn.
  static constexpr int kRounds = 8;
  static constexpr size_t kBuffer = 128 << 10;

  enum class Outcome : uint8_t { kWaits, kMore, kFailed };

  Outcome forward(Connection& connection, int from);
  void serve(uint32_t index);
  void close(uint32_t index, bool by_reset);
  void reuse_closed();

  ForwardEvents& events_;
  Connection* all_;
  uint32_t most_;
  uint32_t used_ = 0;   // of `all_`, from its beginning
  uint32_t count_ = 0;  // that are open
  uint32_t free_ = kNone;
  // Not reused as long as there may be events of the descriptors that it had.
  uint32_t closed_ = kNone;
  uint32_t first_waiting_ = kNone, last_waiting_ = kNone;
  char buffer_[kBuffer];
};

// Ends a connection by a reset, so that the other end sees that it did not end as it should.
void reset_connection(UniqueFd& socket);

}  // namespace caisson
