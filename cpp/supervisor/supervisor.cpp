#include "supervisor.h"

#include <sys/ioctl.h>
#include <termios.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../program/control.h"
#include "../steps/cgroups.h"

namespace caisson {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kIdle = 50 * kMillisecond;     // after it an unfinished line is written
constexpr uint64_t kLatest = 150 * kMillisecond;  // also while more of the line comes bit by bit
constexpr size_t kLimitedRead = 8u << 10;
constexpr uint64_t kNever = Deadlines::kNever;

uint8_t attachment(unsigned output) {
  return output == 0 ? kAttachOut : kAttachErr;
}

}  // namespace

void leave_streams() {
  const long null = sys::call(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd)
    if (null < 0)
      sys::close(fd);
    else
      sys::call(__NR_dup3, null, fd, 0);
  if (null > 2) sys::close(static_cast<int>(null));
}

Supervisor::Supervisor(const SupervisorConfig& config, int init_fd, int lock)
    : config_(config),
      init_fd_(init_fd),
      lock_(lock),
      restart_rule_{static_cast<RestartPolicy>(config.header().policy), config.header().retries},
      programs_(config),
      health_(config, workplace_, init_fd, budget_) {
  if (config.has(kSupervisorOwnUserNamespace)) workplace_.rights = Rights::kOwnUserNamespace;
  if (config.has(kSupervisorBound)) clients_.bind_first();
  copy_text(name_, config.text(SupervisorText::kName));
  record_.id_base = config.header().id_base;
  const auto own = static_cast<int>(sys::call(__NR_getpid));
  char start_time[24];
  read_start_time(own, start_time);
  Text<sizeof record_.supervisor> supervisor;
  supervisor.add(static_cast<uint64_t>(own)).add(" ").add(start_time).add(" ");
  supervisor.add(config.text(SupervisorText::kBootId));
  copy_text(record_.supervisor, supervisor.c_str());
  copy_text(self_, supervisor.c_str());
}

void Supervisor::run(int first) {
  if (first >= 0 && clients_.first().open(first)) {
    clients_.first().attached = static_cast<uint8_t>(config_.header().attach);
    // What the client has asked for is in the configuration. It cannot connect again, so it does
    // not make room for others.
    clients_.first().asked = true;
  }
  if (config_.has(kSupervisorGated) && !await_begin()) return;
  if (!open_paths()) return;
  const bool started = start();
  if (config_.has(kSupervisorBound)) leave_streams();
  if (!started) return;
  while (!state_.is(State::kFinished)) {
    step();
    if (state_.is(State::kPausing) && deadlines_.due(Deadline::kRestart, sys::monotonic())) start();
  }
  clients_.say_farewell();
}

// Waits until the first client has moved this process to its systemd scope. False when the client
// has gone: nothing has been made yet, and no client has to be told.
bool Supervisor::await_begin() {
  Client& client = clients_.first();
  const auto own = static_cast<int>(sys::call(__NR_getpid));
  if (client.connected()) client.send(Reply::kWaiting, &own, sizeof own);
  while (client.connected()) {
    pollfd waiting{client.fd(), POLLIN, 0};
    sys::call(__NR_ppoll, &waiting, 1, nullptr, nullptr, 0);
    Frame frame;
    if (!client.receive()) return false;
    if (client.next(frame)) {
      client.consume();
      return frame.type == Request::kBegin;
    }
    if (client.left()) return false;
  }
  return false;
}

bool Supervisor::open_paths() {
  const char* const directory = config_.text(SupervisorText::kDirectory);
  const char* const sockets = config_.text(SupervisorText::kSockets);
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  directory_.reset(static_cast<int>(sys::call(__NR_openat, AT_FDCWD, directory, flags)));
  sockets_.reset(static_cast<int>(sys::call(__NR_openat, AT_FDCWD, sockets, flags)));
  Status ready;
  if (!directory_.valid())
    ready = Error{ENOENT, "openat", directory};
  else if (!sockets_.valid())
    ready = Error{ENOENT, "openat", sockets};
  else
    ready = prepare_state(directory_.get());
  if (!ready.ok()) {
    fail_before_start(ready.error());
    return false;
  }
  if (!config_.has(kSupervisorNoLog))
    log_.open(directory_.get(), config_.header().log_size, config_.header().log_files);
  // All signals are blocked (init/supervise.cpp): SIGTERM is read from here, the others have no
  // effect.
  const uint64_t terminate = uint64_t{1} << (SIGTERM - 1);
  signals_.reset(static_cast<int>(
      sys::call(__NR_signalfd4, -1, &terminate, sizeof terminate, O_CLOEXEC | O_NONBLOCK)));
  clients_.listen(sockets_.get(), config_.text(SupervisorText::kId));
  return true;
}

