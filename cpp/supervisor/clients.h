// The connections to one supervisor, in a table of fixed size, and the socket on which they arrive.
// What a client asks for, and what follows when it goes, is the supervisor's business
// (requests.cpp).
#pragma once

#include "client.h"
#include "poll_set.h"

namespace caisson {

class Clients {
 public:
  static constexpr size_t kMax = 64;
  // The other connections are for clients that ask, stop the container, and wait for its end.
  static constexpr size_t kMaxAttached = 48;

  Client* begin() { return clients_; }
  Client* end() { return clients_ + kMax; }

  // The client of which the supervisor was started, while it is connected.
  Client& first() { return clients_[0]; }
  // The first client is never taken away to make room for another one: the container ends with it.
  void bind_first() { bound_ = true; }
  void unbind_first() { bound_ = false; }
  bool is_bound(const Client& client) const { return bound_ && &client == clients_; }

  // Without a socket the container runs all the same; it can then be neither attached to nor
  // stopped with a time limit, and its commands report that the supervisor cannot be reached.
  void listen(int directory, const char* name);
  // A client that connects from here on finds no supervisor.
  void stop_listening(int directory, const char* name);
  int listener() const { return listener_.get(); }

  // Takes one connection of those that wait at the socket.
  void accept();
  // Takes a connection. With a full table it takes the slot of a client that only waits for the
  // end, which then connects again: however many wait, the container can be stopped. Where all have
  // asked for something, the new connection is closed.
  void add(int fd);

  // Clients besides this one that are attached to a stream.
  size_t attached_besides(const Client& client) const;
  // Some client has not yet taken all output that was sent to it, and so holds the container back
  // as a pipe would.
  bool hold_back() const;

  void tell_all(Reply type, const void* first, size_t first_size, const void* second = nullptr,
                size_t second_size = 0);
  // Only those that are attached to one of these streams.
  void tell_attached(uint8_t streams, Reply type, const void* first, size_t first_size,
                     const void* second = nullptr, size_t second_size = 0);
  void detach_all();

  // Where the events of each client are in a poll set; calls `on_events(client, events)` for those
  // that have some. The table may change meanwhile.
  class Polled {
   public:
    template <size_t N>
    Polled(Clients& clients, PollSet<N>& set) {
      for (size_t i = 0; i < kMax; ++i)
        at_[i] =
            set.add(clients.polled_fd(clients.clients_[i]), clients.wanted(clients.clients_[i]));
    }

    template <size_t N, class Handle>
    void dispatch(Clients& clients, const PollSet<N>& set, Handle on_events) const {
      for (size_t i = 0; i < kMax; ++i)
        if (const short events = set.events(at_[i]); events != 0 && clients.clients_[i].connected())
          on_events(clients.clients_[i], events);
    }

   private:
    size_t at_[kMax];
  };

  // Sends what still waits to be sent, and reads what clients still write, until all have gone or
  // have had time enough. A connection that is closed while its client writes makes the write fail,
  // over which Node drops what it has not read yet.
  void say_farewell();

 private:
  static short wanted(const Client& client);
  int polled_fd(const Client& client) const;

  Client clients_[kMax];
  UniqueFd listener_;
  bool bound_ = false;
  size_t next_to_yield_ = 0;  // the first candidate to make room for another client
};

}  // namespace caisson
