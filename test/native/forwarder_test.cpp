// A forwarder in a process of its own, between a client and what stands for the container, all on
// the loopback interface of a network namespace.
#include "../../cpp/agent/forwarder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "../../cpp/base/forwarded_port.h"
#include "../../cpp/base/unique_fd.h"
#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

void set_loopback_up() {
  const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  expect_equal(ioctl(any.get(), SIOCSIFFLAGS, &request), 0, "SIOCSIFFLAGS");
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd bound(int type, uint16_t port) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (type == SOCK_STREAM) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  if (type == SOCK_STREAM && listen(fd.get(), 100) != 0) return {};
  const timeval patience{10, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

UniqueFd connected(int type, uint16_t port) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const timeval patience{10, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in address = loopback(port);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  return fd;
}

UniqueFd accepted(const UniqueFd& listener) {
  UniqueFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  expect(fd.valid(), "a connection");
  const timeval patience{10, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

// What is read next: the text, "" at the end, or the errno's name.
std::string next(const UniqueFd& fd) {
  char bytes[1024];
  const ssize_t got = recv(fd.get(), bytes, sizeof bytes, 0);
  return got < 0 ? std::string(strerrorname_np(errno))
                 : std::string(bytes, static_cast<size_t>(got));
}

void say(const UniqueFd& fd, const std::string& text) {
  expect_equal(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
               static_cast<ssize_t>(text.size()), "send");
}

bool waits(const UniqueFd& fd) {
  pollfd waiting{fd.get(), POLLIN, 0};
  return poll(&waiting, 1, 200) == 0;
}

PortAddress port_address(int type, uint16_t port) {
  PortAddress address{};
  address.protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
  address.version = 4;
  address.port = htons(port);
  const in_addr_t loopback_address = htonl(INADDR_LOOPBACK);
  memcpy(address.address, &loopback_address, sizeof loopback_address);
  return address;
}

ForwardedPort forwarded(int type, uint16_t from, uint16_t to) {
  return {port_address(type, from), port_address(type, to)};
}

class Process {
 public:
  explicit Process(uint32_t ports = 8, rlim_t descriptors = 1000) {
    int pair[2];
    expect_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0, "socketpair");
    channel.reset(pair[0]);
    const UniqueFd far(pair[1]);
    const timeval patience{10, 0};
    setsockopt(channel.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    pid_ = fork();
    if (pid_ != 0) return;
    const rlimit limit{descriptors, descriptors};
    setrlimit(RLIMIT_NOFILE, &limit);
    run_forwarder(far.get(), ports);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    end();
    int status = 0;
    waitpid(pid_, &status, 0);
    expect_equal(status, 0, "its exit status");
  }

  // As the supervisor does: its ports are free afterwards.
  void end() {
    if (!channel.valid()) return;
    shutdown(channel.get(), SHUT_WR);
    expect_equal(next(channel), "", "the end of its channel");
    channel.reset();
  }

  int ask(ForwardTask task, const std::vector<ForwardedPort>& ports = {},
          const std::vector<int>& fds = {}) const {
    ForwardRequest request;
    request.task = task;
    request.count = static_cast<uint32_t>(ports.size());
    for (size_t i = 0; i < ports.size(); ++i)
      request.ports[i] = ports[i];
    return send_whole(&request, request_size(request.count), fds);
  }

  int send_whole(const void* bytes, size_t size, const std::vector<int>& fds) const {
    expect(send_message(channel.get(), bytes, size, fds.data(), fds.size()).ok(), "it to be sent");
    ForwardAnswer answer = -1;
    expect_equal(recv(channel.get(), &answer, sizeof answer, 0),
                 static_cast<ssize_t>(sizeof answer), "an answer");
    return answer;
  }

  int add(int type, uint16_t port, uint16_t target) const {
    const UniqueFd socket = bound(type, port);
    expect(socket.valid(), "the port to be free");
    return ask(ForwardTask::kAdd, {forwarded(type, port, target)}, {socket.get()});
  }

  UniqueFd channel;

 private:
  pid_t pid_;
};

}  // namespace

int main() {
  if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) return 0;
  set_loopback_up();

  test("either side may end first, and the other one goes on", [] {
    const Process forwarder;
    const UniqueFd container = bound(SOCK_STREAM, 80);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    const UniqueFd client = connected(SOCK_STREAM, 8080);
    const UniqueFd served = accepted(container);
    say(client, "question");
    expect_equal(next(served), "question");
    shutdown(client.get(), SHUT_WR);
    expect_equal(next(served), "");
    say(served, "answer");
    expect_equal(next(client), "answer");
    shutdown(served.get(), SHUT_WR);
    expect_equal(next(client), "");

    const UniqueFd other = connected(SOCK_STREAM, 8080);
    const UniqueFd greeting = accepted(container);
    shutdown(greeting.get(), SHUT_WR);
    expect_equal(next(other), "");
    say(other, "late");
    expect_equal(next(greeting), "late");
  });

  test("a client that sends its end at once gets its answer", [] {
    const Process forwarder;
    const UniqueFd container = bound(SOCK_STREAM, 80);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    const UniqueFd client = connected(SOCK_STREAM, 8080);
    shutdown(client.get(), SHUT_WR);
    const UniqueFd served = accepted(container);
    expect_equal(next(served), "");
    say(served, "banner");
    expect_equal(next(client), "banner");
  });

  test("a reset of one side is a reset of the other", [] {
    const Process forwarder;
    UniqueFd container = bound(SOCK_STREAM, 80);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    const linger at_once{1, 0};
    for (const bool by_client : {true, false}) {
      UniqueFd sides[2] = {connected(SOCK_STREAM, 8080), {}};
      sides[1] = accepted(container);
      say(sides[0], "x");
      expect_equal(next(sides[1]), "x");
      UniqueFd& ends = sides[by_client ? 0 : 1];
      setsockopt(ends.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ends.reset();
      expect_equal(next(sides[by_client ? 1 : 0]), "ECONNRESET");
    }
    container.reset();
    for (int i = 0; i < 200; ++i) {
      const UniqueFd client = connected(SOCK_STREAM, 8080);
      // The first call after the reset is told of it, and no other one.
      if (send(client.get(), "x", 1, MSG_NOSIGNAL) == 1)
        expect_equal(next(client), "ECONNRESET");
      else
        expect_equal(errno, ECONNRESET);
    }
  });

  test("a side that does not read holds the other one back, and loses nothing", [] {
    const Process forwarder;
    const UniqueFd container = bound(SOCK_STREAM, 80);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    const UniqueFd client = connected(SOCK_STREAM, 8080);
    const UniqueFd served = accepted(container);
    std::vector<char> block(1 << 16);
    uint64_t sent = 0;
    for (int pauses = 0; pauses < 3;) {
      for (size_t i = 0; i < block.size(); ++i)
        block[i] = static_cast<char>((sent + i) % 251);
      const ssize_t part = send(client.get(), block.data(), block.size(), MSG_DONTWAIT);
      if (part > 0) sent += static_cast<uint64_t>(part);
      if (part < 0) ++pauses, usleep(100'000);
    }
    expect(sent > block.size(), "something to be sent");
    shutdown(client.get(), SHUT_WR);
    uint64_t got = 0;
    bool right = true;
    for (;;) {
      const ssize_t part = recv(served.get(), block.data(), block.size(), 0);
      if (part <= 0) break;
      for (ssize_t i = 0; i < part; ++i)
        right = right && block[static_cast<size_t>(i)] ==
                             static_cast<char>((got + static_cast<uint64_t>(i)) % 251);
      got += static_cast<uint64_t>(part);
    }
    expect_equal(got, sent);
    expect(right, "the bytes that were sent");
  });

  test("connections that there is no room for are served when others have ended", [] {
    const Process forwarder(1, 160);  // 64 flows, and some 40 connections
    const UniqueFd container = bound(SOCK_STREAM, 80);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    std::vector<UniqueFd> clients, served;
    for (int i = 0; i < 60; ++i)
      clients.push_back(connected(SOCK_STREAM, 8080));
    while (served.size() <= 20 || !waits(container))
      served.push_back(accepted(container));
    expect(served.size() < 60, std::to_string(served.size()) + " of 60");
    for (size_t i = 0; i < 30; ++i)
      clients[i].reset();
    for (UniqueFd& each : served)
      each.reset();
    while (served.size() < 60)
      served.push_back(accepted(container));
    expect(waits(container), "one connection for each client");
  });

  test("datagrams go to the container and back, for each client on a socket of its own", [] {
    const Process forwarder;
    const UniqueFd container = bound(SOCK_DGRAM, 53);
    expect_equal(forwarder.add(SOCK_DGRAM, 5353, 53), 0);
    const UniqueFd clients[2] = {connected(SOCK_DGRAM, 5353), connected(SOCK_DGRAM, 5353)};
    sockaddr_in seen[2] = {};
    for (const int i : {0, 1, 0}) {
      say(clients[i], std::string("from ") + std::to_string(i));
      char bytes[100];
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t got = recvfrom(container.get(), bytes, sizeof bytes, 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      expect_equal(got, ssize_t{6});
      if (seen[i].sin_port != 0) expect_equal(from.sin_port, seen[i].sin_port, "the same flow");
      seen[i] = from;
    }
    expect(seen[0].sin_port != seen[1].sin_port, "two flows");
    for (const int i : {1, 0}) {
      const std::string text = "to " + std::to_string(i);
      sendto(container.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&seen[i]),
             sizeof seen[i]);
      expect_equal(next(clients[i]), text);
    }
    // An empty one is one, too.
    say(clients[0], "");
    char byte;
    expect_equal(recv(container.get(), &byte, 1, 0), ssize_t{0});
  });

  test("more clients than there are flows: the one that was silent longest has a new flow", [] {
    const Process forwarder(1, 160);  // 64 flows
    const UniqueFd container = bound(SOCK_DGRAM, 53);
    expect_equal(forwarder.add(SOCK_DGRAM, 5353, 53), 0);
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 200; ++i) {
      clients.push_back(connected(SOCK_DGRAM, 5353));
      say(clients.back(), "x");
      expect_equal(next(container), "x");
    }
    say(clients[0], "again");
    expect_equal(next(container), "again");
  });

  test("without a container connections end, others are reset, and it goes on after", [] {
    const Process forwarder;
    const UniqueFd container = bound(SOCK_STREAM, 80);
    const UniqueFd datagrams = bound(SOCK_DGRAM, 53);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    expect_equal(forwarder.add(SOCK_DGRAM, 5353, 53), 0);
    const UniqueFd client = connected(SOCK_STREAM, 8080);
    UniqueFd served = accepted(container);
    const UniqueFd whole = connected(SOCK_STREAM, 8080);
    UniqueFd last = accepted(container);
    say(last, "the rest");
    last.reset();
    usleep(100'000);
    expect_equal(forwarder.ask(ForwardTask::kPause), 0);
    expect_equal(next(client), "ECONNRESET");
    expect_equal(next(whole), "the rest");
    expect_equal(next(whole), "");
    expect_equal(next(connected(SOCK_STREAM, 8080)), "ECONNRESET");
    const UniqueFd sender = connected(SOCK_DGRAM, 5353);
    say(sender, "lost");
    expect(waits(datagrams), "nothing to come");
    expect(!bound(SOCK_STREAM, 8080).valid(), "the port to be kept");
    expect_equal(forwarder.ask(ForwardTask::kResume), 0);
    const UniqueFd again = connected(SOCK_STREAM, 8080);
    served = accepted(container);
    say(again, "hello");
    expect_equal(next(served), "hello");
    say(sender, "found");
    expect_equal(next(datagrams), "found");
  });

  test("ports lead elsewhere when the networks of the container have changed", [] {
    const Process forwarder;
    const UniqueFd before = bound(SOCK_STREAM, 80), after = bound(SOCK_STREAM, 81);
    const UniqueFd datagrams = bound(SOCK_DGRAM, 54);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    expect_equal(forwarder.add(SOCK_STREAM, 8081, 80), 0);
    expect_equal(forwarder.add(SOCK_DGRAM, 5353, 53), 0);
    const UniqueFd old = connected(SOCK_STREAM, 8080);
    const UniqueFd served = accepted(before);
    expect_equal(forwarder.ask(ForwardTask::kClear), 0);
    expect_equal(next(connected(SOCK_STREAM, 8080)), "ECONNRESET");
    const UniqueFd sender = connected(SOCK_DGRAM, 5353);
    say(sender, "lost");
    expect_equal(forwarder.ask(ForwardTask::kLead,
                               {forwarded(SOCK_STREAM, 9999, 1), forwarded(SOCK_DGRAM, 5353, 54),
                                forwarded(SOCK_STREAM, 8080, 81)}),
                 0);
    const UniqueFd client = connected(SOCK_STREAM, 8080);
    say(client, "new");
    expect_equal(next(accepted(after)), "new");
    say(sender, "found");
    expect_equal(next(datagrams), "found");
    expect_equal(next(connected(SOCK_STREAM, 8081)), "ECONNRESET");
    say(old, "as before");
    expect_equal(next(served), "as before");
  });

  test("its ports are free at the end of its channel", [] {
    Process forwarder;
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    expect_equal(forwarder.add(SOCK_DGRAM, 5353, 53), 0);
    const UniqueFd client = connected(SOCK_STREAM, 8080);
    forwarder.end();
    expect(bound(SOCK_STREAM, 8080).valid(), "the port to be free");
    expect(bound(SOCK_DGRAM, 5353).valid(), "the port to be free");
  });

  test("requests that are not whole, and more ports than it was started for", [] {
    const Process forwarder(1);
    ForwardRequest request{};
    request.task = ForwardTask::kAdd;
    request.count = 2;
    expect_equal(forwarder.send_whole(&request, 4, {}), EBADMSG);
    expect_equal(forwarder.send_whole(&request, request_size(1), {}), EBADMSG);
    expect_equal(forwarder.send_whole(&request, request_size(2), {0}), EBADMSG);
    request.count = kMaxPassedFds + 1;
    expect_equal(forwarder.send_whole(&request, request_size(2), {}), EBADMSG);
    expect_equal(forwarder.ask(static_cast<ForwardTask>(9)), ENOSYS);
    expect_equal(forwarder.add(SOCK_STREAM, 8080, 80), 0);
    expect_equal(forwarder.add(SOCK_STREAM, 8081, 80), EMFILE);
    const UniqueFd not_a_socket(dup(0));
    expect(forwarder.ask(ForwardTask::kAdd, {ForwardedPort{}}, {not_a_socket.get()}) != 0,
           "no socket to be refused");
  });

  return result();
}