// Output is read while the clients take it and the container has processor time for it. What is
// left in the pipes after the end is read in any case.
bool Supervisor::may_read() {
  return !clients_.hold_back() && (state_.is(State::kDraining) || budget_.left(sys::monotonic()));
}

// One turn of the loop.
void Supervisor::step() {
  const bool held_back = clients_.hold_back();
  handle_events(timeout());
  handle_deadlines(held_back);
}

int Supervisor::timeout() {
  const bool reads = run_.has_output() || health_.reads();
  deadlines_.set(Deadline::kHealthCheck, health_.due());
  deadlines_.set(Deadline::kCpuBudget,
                 reads && !state_.is(State::kDraining) ? budget_.again_at() : kNever);
  const bool held_back = clients_.hold_back();
  const uint64_t next = deadlines_.next([&](Deadline which) {
    if (which == Deadline::kLateOutput) return !held_back;
    if (which == Deadline::kSlowClients) return held_back && stop_requested_;
    return true;
  });
  return poll_timeout(next, sys::monotonic());
}

// Waits for events, and handles those that are there. Runs in each state, also while a run begins
// (cancels_start): it does not start a run itself.
void Supervisor::handle_events(int milliseconds) {
  PollSet<9 + Health::kPolled + Clients::kMax> set;
  const size_t at_listener = set.add(clients_.listener(), POLLIN);
  const size_t at_signals = set.add(signals_.get(), POLLIN);
  const size_t at_control = set.add(run_.control.get(), POLLIN);
  const size_t at_first = set.add(state_.is(State::kDraining) ? -1 : run_.pidfd.get(), POLLIN);
  const bool reading = may_read();
  size_t at_output[2];
  for (unsigned i = 0; i < 2; ++i)
    at_output[i] = set.add(reading ? run_.outputs[i].get() : -1, POLLIN);
  const size_t at_input = set.add(run_.full_input_fd(config_.has(kSupervisorTerminal)), POLLOUT);
  // v2's memory.events reports changes (cgroup-v2.rst); v1's file does not, and is read at the end.
  const size_t at_oom = set.add(state_.is(State::kRunning) ? run_.oom_events.get() : -1, POLLPRI);
  const size_t at_forwarder = set.add(forwarder_is_polled() ? workplace_.forwarder.get() : -1, 0);
  pollfd health[Health::kPolled];
  health_.poll(health);
  size_t at_health[Health::kPolled];
  for (unsigned i = 0; i < Health::kPolled; ++i)
    at_health[i] = set.add(health[i].fd, health[i].events);
  const Clients::Polled at_clients(clients_, set);

  if (set.wait(milliseconds)) {
    if (set.events(at_signals) != 0) read_termination();
    if (set.events(at_control) != 0) read_control();
    for (unsigned i = 0; i < 2; ++i)
      if (set.events(at_output[i]) != 0) read_output(i);
    if (set.events(at_input) != 0) run_.input_full = false;
    at_clients.dispatch(clients_, set, [this](Client& client, short events) {
      handle_client_events(client, events);
    });
    if (set.events(at_oom) != 0) report_oom();
    if (set.events(at_first) != 0) first_process_ended();
    if (set.events(at_listener) != 0) clients_.accept();
    if (set.events(at_forwarder) != 0) forwarder_ended();
  }
  for (Client& client : clients_)
    if (client.connected()) serve(client);
  for (unsigned i = 0; i < Health::kPolled; ++i)
    health[i].revents = set.events(at_health[i]);
  if (const char* change = health_.step(health); change != nullptr) event(change);
}

void Supervisor::handle_client_events(Client& client, short events) {
  if (clients_.is_bound(client) && (events & (POLLHUP | POLLERR)) != 0) {
    drop(client);  // also when more of its input is left than the program reads
    return;
  }
  if ((events & (POLLOUT | POLLHUP | POLLERR)) != 0) client.resume();
  if (client.connected() && (events & (POLLIN | POLLHUP | POLLERR)) != 0 && !client.receive())
    drop(client);
}

