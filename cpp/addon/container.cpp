#include "container.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/refusal_notice.h"
#include "../program/control.h"
#include "../steps/cgroups.h"

namespace caisson {
namespace {

constexpr int kUnknownExit = 255;
// Where in LaunchTemplate::keep they are; the container's ends of stdout and stderr come kInside
// after the others.
constexpr size_t kStdin = 0, kOomFile = 3, kInside = 3, kNotices = 6, kSlots = 7;

}  // namespace

Container::Container(Environment& environment, std::shared_ptr<Launch> launch,
                     Napi::Function callback)
    : environment_(environment),
      launch_(std::move(launch)),
      listener_(environment, callback),
      input_(environment),
      outputs_{{environment, listener_, 1}, {environment, listener_, 2}} {}

uint32_t Container::launch(Environment& environment, std::shared_ptr<Launch> launch,
                           Napi::Function callback, bool watch_start) {
  const std::shared_ptr<Container> container(new Container(environment, launch, callback));
  container->start_wanted_ = container->handover_.awaited = watch_start;
  const uint32_t token = container->token_ = environment.add(container);

  // Until it is gone.
  environment.begin_work();
  const auto failed = [inbox = environment.inbox(), &environment, token] {
    inbox->post([&environment, token] { environment.find(token)->launch_failed(); });
  };
  if (const int error = environment.open_poller(); error != 0) {
    launch->fail(Phase::kHost, kBeforeFirstStep, Error{-error, "epoll_create1"});
    failed();
    return token;
  }
  Launcher::instance().launch(
      launch, [failed, inbox = environment.inbox(), container = container.get(), launch] {
        if (launch->failed) return failed();
        // When the environment is gone, so is the container object: end what was just started.
        if (!inbox->locked([&] { container->launched(*inbox); }))
          Launcher::instance().tear_down(launch, [](TeardownOutcome) {});
      });
  return token;
}

// Nothing was started, or it has been torn down.
void Container::launch_failed() {
  if (launch_->cancelled && launch_->error.number == ECANCELED) {
    // As if it had been killed a moment later.
    tell_exit(-1, SIGKILL, outputs_[0].number() | outputs_[1].number());
  } else {
    listener_.failed(launch_->error);
  }
  listener_.gone();
  finish();
}

// On the launcher's thread, with the inbox locked. JavaScript is woken only if there is something
// for it to do: most often the next that it waits for is the exit.
void Container::launched(Environment::Inbox& inbox) {
  handover_.launched = true;
  std::vector<int>& kept = launch_->kept;
  kept.resize(kSlots, -1);
  int& error = handover_.watch_error;
  error = inbox.watch_locked(token_, Source::kExit, launch_->pidfd.get());
  for (const Output& output : outputs_)
    if (error == 0 && kept[output.number()] >= 0)
      error = inbox.watch_locked(token_, output.source(), kept[output.number()]);
  const bool waits = launch_->waits;
  if (error == 0 && kept[kStdin] < 0 && !handover_.awaited && !launch_->detached && !waits) return;
  inbox.post_locked([&environment = environment_, token = token_] {
    if (const auto container = environment.find(token)) container->see_launched();
  });
}

// On the JavaScript thread, like all that follows.
void Container::see_launched() {
  if (handover_.watch_error != 0) return cannot_watch(handover_.watch_error);
  if (!is_running()) return;
  if (input_.open()) listener_.input();
  if (launch_->waits) listener_.waiting(launch_->pid);
}

// Takes the process over from the launcher, as soon as there is one; until then, asks to be woken.
bool Container::has_process() {
  if (state_ != State::kStarting) return true;
  bool there = false;
  environment_.inbox()->locked([this, &there] {
    there = handover_.launched;
    handover_.awaited = true;
  });
  if (!there || handover_.watch_error != 0) return false;
  state_ = State::kRunning;
  std::vector<int>& kept = launch_->kept;
  for (Output& output : outputs_)
    output.adopt(std::exchange(kept[output.number()], -1),
                 std::exchange(kept[output.number() + kInside], -1));
  input_.adopt(std::exchange(kept[kStdin], -1));
  oom_.reset(std::exchange(kept[kOomFile], -1));
  notices_.reset(std::exchange(kept[kNotices], -1));
  if (pending_signal_ != 0) kill(pending_signal_);
  if (start_wanted_ || launch_->detached) watch_start();
  return true;
}

// A container that cannot be watched is of no use.
void Container::cannot_watch(int error) {
  environment_.unwatch(launch_->pidfd.get());
  state_ = State::kExited;
  control_ = Control::kEnded;
  for (Output& output : outputs_)
    end_output(output);
  launch_->fail(Phase::kHost, kBeforeFirstStep, Error{-error, "epoll_ctl"});
  listener_.failed(launch_->error);
  tear_down(Wake::kNow);
}

void Container::ready(Source source) {
  if (!has_process()) return;
  switch (source) {
    case Source::kExit:
      if (state_ == State::kRunning) process_ended();
      break;
    case Source::kControl:
      read_control();
      break;
    case Source::kStdout:
      read_output(outputs_[0]);
      break;
    case Source::kStderr:
      read_output(outputs_[1]);
      break;
    case Source::kInput:
      // It takes more, or it has no reader any more.
      input_.unwatch();
      listener_.writable();
      break;
  }
}

// --- Output and input ---

void Container::read_output(Output& output) {
  if (output.deliver(Output::kAtOnce, state_ >= State::kExited)) end_output(output);
}

void Container::end_output(Output& output) {
  output.end();
  if (state_ == State::kGone) finish_when_read();
}

// What the killed program has forked lives on in the container, and may hold the streams for ever:
// what is in the pipe now is the last that is delivered, whether JavaScript reads it or not.
void Container::cut_output_short() {
  for (Output& output : outputs_) {
    output.deliver_full_pipe();
    if (output.open()) end_output(output);
  }
}

void Container::set_paused(unsigned stream, bool paused) {
  Output& output = this->output(stream);
  output.follow(paused);
  if (!has_process() || !output.open()) return;
  if (paused)
    output.unwatch();
  else if (!output.watched() && output.watch(token_) != 0)
    kill(SIGKILL);  // as when it cannot be watched from the beginning
}

long Container::write(std::span<const iovec> parts) {
  if (near_end_.valid())
    return sys::call(__NR_writev, outputs_[0].fd(), parts.data(), parts.size());
  bool watch_failed = false;
  const long written = input_.write(token_, parts, watch_failed);
  if (watch_failed) kill(SIGKILL);  // as when its output cannot be watched
  return written;
}

long Container::resize(unsigned short columns, unsigned short rows) {
  if (!near_end_.valid()) return -EIO;
  winsize size{};
  size.ws_col = columns;
  size.ws_row = rows;
  return sys::call(__NR_ioctl, outputs_[0].fd(), TIOCSWINSZ, &size);
}

// --- The start ---

void Container::watch_start() {
  start_wanted_ = true;
  if (!has_process() || control_ != Control::kUnwatched) return;
  if (environment_.watch(token_, Source::kControl, launch_->control.get()) == 0)
    control_ = Control::kWatched;
  else
    kill(SIGKILL);
}

// What it has waited for is done, or its command is there.
long Container::go_on(std::span<const uint8_t> command) {
  if (!is_running() || !launch_->waits) return -ESRCH;
  Page* const page = launch_->page;
  if (command.size() > page->command_room) return -E2BIG;
  std::ranges::copy(command, command_of(page));
  page->command_size = static_cast<uint32_t>(command.size());
  launch_->waits = false;
  std::vector<int> fds;
  for (const UniqueFd& fd : launch_->later_fds)
    fds.push_back(fd.get());
  const Status sent = send_release(launch_->control.get(), launch_->later, fds.data());
  launch_->later_fds.clear();
  return sent.ok() ? 0 : -sent.error().number;
}

// A terminal, or the end: the program was exec'ed, or never will be.
void Container::read_control() {
  while (control_ != Control::kEnded) {
    TerminalMessage message{};
    int fds[kMaxPassedFds];
    auto received = receive_message(launch_->control.get(), &message, sizeof message, fds);
    const int error = received.error().number;
    if (error == EAGAIN) return;
    const Received& got = received.value();
    if (error == 0 && got.size == sizeof message && message.magic == kTerminalMagic &&
        got.fd_count == 2 && take_terminal(fds[0], fds[1]))
      continue;
    for (size_t i = 0; i < got.fd_count; ++i)
      sys::close(fds[i]);
    end_control();
    // ECONNRESET: it ended with something unread. Else, as with EMFILE, its terminal is lost.
    if (error != 0 && error != ECONNRESET) {
      launch_->fail(Phase::kHost, kBeforeFirstStep, received.error());
      kill(SIGKILL);
      return;
    }
    const Page* page = launch_->page;
    if (load_acquire(page->failed) != 0 || load_acquire(page->executing) == 0) return;
    listener_.started(launch_->pid);
    if (launch_->detached) leave();
  }
}

// False where it cannot be taken: then the descriptors are still the caller's.
bool Container::take_terminal(int far_end, int near_end) {
  Output& screen = outputs_[0];
  if (screen.open() || !environment_.usable()) return false;
  screen.adopt_terminal(far_end);
  near_end_.reset(near_end);
  if (const int error = screen.paused() ? 0 : screen.watch(token_); error != 0) {
    end_output(screen);
    launch_->fail(Phase::kHost, kBeforeFirstStep, Error{-error, "epoll_ctl"});
    kill(SIGKILL);
    return true;
  }
  listener_.terminal();
  return true;
}

void Container::end_control() {
  if (control_ == Control::kWatched) environment_.unwatch(launch_->control.get());
  control_ = Control::kEnded;
}

// --- The end ---

// Its exec supervisor has it from here on, with its terminal, if it has been exec'ed.
long Container::leave_to_exec_supervisor() {
  if (!is_running() || control_ != Control::kEnded || !launch_->life.valid()) return -ESRCH;
  if (!outputs_[0].open() || !near_end_.valid()) return -ESRCH;
  const LeaveMessage message{kLeaveMagic};
  const int terminal[] = {outputs_[0].fd(), near_end_.get()};
  const Status sent =
      send_message(launch_->life.get(), &message, sizeof message, terminal, std::size(terminal));
  if (!sent.ok()) return -sent.error().number;
  // Not at once: JavaScript, which is calling, does not expect to be called.
  environment_.inbox()->post([&environment = environment_, token = token_] {
    const auto container = environment.find(token);
    if (container == nullptr || container->state_ != State::kRunning) return;
    container->near_end_.reset();
    container->end_output(container->outputs_[0]);
    container->leave();
  });
  return 0;
}

// It is on its own from here on.
void Container::leave() {
  environment_.unwatch(launch_->pidfd.get());
  state_ = State::kEnding;
  oom_.reset();
  tell_exit(-1, 0, kExecuted);
  Launcher::instance().leave(
      launch_, [inbox = environment_.inbox(), &environment = environment_, token = token_] {
        inbox->post([&environment, token] { environment.find(token)->gone(); });
      });
}

void Container::process_ended() {
  siginfo_t info{};
  // Only looks: reaping the first process of a pid namespace takes the kernel most of a
  // millisecond, and is the teardown thread's work.
  const long waited = sys::call(__NR_waitid, P_PIDFD, launch_->pidfd.get(), &info,
                                WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr);
  // ECHILD: other code of this program has reaped it, and its status is lost.
  const bool stolen = waited == -ECHILD;
  if (!stolen && (waited < 0 || info.si_pid == 0)) return;
  environment_.unwatch(launch_->pidfd.get());
  state_ = State::kExited;
  if (start_wanted_) read_control();
  if (state_ != State::kExited) return;  // it was detached, and left
  end_control();
  tell_end(info, stolen, deliver_last_output());
}

// All that wrote have ended, so that what is in the pipes, or on the terminal, is all there will
// be. Returns the numbers of the streams that have ended, as bits.
unsigned Container::deliver_last_output() {
  const bool terminal = near_end_.valid();
  near_end_.reset();
  unsigned ended = 0;
  for (Output& output : outputs_) {
    output.close_inside();
    // What other processes go on writing must not keep the event loop from its work.
    if (!output.deliver(launch_->shares_pids ? Output::kAtOnce : Output::kToTheEnd, true)) continue;
    close_later(output.hand_over());
    ended |= output.number();
  }
  // A shell's background jobs may keep its terminal: with the shell the terminal ends, as for
  // Docker, and they are hung up.
  if (launch_->shares_pids && (killed_ || terminal)) cut_output_short();
  return ended;
}

// `stolen`: its status is not known. `ended`: the streams that have ended with it.
void Container::tell_end(const siginfo_t& info, bool stolen, unsigned ended) {
  const Page* page = launch_->page;
  // Without its exec supervisor its end would never be known.
  if (launch_->program_pidfd.valid() && load_acquire(page->outcome.exited) == 0)
    sys::call(__NR_pidfd_send_signal, launch_->receiver(), SIGKILL, nullptr, 0);
  bool told = false;
  if (launch_->failed) {
    listener_.failed(launch_->error);
  } else if (load_acquire(page->failed) != 0) {
    listener_.failed(read_error(page));
  } else {
    told = executed();
    // It has begun and ended, while another child that has not come to its own exec still holds the
    // far end of its control socket. Its status is not ours to know.
    if (told && launch_->detached) return leave();
    int code = info.si_code == CLD_EXITED ? info.si_status : -1;
    int signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    if (stolen) code = kUnknownExit;
    // What init saw of the main program is more precise than init's own exit code.
    if (Ending ending{}; read_outcome(page, ending)) {
      code = ending.code;
      signal = ending.signal;
    }
    tell_exit(code, signal, ended | (told ? kExecuted : 0));
  }
  // The caller that has killed it may be waiting until nothing is left.
  tear_down(told && !killed_ ? Wake::kSoon : Wake::kNow);
}

void Container::tell_exit(int code, int signal, unsigned bits) {
  if (!listener_.listens()) return;
  const Napi::HandleScope scope(environment_.env());
  const uint32_t oom_kills = oom_.valid() ? count_oom_kills(oom_.get()) : 0;
  if (!notices_.valid() || may_have_refused(notices_.get())) bits |= kNamesRefused;
  listener_.exited({code, signal, oom_kills, bits}, write_timestamps());
}

// By the teardown thread: to unmake a pipe takes longer than to hand it over.
void Container::close_later(UniqueFd fd) {
  if (fd.valid()) launch_->held.push_back(std::move(fd));
}

void Container::tear_down(Wake wake) {
  close_later(std::move(oom_));
  close_later(std::move(notices_));
  end_input();
  state_ = State::kEnding;
  if (wake == Wake::kSoon) environment_.expect();
  Launcher::instance().tear_down(
      launch_, [inbox = environment_.inbox(), &environment = environment_, token = token_,
                wake](TeardownOutcome) {
        inbox->post(
            [&environment, token, wake] {
              if (wake == Wake::kSoon) environment.expected_came();
              environment.find(token)->gone();
            },
            [] {}, wake);
      });
}

void Container::gone() {
  listener_.gone();
  state_ = State::kGone;
  finish_when_read();
}

// A slow reader may still have output to fetch when the container is long gone.
void Container::finish_when_read() {
  for (const Output& output : outputs_)
    if (output.open()) return;
  finish();
}

// Nothing more will happen to this container.
void Container::finish() {
  environment_.end_work();
  launch_.reset();
  listener_.release();
  for (Output& output : outputs_)
    output.release();
  environment_.remove(token_);
}

void Container::abandon() {
  listener_.abandon();
  for (Output& output : outputs_)
    output.abandon();
  launch_->cancelled = true;
  // Before that the launcher has it, and will find no environment to hand it to. Later, the
  // teardown thread has it.
  if (handover_.launched && state_ < State::kEnding) {
    environment_.unwatch(launch_->pidfd.get());
    Launcher::instance().tear_down(launch_, [](TeardownOutcome) {});
  }
  environment_.remove(token_);
}

long Container::kill(int signal) {
  if (!has_process()) {
    if (pending_signal_ != SIGKILL) pending_signal_ = signal;
    if (signal == SIGKILL) launch_->cancelled = true;
    return 0;
  }
  if (state_ >= State::kExited) {
    // Not at once: JavaScript, which is calling, does not expect to be called.
    if (launch_->shares_pids && signal == SIGKILL)
      environment_.inbox()->post([&environment = environment_, token = token_] {
        if (const auto container = environment.find(token)) container->cut_output_short();
      });
    return -ESRCH;
  }
  const long sent = sys::call(__NR_pidfd_send_signal, launch_->receiver(), signal, nullptr, 0);
  if (signal == SIGKILL) killed_ = true;
  if (sent == 0 && signal == SIGKILL) Launcher::instance().kill(launch_);
  return sent;
}

// The program was exec'ed: the last step has ended. Where it died before that, the answer follows
// when everything is torn down.
bool Container::executed() const {
  const Page* page = launch_->page;
  const size_t steps = launch_->header().steps[1];
  return steps > 0 && page->end[1][steps - 1] != 0;
}

// [host start, host step ends …, container start, container step ends …] in nanoseconds.
Environment::Numbers Container::write_timestamps() {
  const Page* page = launch_->page;
  // By the program as it was sent: the one in the page is within reach of the container's init.
  const Header& header = launch_->header();
  const size_t counts[] = {header.steps[0], header.steps[1]};
  const auto numbers = environment_.numbers(counts[0] + counts[1] + 2);
  double* at = numbers.data;
  if (at == nullptr) return numbers;
  for (const size_t phase : {size_t{0}, size_t{1}}) {
    *at++ = static_cast<double>(page->start[phase]);
    for (size_t i = 0; i < counts[phase]; ++i)
      *at++ = static_cast<double>(page->end[phase][i]);
  }
  return numbers;
}

}  // namespace caisson
