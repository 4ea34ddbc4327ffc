// The set of descriptors of one ppoll(2).
#include "../../cpp/supervisor/poll_set.h"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>

#include "../../cpp/base/unique_fd.h"
#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

struct Pipe {
  UniqueFd reader, writer;

  Pipe() {
    int ends[2];
    if (pipe(ends) != 0) abort();
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  void fill() const { expect_equal(write(writer.get(), "x", 1), ssize_t{1}); }
};

}  // namespace

int main() {
  test("Events are found at the place that the descriptor was given", [] {
    const Pipe quiet, ready;
    ready.fill();
    PollSet<4> set;
    const size_t at_quiet = set.add(quiet.reader.get(), POLLIN);
    const size_t at_ready = set.add(ready.reader.get(), POLLIN);
    const size_t at_writer = set.add(ready.writer.get(), POLLOUT);
    expect(set.wait(-1), "events");
    expect_equal(set.events(at_quiet), short{0});
    expect_equal(set.events(at_ready), short{POLLIN});
    expect_equal(set.events(at_writer), short{POLLOUT});
  });

  test("A descriptor that is not open takes no room and has no events", [] {
    const Pipe ready;
    ready.fill();
    PollSet<1> set;
    for (int i = 0; i < 100; ++i)
      expect_equal(set.add(-1, POLLIN), size_t{0});
    const size_t at = set.add(ready.reader.get(), POLLIN);
    expect(set.wait(0), "events");
    expect_equal(set.events(0), short{0});
    expect_equal(set.events(at), short{POLLIN});
  });

  test("Without events the wait ends after its time", [] {
    const Pipe quiet;
    PollSet<2> set;
    const size_t at = set.add(quiet.reader.get(), POLLIN);
    const uint64_t began = sys::monotonic();
    expect(!set.wait(30), "no events");
    expect(sys::monotonic() - began >= 30'000'000, "30 ms to pass");
    expect(!set.wait(0), "no events");
    expect_equal(set.events(at), short{0});
  });

  test("A set with more places than files may be open can be polled", [] {
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const Pipe ready;
    ready.fill();
    rlimit low = before;
    low.rlim_cur = 8;
    setrlimit(RLIMIT_NOFILE, &low);
    PollSet<64> set;
    for (int i = 0; i < 63; ++i)
      set.add(-1, POLLIN);
    const size_t at = set.add(ready.reader.get(), POLLIN);
    const bool events = set.wait(0);
    setrlimit(RLIMIT_NOFILE, &before);
    expect(events && set.events(at) == POLLIN, "its event");
  });

  test("A failing ppoll has no events", [] {
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const Pipe ready;
    ready.fill();
    PollSet<16> set;
    size_t at = 0;
    for (int i = 0; i < 16; ++i)
      at = set.add(ready.reader.get(), POLLIN);
    expect(set.wait(0), "events");
    rlimit low = before;
    low.rlim_cur = 8;
    setrlimit(RLIMIT_NOFILE, &low);
    const bool events = set.wait(0);
    setrlimit(RLIMIT_NOFILE, &before);
    expect(!events && set.events(at) == 0, "none of the wait before");
  });
  return result();
}