// `held_back`: whether a client held the output back while the loop waited.
void Supervisor::handle_deadlines(bool held_back) {
  const uint64_t now = sys::monotonic();
  if (deadlines_.take_due(Deadline::kFlushLog, now)) {
    unfinished_since_ = kNever;
    log_.flush(false);
  }
  if (deadlines_.take_due(Deadline::kKill, now)) {
    event("kill", "\"signal\":\"9\"");
    kill_all();
  }
  if (deadlines_.take_due(Deadline::kForwarder, now)) replace_forwarder();
  if (!state_.is(State::kDraining)) return;
  // The end of a container that is to stop does not wait for clients that only watch.
  if (stop_requested_ && deadlines_.due(Deadline::kSlowClients, now))
    for (Client& client : clients_)
      if (client.connected() && client.attached != 0 && client.waiting()) drop(client);
  // Only the time counts in which output that is there is read.
  if (held_back) deadlines_.set(Deadline::kLateOutput, now + kLateOutput);
  if (deadlines_.due(Deadline::kLateOutput, now))
    for (unsigned i = 0; i < 2; ++i)
      end_output(i);
  if (!run_.has_output()) end_run();
}

// SIGTERM stops the container, as `caisson stop` does.
void Supervisor::read_termination() {
  char info[128];  // struct signalfd_siginfo
  if (sys::call(__NR_read, signals_.get(), info, sizeof info) != sizeof info) return;
  const int seconds = config_.header().stop_timeout;
  stop(config_.header().stop_signal, seconds < 0 ? -1 : seconds * 1000);
}

// The control socket brings the terminal, and ends when the program is exec'ed or never will be.
void Supervisor::read_control() {
  while (run_.control.valid()) {
    TerminalMessage message{};
    int fds[kMaxPassedFds];
    auto received = receive_message(run_.control.get(), &message, sizeof message, fds);
    const int error = received.error().number;
    if (error == EAGAIN) return;
    const Received& got = received.value();
    if (error == 0 && got.size == sizeof message && message.magic == kTerminalMagic &&
        got.fd_count == 2 && !run_.outputs[0].valid()) {
      run_.outputs[0].reset(fds[0]);
      run_.terminal_slave.reset(fds[1]);
      // A client may have changed the size since the terminal was made.
      if (terminal_size_.ws_col != 0) sys::call(__NR_ioctl, fds[0], TIOCSWINSZ, &terminal_size_);
      continue;
    }
    for (size_t i = 0; i < got.fd_count; ++i)
      sys::close(fds[i]);
    run_.control.reset();
    if (error != 0 && error != ECONNRESET) kill_all();  // the terminal is lost
    if (!run_.program_started && run_.reached_exec()) program_started();
  }
}

void Supervisor::program_started() {
  run_.program_started = true;
  // A short program may have ended before this is known.
  if (state_.is(State::kPreparing)) state_.enter(State::kRunning);
  char before[kTimeSize];
  copy_text(before, record_.started_at);
  format_time(wall_time(), record_.started_at);
  record_.status = "running";
  record_.stopped = false;
  record_.exit_code = 0;
  record_.oom_killed = false;
  record_.error[0] = '\0';
  health_.begin(directory_.get(), run_.pid, record_.start_time);
  // A container that runs without a state that says so would be started a second time.
  if (Status saved = save(); !saved.ok()) {
    run_.unsaved = saved.error();
    copy_text(record_.started_at, before);
    kill_all();
    return;
  }
  event("start");
  clients_.tell_all(Reply::kStarted, &run_.pid, sizeof run_.pid);
}

void Supervisor::read_output(unsigned index) {
  static char bytes[32u << 10];
  UniqueFd& output = run_.outputs[index];
  const auto stream = static_cast<unsigned char>(index + 1);
  // As much as a pipe holds, then it is the turn of other descriptors.
  for (int turn = 0; turn < 2 && output.valid() && may_read(); ++turn) {
    // Only containers with a limit cost these system calls, and are read in small pieces, so that
    // the limit is met closely.
    const uint64_t before = budget_.limited() ? sys::processor_time() : 0;
    const size_t most = budget_.limited() ? kLimitedRead : sizeof bytes;
    const long size = sys::call(__NR_read, output.get(), bytes, most);
    if (size == -EAGAIN || size == -EINTR) break;
    if (size <= 0) {
      end_output(index);
      break;
    }
    // Clients learn that the program was started before they get its output.
    if (!run_.program_started) program_started();
    log_.write(static_cast<Stream>(index), bytes, static_cast<size_t>(size));
    clients_.tell_attached(attachment(index), Reply::kOutput, &stream, 1, bytes,
                           static_cast<size_t>(size));
    if (budget_.limited()) budget_.spend(sys::processor_time() - before);
  }
  schedule_flush();
  report_lost_log();
}

