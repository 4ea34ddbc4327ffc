// Messages with descriptors, and what becomes of those that do not arrive whole.
#include "../../cpp/base/fd_message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "support/check.h"
#include "support/open_descriptors.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

struct Pair {
  int ends[2];
  explicit Pair(int flags = 0) {
    expect_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, ends), 0);
  }
  ~Pair() {
    close(ends[0]);
    close(ends[1]);
  }
};

// As many descriptors of the null device; closed again by the destructor.
struct Nulls {
  std::vector<int> fds;
  explicit Nulls(size_t count) {
    for (size_t i = 0; i < count; ++i)
      fds.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  ~Nulls() {
    for (const int fd : fds)
      close(fd);
  }
};

}  // namespace

int main() {
  test("bytes alone", [] {
    const Pair pair;
    expect(send_message(pair.ends[0], "hello", 5, nullptr, 0).ok(), "sent");
    char bytes[16];
    int fds[kMaxPassedFds];
    auto received = receive_message(pair.ends[1], bytes, sizeof bytes, fds);
    expect(received.ok(), "received");
    expect_equal(received.value().size, 5u);
    expect_equal(received.value().fd_count, 0u);
    expect_equal(memcmp(bytes, "hello", 5), 0);
  });

  for (const size_t count : {size_t{1}, size_t{2}, kMaxPassedFds})
    test(("with descriptors: " + std::to_string(count)).c_str(), [count] {
      const Pair pair;
      const int before = open_descriptors();
      {
        const Nulls nulls(count);
        expect(send_message(pair.ends[0], "x", 1, nulls.fds.data(), count).ok(), "sent");
      }
      char byte = 0;
      int fds[kMaxPassedFds];
      auto received = receive_message(pair.ends[1], &byte, 1, fds);
      expect(received.ok(), "received");
      expect_equal(received.value().fd_count, count);
      for (size_t i = 0; i < received.value().fd_count; ++i) {
        expect_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC, "flags");
        close(fds[i]);
      }
      expect_equal(open_descriptors(), before, "open descriptors");
    });

  test("more descriptors than the kernel takes", [] {
    const Pair pair;
    const std::vector<int> fds(kMaxPassedFds + 1, 0);
    const Status sent = send_message(pair.ends[0], "x", 1, fds.data(), fds.size());
    expect_equal(sent.error().number, EMSGSIZE);
  });

  test("a descriptor that is none", [] {
    const Pair pair;
    const int fd = -1;
    expect_equal(send_message(pair.ends[0], "x", 1, &fd, 1).error().number, EBADF);
  });

  test("a message larger than the room for it, and its descriptors", [] {
    const Pair pair;
    const int before = open_descriptors();
    {
      const Nulls nulls(3);
      expect(send_message(pair.ends[0], "0123456789", 10, nulls.fds.data(), 3).ok(), "sent");
    }
    char bytes[4];
    int fds[kMaxPassedFds];
    auto received = receive_message(pair.ends[1], bytes, sizeof bytes, fds);
    expect_equal(received.error().number, EMSGSIZE);
    expect_equal(received.value().fd_count, 0u, "descriptors");
    expect_equal(open_descriptors(), before, "open descriptors");
  });

  test("descriptors for which there is no room in the process", [] {
    const Pair pair;
    const int before = open_descriptors();
    {
      const Nulls nulls(20);
      expect(send_message(pair.ends[0], "x", 1, nulls.fds.data(), 20).ok(), "sent");
    }
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    // Room for some of them: the kernel hands over what it can (MSG_CTRUNC).
    const int next = dup(0);
    close(next);
    const rlimit few{static_cast<rlim_t>(next) + 4, limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    char byte = 0;
    int fds[kMaxPassedFds];
    auto received = receive_message(pair.ends[1], &byte, 1, fds);
    setrlimit(RLIMIT_NOFILE, &limit);
    expect_equal(received.error().number, EMSGSIZE);
    expect_equal(open_descriptors(), before, "open descriptors");
  });

  test("nothing there, and the end", [] {
    const Pair pair(SOCK_NONBLOCK);
    char byte = 0;
    int fds[kMaxPassedFds];
    expect_equal(receive_message(pair.ends[1], &byte, 1, fds).error().number, EAGAIN);
    shutdown(pair.ends[0], SHUT_WR);
    auto end = receive_message(pair.ends[1], &byte, 1, fds);
    expect(end.ok(), "no error at the end");
    expect_equal(end.value().size, 0u);
  });

  test("without a receiver there is an error, and no signal", [] {
    const Pair pair;
    shutdown(pair.ends[1], SHUT_RD);
    expect_equal(send_message(pair.ends[0], "x", 1, nullptr, 0).error().number, EPIPE);
  });

  return result();
}
