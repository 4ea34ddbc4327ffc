// One run of a program: how its first process ended, and that a reset leaves nothing of a run.
#include "../../cpp/supervisor/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "../../cpp/steps/machine.h"
#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

int open_null() {
  return open("/dev/null", O_RDWR | O_CLOEXEC);
}

// A page whose program the functions under test do not look at.
void make_page(Run& run) {
  UniqueFd memory;
  expect(run.page.make({"program", 7}, memory).ok(), "a page");
}

// A run whose first process does this.
void start(Run& run, const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  run.pid = child;
  run.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  expect(run.pidfd.valid(), "a pidfd");
}

void await_end(const Run& run) {
  pollfd end{run.pidfd.get(), POLLIN, 0};
  expect_equal(::poll(&end, 1, 10'000), 1, "the end of the process");
}

}  // namespace

int main() {
  test("The end of the first process is an exit code or a signal", [] {
    const struct {
      std::function<void()> body;
      int code, signal, exit_code;
    } cases[] = {
        {[] { _exit(0); }, 0, 0, 0},
        {[] { _exit(3); }, 3, 0, 3},
        {[] { _exit(255); }, 255, 0, 255},
        {[] { raise(SIGKILL); }, -1, SIGKILL, 137},
        {[] { signal(SIGTERM, SIG_DFL), raise(SIGTERM); }, -1, SIGTERM, 143},
    };
    for (const auto& one : cases) {
      Run run;
      make_page(run);
      start(run, one.body);
      await_end(run);
      expect(run.reap(), "the end to be found");
      expect_equal(run.ending.code, one.code);
      expect_equal(run.ending.signal, one.signal);
      expect_equal(run.exit_code(), one.exit_code);
      expect(!run.reap(), "no second end");
    }
  });

  test("A process that still runs is not reaped", [] {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) abort();
    Run run;
    make_page(run);
    start(run, [&] {
      close(pipe_ends[1]);
      char byte;
      _exit(read(pipe_ends[0], &byte, 1) == 0 ? 7 : 1);
    });
    expect(!run.reap(), "no end yet");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    await_end(run);
    expect(run.reap(), "the end");
    expect_equal(run.exit_code(), 7);
  });

  test("The program's status, as the init recorded it, counts more than the init's own", [] {
    Run run;
    make_page(run);
    run.page->outcome.status = 9;  // as wait(2) gives SIGKILL
    run.page->outcome.exited = 1;
    start(run, [] { _exit(137); });
    await_end(run);
    expect(run.reap(), "the end");
    expect_equal(run.ending.code, -1);
    expect_equal(run.ending.signal, SIGKILL);
    expect_equal(run.exit_code(), 137);

    // A status that no process ends with comes from a process inside.
    Run other;
    make_page(other);
    other.page->outcome.status = 127;
    other.page->outcome.exited = 1;
    start(other, [] { _exit(4); });
    await_end(other);
    expect(other.reap(), "the end");
    expect_equal(other.exit_code(), 4);
  });

  test("A run has failed when a step failed or its start could not be recorded", [] {
    Run run;
    expect(!run.reached_exec(), "no exec without a page");
    make_page(run);
    expect(!run.failed() && !run.reached_exec(), "neither at first");
    run.page->executing = 1;
    expect(!run.failed() && run.reached_exec(), "the exec");
    record_error(run.page.get(), Phase::kContainer, 4, {ENOENT, "execve", "/bin/missing"});
    expect(run.failed() && !run.reached_exec(), "the exec to have failed");
    const ErrorRecord error = run.read_failure();
    expect_equal(error.number, ENOENT);
    expect_equal(std::string(error.call), std::string("execve"));
    expect_equal(error.step, 4u);

    Run unsaved;
    make_page(unsaved);
    unsaved.page->executing = 1;
    unsaved.unsaved = {ENOSPC, "write", "state.json.new"};
    expect(unsaved.failed(), "a failure");
    expect_equal(unsaved.read_failure().number, ENOSPC);
    expect_equal(std::string(unsaved.read_failure().object), std::string("state.json.new"));
  });

  test("Input goes to the pipe, or to the terminal once it has arrived", [] {
    Run run;
    expect_equal(run.input_fd(false), -1);
    expect_equal(run.input_fd(true), -1);
    run.input.reset(open_null());
    run.outputs[0].reset(open_null());
    expect_equal(run.input_fd(false), run.input.get());
    expect_equal(run.input_fd(true), -1, "no terminal yet");
    run.terminal_slave.reset(open_null());
    expect_equal(run.input_fd(true), run.outputs[0].get());

    expect_equal(run.full_input_fd(false), -1, "there is room");
    expect_equal(run.full_input_fd(true), -1, "there is room");
    run.input_full = true;
    expect_equal(run.full_input_fd(false), run.input.get());
    expect_equal(run.full_input_fd(true), run.outputs[0].get());
  });

  test("A reset closes each descriptor and resets each member", [] {
    Run run;
    make_page(run);
    UniqueFd* const fds[] = {&run.pidfd,      &run.control,        &run.input,      &run.outputs[0],
                             &run.outputs[1], &run.terminal_slave, &run.oom_events, &run.helper};
    int numbers[std::size(fds)];
    for (size_t i = 0; i < std::size(fds); ++i) {
      fds[i]->reset(open_null());
      numbers[i] = fds[i]->get();
    }
    run.pid = 1;
    run.cancelled = run.program_started = run.input_full = true;
    run.unsaved = {EIO, "write", "state.json"};
    run.ending = {3, 4};
    run.oom_kills = 5;
    run.began = 6;

    run = Run{};
    for (const int number : numbers)
      expect(!is_open(number), "descriptor " + std::to_string(number) + " to be closed");
    for (const UniqueFd* fd : fds)
      expect(!fd->valid(), "no descriptor");
    expect(!run.page && run.pid == -1 && run.starting == nullptr, "no process");
    expect(!run.cancelled && !run.program_started && !run.input_full, "no flag");
    expect(run.unsaved.number == 0 && run.ending.code == 0 && run.ending.signal == 0 &&
               run.oom_kills == 0 && run.began == 0,
           "no fact");
    expect(!run.has_output(), "no output");
  });

  test("A page that is moved has one owner", [] {
    SharedPage first;
    UniqueFd memory;
    expect(first.make({"program", 7}, memory).ok(), "a page");
    Page* const page = first.get();
    SharedPage second(static_cast<SharedPage&&>(first));
    expect(!first && second.get() == page, "the second to own it");
    SharedPage third;
    expect(third.make({"other", 5}, memory).ok(), "a page");
    third = static_cast<SharedPage&&>(second);
    expect(!second && third.get() == page, "the third to own it");
    third->failed = 1;  // is still mapped
    third.reset();
    expect(!third, "no page");
  });
  return result();
}
