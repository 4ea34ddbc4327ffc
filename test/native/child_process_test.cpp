// The ends of the supervisor's children, with the kernel as the judge.
#include "../../cpp/supervisor/child_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <functional>

#include "../../cpp/base/unique_fd.h"
#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

// A child that does this; it is killed and reaped at the end of the test at the latest.
struct Child {
  pid_t pid;
  UniqueFd pidfd;

  explicit Child(const std::function<void()>& body) : pid(fork()) {
    if (pid == 0) {
      body();
      _exit(0);
    }
    pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    expect(pidfd.valid(), "a pidfd");
  }
  ~Child() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  void ended() const {
    pollfd end{pidfd.get(), POLLIN, 0};
    expect_equal(poll(&end, 1, 10'000), 1, "the end of the process");
  }
};

void sleep_for_ever() {
  for (;;)
    pause();
}

}  // namespace

int main() {
  test("A child ends with an exit code or by a signal", [] {
    const struct {
      std::function<void()> body;
      int code, signal, exit_code;
    } cases[] = {
        {[] { _exit(0); }, 0, 0, 0},
        {[] { _exit(127); }, 127, 0, 127},
        {[] { raise(SIGKILL); }, -1, SIGKILL, 137},
    };
    for (const auto& one : cases) {
      const Child child(one.body);
      child.ended();
      Ending ending{};
      expect(reap(child.pidfd.get(), ending), "the end");
      expect_equal(ending.code, one.code);
      expect_equal(ending.signal, one.signal);
      expect_equal(exit_code_of(ending), one.exit_code);
      expect(!reap(child.pidfd.get(), ending), "no second end");
    }
  });

  test("A child that runs is not reaped", [] {
    const Child child(sleep_for_ever);
    Ending ending{7, 7};
    expect(!reap(child.pidfd.get(), ending), "no end");
    expect(ending.code == 7 && ending.signal == 7, "nothing to be written");
  });

  test("A child begins to end before it is reaped, and not earlier", [] {
    expect(!is_ending(getpid()), "this process runs");
    const Child child(sleep_for_ever);
    expect(!is_ending(child.pid), "the child runs");
    kill(child.pid, SIGKILL);
    child.ended();
    expect(is_ending(child.pid), "a zombie");
    await_end(child.pidfd.get(), 10);
    expect(is_ending(child.pid), "a process that is gone");
  });

  test("The state of a child is found behind a name with spaces and parentheses", [] {
    const Child child([] {
      prctl(PR_SET_NAME, ") Z 1 2 (x");
      raise(SIGSTOP);
    });
    waitpid(child.pid, nullptr, WUNTRACED);
    expect(!is_ending(child.pid), "a child that is only stopped");
  });

  test("Waiting for an end reaps, and gives up after its time", [] {
    const Child ended([] {});
    await_end(ended.pidfd.get(), 10);
    expect(waitpid(ended.pid, nullptr, WNOHANG) < 0, "the child to be reaped");
    const Child running(sleep_for_ever);
    await_end(running.pidfd.get(), 0);
    expect_equal(waitpid(running.pid, nullptr, WNOHANG), 0, "the child");
  });
  return result();
}
