// The table of a supervisor's clients: which connections get a slot, which descriptors are polled,
// which clients a reply goes to, and when a client holds the container back.
#include "../../cpp/supervisor/clients.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <vector>

#include "support/check.h"
#include "support/client_frame.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

// A table with peers: the clients' ends.
struct Table {
  std::unique_ptr<Clients> clients = std::make_unique<Clients>();
  std::vector<UniqueFd> peers;

  ~Table() {
    for (Client& client : *clients)
      client.close();
  }

  void add() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) abort();
    peers.emplace_back(fds[1]);
    clients->add(fds[0]);
  }
  void fill() {
    while (peers.size() < Clients::kMax)
      add();
  }
  Client& at(size_t i) const { return clients->begin()[i]; }
  size_t connected() const {
    size_t count = 0;
    for (const Client& client : *clients)
      count += client.connected() ? 1 : 0;
    return count;
  }

  std::string hear(size_t peer) const {
    std::string all;
    char bytes[4096];
    for (ssize_t size; (size = read(peers[peer].get(), bytes, sizeof bytes)) > 0;)
      all.append(bytes, static_cast<size_t>(size));
    return all;
  }
  void say(size_t peer, const std::string& bytes) const {
    expect_equal(write(peers[peer].get(), bytes.data(), bytes.size()),
                 static_cast<ssize_t>(bytes.size()));
  }
  // The supervisor's end of this connection is closed.
  bool gone(size_t peer) const {
    char byte;
    return recv(peers[peer].get(), &byte, 1, MSG_PEEK) == 0;
  }
  // Sends to a client that does not read until something waits.
  void clog(size_t i) const {
    const std::string block(4096, 'x');
    while (at(i).connected() && !at(i).waiting())
      at(i).send(Reply::kOutput, block.data(), block.size());
    expect(at(i).waiting(), "output that waits");
  }
};

// What one turn of the loop reports: "<client>:<events> …".
std::string polled(Clients& clients) {
  PollSet<Clients::kMax> set;
  const Clients::Polled at(clients, set);
  std::string text;
  if (set.wait(0))
    at.dispatch(clients, set, [&](Client& client, short events) {
      text += std::to_string(&client - clients.begin()) + ":" +
              ((events & POLLIN) != 0 ? "in" : "") + ((events & POLLOUT) != 0 ? "out" : "") +
              ((events & POLLHUP) != 0 ? "hup" : "") + " ";
    });
  return text;
}

}  // namespace

