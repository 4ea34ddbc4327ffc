// One connection of a supervisor: frames however they are split, and a peer that is slow, has gone,
// or breaks the protocol.
#include "../../cpp/supervisor/client.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <vector>

#include "support/check.h"
#include "support/client_frame.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

struct Pair {
  Client client;
  UniqueFd peer;

  Pair() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) abort();
    peer.reset(fds[1]);
    expect(client.open(fds[0]), "an open client");
  }
  ~Pair() { client.close(); }

  void say(const std::string& bytes) const {
    expect_equal(write(peer.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  std::string hear() const {
    std::string all;
    char bytes[4096];
    for (ssize_t size; (size = read(peer.get(), bytes, sizeof bytes)) > 0;)
      all.append(bytes, static_cast<size_t>(size));
    return all;
  }
};

std::string payload_of(const Frame& got) {
  return {reinterpret_cast<const char*>(got.payload), got.size};
}

}  // namespace

int main() {
  test("Frames are received whole, however they are split", [] {
    Pair pair;
    const std::string bytes = frame(2, "hello") + frame(3, "") + frame(8, "name");
    std::vector<std::string> got;
    for (const char byte : bytes) {
      pair.say(std::string(1, byte));
      expect(pair.client.receive(), "good bytes");
      for (Frame next; pair.client.next(next); pair.client.consume())
        got.push_back(std::to_string(static_cast<int>(next.type)) + payload_of(next));
    }
    expect_equal(got.size(), size_t{3});
    expect_equal(got[0] + "|" + got[1] + "|" + got[2], std::string("2hello|3|8name"));
  });

  test("Many frames that arrive at once are received in order", [] {
    Pair pair;
    pair.say(frame(2, "a") + frame(2, "b") + frame(2, "c"));
    expect(pair.client.receive(), "good bytes");
    std::string got;
    for (Frame next; pair.client.next(next); pair.client.consume())
      got += payload_of(next);
    expect_equal(got, std::string("abc"));
  });

  test("The largest frame is received, and a larger one is refused", [] {
    Pair pair;
    const std::string large(kMaxPayload, 'x');
    const std::string bytes = frame(2, large);
    for (size_t at = 0; at < bytes.size(); at += 4096) {
      pair.say(bytes.substr(at, 4096));
      expect(pair.client.receive(), "good bytes");
    }
    Frame next;
    expect(pair.client.next(next), "a frame");
    expect(payload_of(next) == large, "all of it");
    pair.client.consume();
    expect(!pair.client.next(next), "nothing more");

    Pair bad;
    const uint32_t size = kMaxPayload + 1;
    bad.say(std::string(reinterpret_cast<const char*>(&size), sizeof size) + "\1");
    expect(!bad.client.receive(), "too much to be refused");
    expect(!bad.client.next(next), "no frame of it");
    Pair worse;
    worse.say("\xff\xff\xff\xff\xff");
    expect(!worse.client.receive(), "four billion bytes to be refused");
    expect(!worse.client.next(next), "no frame of it");
  });

  test("What a peer sent before it closed is received", [] {
    Pair pair;
    pair.say(frame(2, "last request") + "\3");
    pair.peer.reset();
    expect(pair.client.receive(), "good bytes");
    expect(pair.client.left(), "it to have left");
    Frame next;
    expect(pair.client.next(next), "a frame");
    expect_equal(payload_of(next), std::string("last request"));
    pair.client.consume();
    expect(!pair.client.next(next), "no phase frame");
  });

  test("Replies of two parts are sent as one frame", [] {
    Pair pair;
    const unsigned char stream = 1;
    pair.client.send(Reply::kOutput, &stream, 1, "text", 4);
    pair.client.send(Reply::kOutputEnd, &stream, 1);
    expect(!pair.client.waiting(), "nothing to wait");
    expect(pair.hear() == frame(2, "\1text") + frame(3, "\1"), "both frames");
  });

  test("A slow peer receives everything once and in order", [] {
    Pair pair;
    const int small = 4096;
    setsockopt(pair.client.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    std::string wanted, got;
    for (int i = 0; i < 2000; ++i) {
      // As the supervisor does: nothing more while something waits.
      while (pair.client.waiting()) {
        got += pair.hear();
        pair.client.resume();
      }
      const std::string text = std::to_string(i) + std::string(static_cast<size_t>(i) % 700, '.');
      wanted += frame(2, text);
      pair.client.send(Reply::kOutput, text.data(), text.size());
    }
    while (pair.client.waiting()) {
      got += pair.hear();
      pair.client.resume();
    }
    got += pair.hear();
    expect(pair.client.connected(), "a connection");
    expect(got == wanted, "what was sent");
  });

  test("A client for which too many bytes wait is closed", [] {
    Pair pair;
    const std::string block(16 << 10, 'x');
    int sent = 0;
    while (pair.client.connected() && sent < 1000) {
      pair.client.send(Reply::kOutput, block.data(), block.size());
      ++sent;
    }
    expect(!pair.client.connected(), "an end of it");
    expect(sent < 100, "it to come soon");
  });

  test("Sending to a peer that has gone is no error, and nothing waits for it", [] {
    Pair pair;
    pair.say(frame(2, "still to be served"));
    expect(pair.client.receive(), "good bytes");
    pair.peer.reset();
    for (int i = 0; i < 100; ++i)
      pair.client.send(Reply::kOutput, "text", 4);
    expect(!pair.client.waiting(), "nothing to wait");
    Frame next;
    expect(pair.client.next(next), "what it had sent");
    expect(pair.client.receive() && pair.client.left(), "it to have left");
  });

  test("A closed client has no frames left, served or not", [] {
    Pair pair;
    pair.say(frame(2, "never served"));
    expect(pair.client.receive(), "good bytes");
    pair.client.close();
    Frame next;
    expect(!pair.client.next(next) && !pair.client.waiting(), "nothing");
  });

  test("A8: Thousands of small frames at once cost no more than their bytes", [] {
    Pair pair;
    std::string frames;
    for (int i = 0; i < 13'000; ++i)
      frames += frame(2, "");
    pair.say(frames);
    const std::clock_t began = std::clock();
    expect(pair.client.receive(), "good bytes");
    int served = 0;
    for (Frame next; pair.client.next(next); ++served)
      pair.client.consume();
    expect_equal(served, 13'000);
    expect(std::clock() - began < CLOCKS_PER_SEC / 5, "little processor time");
  });

  test("A client object can be used for the next connection", [] {
    Client client;
    for (int round = 0; round < 3; ++round) {
      int fds[2];
      if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) abort();
      const UniqueFd peer(fds[1]);
      expect(client.open(fds[0]), "an open client");
      Frame next;
      expect(!client.next(next) && !client.waiting() && !client.left(), "nothing of the last one");
      const std::string phase = frame(2, "phase").substr(0, 6);
      expect_equal(write(peer.get(), phase.data(), phase.size()),
                   static_cast<ssize_t>(phase.size()));
      expect(client.receive(), "good bytes");
      client.close();
      expect(!client.connected(), "a closed client");
      client.close();
    }
  });
  return result();
}
