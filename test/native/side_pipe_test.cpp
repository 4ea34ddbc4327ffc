// Output that is copied at a pipe of our own: whole, in order, and nothing of it for another
// reader.
#include "../../cpp/base/side_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "../../cpp/base/pipe_size.h"
#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

// A program's pipe, of which we have the end that is read.
struct Pipe {
  int ends[2];
  explicit Pipe(int flags = 0) {
    expect_equal(pipe2(ends, O_CLOEXEC | flags), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  ~Pipe() {
    close(ends[0]);
    end();
  }
  void put(const std::string& text) const {
    expect_equal(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
};

std::string text(size_t size, size_t seed) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i)
    bytes.push_back(static_cast<char>('a' + (i * i + seed) % 26));
  return bytes;
}

// What one read gives, with room for so much; empty for an error.
std::string take(SidePipe& side, const Pipe& pipe, size_t room) {
  std::vector<char> bytes(room);
  const long size = side.read(pipe.ends[0], bytes);
  return size > 0 ? std::string(bytes.data(), static_cast<size_t>(size)) : "";
}

// In a process that is not allowed to splice.
int opened_without_splice() {
  const pid_t child = fork();
  if (child == 0) {
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_splice, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<unsigned short>(std::size(rules)), rules};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) _exit(2);
    SidePipe side;
    _exit(side.open() || side.open() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace

int main() {
  test("what is written comes whole and in order, however it is cut", [] {
    SidePipe side;
    expect(side.open(), "open");
    Pipe pipe;
    enlarge_pipe(pipe.ends[0], kLargestPipe);
    std::string written, read;
    for (size_t round = 1; round <= 200; ++round) {
      const std::string more = text(round * 37 % 9000 + 1, round);
      pipe.put(more);
      written += more;
      read += take(side, pipe, round * 53 % 7000 + 1);
    }
    pipe.end();
    for (std::string more = "-"; !more.empty(); read += more)
      more = take(side, pipe, 100'000);
    expect(read == written, "the same bytes");
  });

  test("nothing to read and the end are told as by read(2)", [] {
    SidePipe side;
    expect(side.open(), "open");
    Pipe pipe;
    char room[16];
    expect_equal(side.read(pipe.ends[0], room), -EAGAIN);
    pipe.put("x");
    pipe.end();
    expect_equal(side.read(pipe.ends[0], room), 1);
    expect_equal(side.read(pipe.ends[0], room), 0);
  });

  test("nothing of one pipe stays for the reader of the next", [] {
    SidePipe side;
    expect(side.open(), "open");
    // In packet mode, where a read ends with each packet, and the rest of one would be lost.
    Pipe packets(O_DIRECT), other;
    std::string written;
    for (size_t i = 0; i < 10; ++i) {
      packets.put(text(100 + i, i));
      written += text(100 + i, i);
    }
    std::string read = take(side, packets, 250);
    other.put("other");
    expect(take(side, other, 1000) == "other", "its own bytes");
    for (std::string more = "-"; !more.empty(); read += more)
      more = take(side, packets, 250);
    expect(read == written, "the same bytes");
  });

  test("where splicing is refused there is none", [] { expect_equal(opened_without_splice(), 0); });

  return result();
}