int main() {
  test("Connections take the first free slots", [] {
    Table table;
    for (int i = 0; i < 3; ++i)
      table.add();
    expect_equal(table.connected(), size_t{3});
    expect(&table.clients->first() == &table.at(0), "the first client in the first slot");
    table.at(1).close();
    table.add();
    expect(table.at(1).connected() && !table.at(3).connected(), "the free slot to be taken");
  });

  test("In a full table, clients that only wait make room, each in its turn", [] {
    Table table;
    table.fill();
    expect_equal(table.connected(), Clients::kMax);
    table.add();
    table.add();
    expect_equal(table.connected(), Clients::kMax);
    expect(table.gone(0) && table.gone(1), "the first two to have made room");
    expect(!table.gone(2) && !table.gone(64) && !table.gone(65), "the others to stay");
  });

  test("A client with a request, with output to send, or with a bound container makes no room", [] {
    Table table;
    table.fill();
    for (size_t i = 0; i < Clients::kMax; ++i)
      table.at(i).asked = true;
    table.at(0).asked = false;
    table.clients->bind_first();
    table.at(1).asked = false;
    table.say(1, frame(5, "TERM"));
    expect(table.at(1).receive(), "good bytes");
    table.at(2).asked = false;
    table.clog(2);
    table.at(3).asked = false;

    table.add();
    expect(table.gone(3) && !table.gone(64), "only the fourth client to make room");
    table.at(3).asked = true;
    table.add();
    expect(table.gone(65), "the new connection to be closed");
    expect_equal(table.connected(), Clients::kMax);
    for (const size_t i : {0, 1, 2, 4, 63})
      expect(!table.gone(i), "client " + std::to_string(i) + " to stay");

    table.clients->unbind_first();
    table.add();
    expect(table.gone(0) && !table.gone(66), "the first client to make room once it is not bound");
  });

  test("Replies go to all clients, output to those that are attached to the stream", [] {
    Table table;
    for (int i = 0; i < 4; ++i)
      table.add();
    table.at(0).attached = kAttachOut;
    table.at(1).attached = kAttachErr;
    table.at(2).attached = kAttachIn | kAttachOut | kAttachErr;
    table.clients->tell_attached(kAttachOut, Reply::kOutput, "1", 1, "out", 3);
    table.clients->tell_attached(kAttachErr, Reply::kOutput, "2", 1, "err", 3);
    table.clients->tell_all(Reply::kExited, "end", 3, "ed", 2);
    const std::string out = frame(2, "1out"), err = frame(2, "2err"), exited = frame(6, "ended");
    expect(table.hear(0) == out + exited, "stdout at the first");
    expect(table.hear(1) == err + exited, "stderr at the second");
    expect(table.hear(2) == out + err + exited, "both at the third");
    expect(table.hear(3) == exited, "the end alone at the fourth");
    table.clients->detach_all();
    table.clients->tell_attached(kAttachOut | kAttachErr, Reply::kOutput, "1", 1, "late", 4);
    for (size_t i = 0; i < 4; ++i)
      expect(table.hear(i).empty(), "nothing at a detached client");
  });

  test("The other attached clients are counted", [] {
    Table table;
    for (int i = 0; i < 5; ++i)
      table.add();
    expect_equal(table.clients->attached_besides(table.at(0)), size_t{0});
    for (const size_t i : {0, 1, 3})
      table.at(i).attached = kAttachIn;
    expect_equal(table.clients->attached_besides(table.at(0)), size_t{2});
    expect_equal(table.clients->attached_besides(table.at(2)), size_t{3});
    table.at(3).close();
    expect_equal(table.clients->attached_besides(table.at(2)), size_t{2});
  });

  test("An attached client that does not read holds the container back until it reads or goes", [] {
    for (const uint8_t attached : {kAttachOut, kAttachErr}) {
      Table table;
      table.add();
      table.add();
      expect(!table.clients->hold_back(), "no client to hold back");
      table.at(1).attached = attached;
      table.clog(1);
      expect(table.clients->hold_back(), "it to hold back");
      while (table.at(1).waiting()) {
        table.hear(1);
        table.at(1).resume();
      }
      expect(!table.clients->hold_back(), "a reader not to hold back");
      table.clog(1);
      table.at(1).close();
      expect(!table.clients->hold_back(), "a closed connection not to hold back");
    }
    Table table;
    table.add();
    table.at(0).attached = kAttachIn;
    table.clog(0);
    expect(!table.clients->hold_back(), "a client without output not to hold back");
  });

  test("Events are handled for the clients that have some", [] {
    Table table;
    for (int i = 0; i < 4; ++i)
      table.add();
    expect_equal(polled(*table.clients), std::string());
    table.say(1, "x");
    expect_equal(polled(*table.clients), std::string("1:in "));
    table.clog(2);
    expect_equal(polled(*table.clients), std::string("1:in "));
    table.hear(2);
    expect_equal(polled(*table.clients), std::string("1:in 2:out "));
    table.peers[3].reset();
    expect_equal(polled(*table.clients), std::string("1:in 2:out 3:inhup "));
    table.at(1).close();
    expect_equal(polled(*table.clients), std::string("2:out 3:inhup "));
  });

  test("No event is handled for a client that was closed by an earlier event", [] {
    Table table;
    table.add();
    table.add();
    table.say(0, "x");
    table.say(1, "x");
    PollSet<Clients::kMax> set;
    const Clients::Polled at(*table.clients, set);
    expect(set.wait(0), "events");
    int calls = 0;
    at.dispatch(*table.clients, set, [&](Client&, short) {
      ++calls;
      table.at(1).close();
    });
    expect_equal(calls, 1);
  });

  test("A client with a waiting frame is not polled, unless the container ends with it", [] {
    Table table;
    table.add();
    table.say(0, frame(2, "input"));
    expect(table.at(0).receive(), "good bytes");
    table.peers[0].reset();
    expect_equal(polled(*table.clients), std::string());
    table.clients->bind_first();
    expect_equal(polled(*table.clients), std::string("0:hup "));
  });

  test("Connections arrive at the socket until the table stops listening", [] {
    const std::string directory = fresh_directory();
    const UniqueFd opened(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    write_file(directory + "/socket");  // left by a supervisor that was killed
    Table table;
    expect_equal(table.clients->listener(), -1);
    table.clients->listen(opened.get(), "socket");
    expect(table.clients->listener() >= 0, "a socket");

    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory + "/socket";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    const UniqueFd peer(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    table.clients->accept();
    expect_equal(table.connected(), size_t{0}, "nothing has connected");
    expect_equal(connect(peer.get(), where, sizeof address), 0);
    table.clients->accept();
    expect_equal(table.connected(), size_t{1});
    table.clients->tell_all(Reply::kDone, "1234", 4);
    char bytes[64];
    expect_equal(read(peer.get(), bytes, sizeof bytes), ssize_t{9});

    table.clients->stop_listening(opened.get(), "socket");
    expect(table.clients->listener() < 0 && !exists(path), "no socket");
    const UniqueFd late(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    expect(connect(late.get(), where, sizeof address) != 0, "nothing to connect to");
    expect_equal(table.connected(), size_t{1}, "the client stays");
  });

  test("There is no socket when its path is too long for an address", [] {
    const std::string directory = fresh_directory();
    const UniqueFd opened(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Clients& clients = *std::make_unique<Clients>().release();
    clients.listen(opened.get(), std::string(120, 'n').c_str());
    expect(clients.listener() < 0, "no socket");
    delete &clients;
  });

  test("The farewell sends everything that waits, and ends when all clients have gone", [] {
    Table table;
    table.add();
    table.add();
    table.at(0).attached = kAttachOut;
    table.clog(0);
    table.say(1, "still writing");
    const pid_t reader = fork();
    if (reader == 0) {
      // Reads until the end of what is sent, and then closes both connections by its own end.
      for (Client& client : *table.clients)
        client.close();
      for (const UniqueFd& peer : table.peers)
        fcntl(peer.get(), F_SETFL, 0);
      size_t size = 0;
      char bytes[4096];
      for (ssize_t got; (got = read(table.peers[0].get(), bytes, sizeof bytes)) > 0;)
        size += static_cast<size_t>(got);
      _exit(size % (4096 + 5) == 0 && size > 0 ? 0 : 1);
    }
    table.peers.clear();
    const time_t began = time(nullptr);
    table.clients->say_farewell();
    expect_equal(table.connected(), size_t{0});
    expect(time(nullptr) - began <= 3, "it to end with the last client");
    int status = -1;
    expect_equal(waitpid(reader, &status, 0), reader);
    expect_equal(status, 0, "the reader got whole frames");
  });
  return result();
}