void Supervisor::end_output(unsigned index) {
  UniqueFd& output = run_.outputs[index];
  if (!output.valid()) return;
  output.reset();
  const auto stream = static_cast<unsigned char>(index + 1);
  clients_.tell_attached(attachment(index), Reply::kOutputEnd, &stream, 1);
}

void Supervisor::schedule_flush() {
  if (!log_.unfinished()) {
    unfinished_since_ = kNever;
    deadlines_.clear(Deadline::kFlushLog);
    return;
  }
  const uint64_t now = sys::monotonic();
  if (unfinished_since_ == kNever) unfinished_since_ = now;
  const uint64_t idle = now + kIdle, latest = unfinished_since_ + kLatest;
  deadlines_.set(Deadline::kFlushLog, idle < latest ? idle : latest);
}

// Output that could not be logged is counted in state.json; one event reports the first loss.
void Supervisor::report_lost_log() {
  if (log_.lost() == record_.log_lost) return;
  record_.log_lost = log_.lost();
  if (log_loss_reported_) return;
  log_loss_reported_ = true;
  Text<64> reason;
  reason.add("\"errno\":\"").add(static_cast<uint64_t>(log_.lost_reason())).add("\"");
  event("log_lost", reason.c_str());
  static_cast<void>(save());
}

// The file must be read: it reports its next change only after that.
void Supervisor::report_oom() {
  const uint32_t kills = count_oom_kills(run_.oom_events.get());
  if (kills > run_.oom_kills) event("oom");
  run_.oom_kills = kills;
}

Status Supervisor::save() {
  Status saved;
  if (directory_.valid()) saved = write_state(directory_.get(), record_);
  lock_.reset();
  return saved;
}

void Supervisor::event(const char* action, const char* more) {
  Text<8192> attributes;
  const auto named = [&]() -> auto& {
    attributes.clear();
    return add_json(attributes.add("\"name\":\""), name_).add("\"");
  };
  const char* others = config_.text(SupervisorText::kAttributes);
  if (others[0] != '\0') named().add(",").add(others);
  // A container with more labels than a line has room for gets its events without them.
  if (others[0] == '\0' || attributes.truncated()) named();
  append_event(config_.text(SupervisorText::kEvents), self_, action,
               {"container", config_.text(SupervisorText::kId), attributes.c_str()}, more);
}

void Supervisor::volume_destroyed(const char* path) {
  const char* name = path;
  for (; *path != '\0'; ++path)
    if (*path == '/') name = path + 1;
  append_event(config_.text(SupervisorText::kEvents), self_, "destroy",
               {"volume", name, "\"driver\":\"local\""});
}

// One event for each of the container's networks and volumes, which `config` names: the id of a
// network; `+` and the name of a volume that is mounted, `-` and that of one that was.
void Supervisor::attachment_events(Attachment attachment, const SupervisorConfig& config) {
  const bool begins = attachment == Attachment::kBegins;
  const auto end_of = [](const char* text, char end) {
    while (*text != end && *text != '\0')
      ++text;
    return text;
  };
  for (const char* line = config.text(SupervisorText::kNetworks); *line != '\0';) {
    const char* const end = end_of(line, '\n');
    const char* const space = end_of(line, ' ');
    if (space < end) {
      const bool volume = *line == '+' || *line == '-';
      const char* const start = volume ? line + 1 : line;
      Text<264> id;
      Text<4096> attributes;
      id.add(start, static_cast<size_t>(space - start));
      attributes.add(space + 1, static_cast<size_t>(end - space - 1));
      const char* const action = volume   ? (begins ? "mount" : "unmount")
                                 : begins ? "connect"
                                          : "disconnect";
      if ((!volume || begins == (*line == '+')) && !attributes.truncated())
        append_event(config_.text(SupervisorText::kEvents), self_, action,
                     {volume ? "volume" : "network", id.c_str(), attributes.c_str()});
    }
    line = *end == '\n' ? end + 1 : end;
  }
}

}  // namespace caisson
