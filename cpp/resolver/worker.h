// The process that parses what containers and name servers send. It has a UDP and a TCP socket of
// each container, which its broker hands to it, and no rights (confine.h). Everything is in tables
// of a fixed size: what does not fit is answered with a failure, or closed. The tables
// are made in memory that is zero, and of which most is never touched.
#pragma once

#include <netinet/in.h>

#include "channel.h"
#include "epoll.h"
#include "local_answer.h"
#include "name_request.h"

namespace caisson {

constexpr size_t kMaxPending = 1024;         // queries that are forwarded, of all containers
constexpr size_t kMaxPendingOfOne = 100;     // of one container
constexpr size_t kMaxConnections = 256;      // of clients by TCP, of all containers
constexpr size_t kMaxConnectionsOfOne = 16;  // of one container
constexpr size_t kMaxForwardedQuery = 1232;  // bytes
constexpr size_t kMaxHeldReply = 4096;       // bytes of a datagram that waits for its addresses
constexpr size_t kTcpPrefix = 2;             // the size before a message, RFC 1035, 4.2.2

class Worker {
 public:
  // What it needs rights for.
  bool open(int channel);
  // Until the broker has ended.
  [[noreturn]] void run();

 private:
  struct Container {
    bool used;
    int datagrams, listener;
    int notices;      // until something was refused, or -1
    uint32_t serial;  // the broker's, another one for each container that has had the slot
    uint32_t pending, connections;
  };
  // A client, which a reply goes to.
  struct Client {
    uint32_t slot;
    bool by_tcp;
    uint32_t connection;  // index
    sockaddr_in from;     // of a datagram
  };
  // A client by TCP. It has one query at a time: what else it sends waits (RFC 7766, 6.2.1.1
  // recommends more, and does not require it).
  struct Connection {
    bool used;
    int fd;
    uint32_t slot;
    bool waits;  // for the reply of a server, to the query `pending`
    uint32_t pending;
    size_t in_size, out_size, out_sent;
    uint8_t in[kTcpPrefix + kMaxForwardedQuery];
    uint8_t out[kTcpPrefix + dns::kMaxMessage];
  };
  // A query that has been forwarded, or whose reply waits until its addresses are open.
  struct Pending {
    bool used;
    bool opens;      // it has a reply
    uint64_t token;  // of the request for that
    int fd;          // a socket for this query and server, or -1
    Client client;
    uint16_t client_id;
    uint32_t server;   // index
    uint32_t foreign;  // messages that were no reply to it
    size_t received;   // by TCP, to the connection's `out`
    size_t query_size;
    uint8_t query[kTcpPrefix + kMaxForwardedQuery];
    size_t held_size;             // of the reply
    uint8_t held[kMaxHeldReply];  // by UDP; by TCP it is in the connection's `out`

    std::span<uint8_t> message() { return {query + kTcpPrefix, query_size}; }
  };

  // Of the broker, to a request.
  struct Answer {
    uint64_t token;
    int32_t number;
  };

  // worker.cpp
  void take_messages();
  void set(const ChannelMessage& message, size_t size, std::span<const int> fds);
  void clear(uint32_t slot);
  // Tells the broker; false if it cannot be told now.
  bool request(NameRequest& request);
  static void notify(Container& container);
  static void end_notices(Container& container);
  void handle(const SourceEvent& event);
  int milliseconds_left() const;
  void handle_deadlines();

  // container_clients.cpp
  void receive_datagrams(uint32_t slot);
  void accept(uint32_t slot);
  void handle_connection(uint32_t index, uint32_t events);
  bool read_connection(Connection& connection);
  // Takes the queries that have arrived as a whole, while the connection is idle.
  void take_arrived(uint32_t index);
  void write_connection(uint32_t index);
  void watch(uint32_t index);
  void close_connection(uint32_t index);
  void take_query(const Client& client, dns::Bytes message);
  void refuse(const Client& client, const dns::Query& query, dns::Bytes reply);
  std::span<uint8_t> room_for(const Client& client);
  // `reply` may lie in the room for it.
  void send_reply(const Client& client, dns::Bytes reply);
  void send_failure(const Client& client, const dns::Query& query);

  // upstream.cpp
  uint32_t take_pending(const Client& client, const dns::Query& query);
  bool forward(const Client& client, const dns::Query& query);
  void ask(uint32_t index);
  bool connect_to(uint32_t index, const Server& server);
  void ask_next(uint32_t index);
  void handle_upstream(uint32_t index, uint32_t events);
  void receive_reply(uint32_t index);
  void receive_reply_by_tcp(uint32_t index, uint32_t events);
  void take_reply(uint32_t index, std::span<uint8_t> reply);
  void deliver(uint32_t index, std::span<uint8_t> reply, bool cut);
  void send_upstream(const Client& client, const dns::Query& query, std::span<uint8_t> reply,
                     bool cut);
  void restore_id(uint32_t index);
  // Its time is over.
  void give_up(uint32_t index);
  // Gives it up: SERVFAIL.
  void fail(uint32_t index);
  void drop(uint32_t index);

  // worker_policy.cpp
  void deliver_by_policy(uint32_t index, std::span<uint8_t> reply);
  void send_nothing(const Client& client, const dns::Query& query);
  bool open_local(const Client& client, const dns::Query& query, std::span<uint8_t> reply);
  void open(uint32_t index, dns::Bytes reply, NameRequest& asked);
  void take_answer(const Answer& answer);
  void deliver_opened();

  int channel_;
  Epoll epoll_;
  RandomPool random_;
  Names names_;
  Container containers_[kMaxRegistrations];
  Connection connections_[kMaxConnections];
  Pending pending_[kMaxPending];
  // By sys::monotonic, 0 for none; apart from the tables, as they are looked through each time.
  uint64_t connection_due_[kMaxConnections];
  uint64_t pending_due_[kMaxPending];
  uint64_t last_token_;
  // Answers of the broker that no client has been told yet: by the main loop, as messages are
  // taken in the middle of other work.
  Answer answers_[kMaxPending];
  size_t answer_count_;
  uint8_t incoming_[dns::kMaxMessage];
  uint8_t outgoing_[dns::kMaxMessage];
};

}  // namespace caisson
