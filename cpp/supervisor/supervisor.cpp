#include "supervisor.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../host/page_memory.h"
#include "../program/control.h"
#include "../steps/cgroups.h"
#include "../steps/teardown.h"

namespace caisson {
namespace {

constexpr int kMaxSignal = 64;
constexpr uint64_t kMillisecond = 1000000, kSecond = 1000 * kMillisecond;
constexpr uint64_t kIdle = 50 * kMillisecond;     // then an unfinished line is written
constexpr uint64_t kLatest = 150 * kMillisecond;  // also when more comes, bit by bit
constexpr uint64_t kLateOutput = 5 * kSecond;     // how long output may outlive the program
constexpr uint64_t kFarewell = 30 * kSecond;      // for clients that have not read everything yet
constexpr uint64_t kParting = 5 * kSecond;        // and for those that have it all to go
constexpr size_t kLimitedRead = 8u << 10;
constexpr int kLostParentRetries = 8;
constexpr uint64_t kNever = Deadlines::kNever;

int load_int(const unsigned char* at) {
  int value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

unsigned load_half(const unsigned char* at) {
  unsigned short value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// What a failed start ends with on the command line: 127, 126, or 128 (docker run); what was killed
// over it as if it had been later.
int start_code(const ErrorRecord& error) {
  if (error.number == ECANCELED) return 128 + SIGKILL;
  if (!equal(error.call, "execve") && !equal(error.call, "execve interpreter") &&
      !equal(error.call, "execve loader"))
    return 128;
  return error.number == ENOENT ? 127 : error.number == EACCES ? 126 : 128;
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
      health_(config, workplace_, init_fd, budget_) {
  if (config.has(kSupervisorOwnUserNamespace)) workplace_.rights = Rights::kOwnUserNamespace;
  bound_ = config.has(kSupervisorBound);
  copy_text(name_, config.text(SupervisorText::kName));
  state_.id_base = config.header().id_base;
  const auto own = static_cast<int>(sys::call(__NR_getpid));
  char start_time[24];
  read_start_time(own, start_time);
  Text<sizeof state_.supervisor> supervisor;
  supervisor.add(static_cast<uint64_t>(own)).add(" ").add(start_time).add(" ");
  supervisor.add(config.text(SupervisorText::kBootId));
  copy_text(state_.supervisor, supervisor.c_str());
  copy_text(self_, supervisor.c_str());
}

void Supervisor::run(int first) {
  if (first >= 0 && clients_[0].open(first))
    clients_[0].attached = static_cast<uint8_t>(config_.header().attach);
  if (config_.has(kSupervisorGated) && !await_begin()) return;
  if (!open_places()) return;
  const bool ok = start();
  if (bound_) leave_streams();
  if (!ok) return;
  while (!finished_)
    step();
  say_farewell();
}

// Everything is recorded. Who is still reading gets the rest; who is still writing is heard out: to
// close on him would make his writing fail, over which Node forgets what it has not read.
void Supervisor::say_farewell() {
  const uint64_t began = sys::monotonic();
  for (;;) {
    pollfd waiting[kClients];
    Client* whose[kClients];
    unsigned count = 0;
    bool sending = false;
    for (Client& client : clients_) {
      if (!client.connected()) continue;
      if (client.waiting())
        sending = true;
      else
        client.end_sending();
      whose[count] = &client;
      waiting[count++] = {client.fd(),
                          static_cast<short>(POLLIN | (client.waiting() ? POLLOUT : 0)), 0};
    }
    const uint64_t now = sys::monotonic();
    if (count == 0 || now >= began + (sending ? kFarewell : kParting)) return;
    const timespec slice{1, 0};
    sys::call(__NR_ppoll, waiting, count, &slice, nullptr, 0);
    for (unsigned i = 0; i < count; ++i) {
      if ((waiting[i].revents & POLLOUT) != 0) whose[i]->resume();
      if ((waiting[i].revents & ~POLLOUT) != 0 && !whose[i]->drain()) whose[i]->close();
    }
  }
}

// Until the first client has put this process where it belongs. False when that one has gone: then
// there is nothing to be torn down, and nobody to be told.
bool Supervisor::await_begin() {
  Client& client = clients_[0];
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

bool Supervisor::open_places() {
  const int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  directory_.reset(static_cast<int>(
      sys::call(__NR_openat, AT_FDCWD, config_.text(SupervisorText::kDirectory), directory_flags)));
  sockets_.reset(static_cast<int>(
      sys::call(__NR_openat, AT_FDCWD, config_.text(SupervisorText::kSockets), directory_flags)));
  ErrorRecord error{};
  const auto fail = [&](long result, const char* call, const char* object) {
    fill_record(error, Phase::kHost, kBeforeFirstStep, failure(result, call, object));
    start_failed(error);
    return false;
  };
  if (!directory_.valid()) return fail(-ENOENT, "openat", config_.text(SupervisorText::kDirectory));
  if (!sockets_.valid()) return fail(-ENOENT, "openat", config_.text(SupervisorText::kSockets));
  if (Status ready = prepare_state(directory_.get()); !ready.ok()) {
    fill_record(error, Phase::kHost, kBeforeFirstStep, ready.error());
    start_failed(error);
    return false;
  }
  if (!config_.has(kSupervisorNoLog))
    log_.open(directory_.get(), config_.header().log_size, config_.header().log_files);
  // All signals are blocked (the subcommand did that): this one is read, the others wait for ever.
  const uint64_t terminate = uint64_t{1} << (SIGTERM - 1);
  signals_.reset(static_cast<int>(
      sys::call(__NR_signalfd4, -1, &terminate, sizeof terminate, O_CLOEXEC | O_NONBLOCK)));
  listen();
  return true;
}

// Without a socket the container runs all the same; it can then be neither attached to nor stopped
// with a time limit, and says so by being unreachable.
void Supervisor::listen() {
  const char* id = config_.text(SupervisorText::kId);
  UniqueFd socket(static_cast<int>(
      sys::call(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  if (!socket.valid()) return;
  // A path has 108 bytes at most; by descriptor it fits, wherever the directory is.
  Text<sizeof sockaddr_un::sun_path> path;
  path.add("/proc/self/fd/").add(static_cast<uint64_t>(sockets_.get())).add("/").add(id);
  sockaddr_un address{};
  if (path.truncated()) return;
  address.sun_family = AF_UNIX;
  copy_text(address.sun_path, path.c_str());
  sys::call(__NR_unlinkat, sockets_.get(), id, 0);
  if (sys::call(__NR_bind, socket.get(), &address, sizeof address) < 0) return;
  if (sys::call(__NR_listen, socket.get(), 128) < 0) return;
  listener_ = static_cast<UniqueFd&&>(socket);
}

// Runs the program's host phase. Whatever of it failed has been torn down when this is false.
bool Supervisor::launch() {
  close_run();
  UniqueFd page_fd;
  const Blob program = config_.blob(SupervisorText::kProgram);
  ErrorRecord error{};
  const auto fail = [&](Error why) {
    fill_record(error, Phase::kHost, kBeforeFirstStep, why);
    start_failed(error);
    return false;
  };
  if (Status ready = prepare_workplace(workplace_); !ready.ok()) return fail(ready.error());
  for (int attempt = 0;; ++attempt) {
    auto page = make_page(program.data, program.size, page_size_, page_fd);
    if (!page.ok()) return fail(page.error());
    page_ = page.value();
    HostMachine machine(
        config_.program(), page_, workplace_, page_fd.get(), init_fd_,
        {[](void* self) { return static_cast<Supervisor*>(self)->cancels_start(); }, this});
    starting_ = &machine;
    const bool ok = run_host(machine);
    starting_ = nullptr;
    pid_ = machine.pid;
    pidfd_ = static_cast<UniqueFd&&>(machine.pidfd);
    control_ = static_cast<UniqueFd&&>(machine.control);
    helper_ = static_cast<UniqueFd&&>(machine.helper);
    if (ok) {
      const auto take = [&machine, this](int which) {
        const int slot = config_.header().slots[which];
        if (slot < 0) return -1;
        const int fd = machine.slots[slot];
        machine.slots[slot] = -1;
        return fd;
      };
      input_.reset(take(0));
      outputs_[0].reset(take(1));
      outputs_[1].reset(take(2));
      oom_.reset(take(3));
      apply_limits();
      find_budget();
      return true;
    }
    end_helper(helper_);
    if (pidfd_.valid()) {
      kill_all();
      pollfd end{pidfd_.get(), POLLIN, 0};
      const timespec patience{30, 0};
      sys::call(__NR_ppoll, &end, 1, &patience, nullptr, 0);
      sys::call(__NR_waitid, P_PIDFD, pidfd_.get(), nullptr, WEXITED | WNOHANG | __WALL, nullptr);
    }
    error = read_error(page_);
    static_cast<void>(run_teardown(config_.teardown()));
    // Another engine, ending, took the cgroup that all containers share away between its making and
    // its use (lib/engine/engine.ts has the same for its own starts).
    const bool lost_parent = error.phase == static_cast<uint32_t>(Phase::kHost) &&
                             error.step < config_.program().count(Phase::kHost) &&
                             (error.number == ENOENT || error.number == ENODEV);
    const Op op = lost_parent ? config_.program().step(Phase::kHost, error.step).op : Op::kNone;
    const bool again = op == Op::kCgroupMake || op == Op::kCgroupWrite;
    if (!again || attempt == kLostParentRetries) break;
    close_run();
  }
  start_failed(error);
  return false;
}

// Who looks at the terminal still has the size of the run before.
void Supervisor::keep_size() const {
  if (size_.ws_col == 0) return;
  const Program& program = config_.program();
  for (size_t i = 0; i < program.count(Phase::kContainer); ++i) {
    Step& step = writable(program.step(Phase::kContainer, i));
    if (step.op == Op::kTtyOpen)
      step.number[0] = static_cast<uint64_t>(size_.ws_col) << 16 | size_.ws_row;
  }
}

// While a step of the host's phase waits: others are heard meanwhile.
bool Supervisor::cancels_start() {
  step();
  return cancelled_;
}

bool Supervisor::start() {
  began_ = sys::monotonic();
  deadlines_.clear(Deadline::kRestart);
  keep_size();
  if (!launch()) return false;
  state_.pid = pid_;
  read_start_time(pid_, state_.start_time);
  return true;
}

void Supervisor::close_run() {
  if (page_ != nullptr) sys::call(__NR_munmap, page_, page_size_);
  page_ = nullptr;
  pid_ = -1;
  pidfd_.reset();
  control_.reset();
  input_.reset();
  outputs_[0].reset();
  outputs_[1].reset();
  near_end_.reset();
  oom_.reset();
  executing_ = ended_ = input_full_ = cancelled_ = false;
  unsaved_ = {};
  oom_kills_ = 0;
  deadlines_.clear(Deadline::kKill);
  deadlines_.clear(Deadline::kLateOutput);
  deadlines_.clear(Deadline::kSlowClients);
}

// A client that has not taken what it got holds the container back, as a pipe would.
bool Supervisor::held_back() const {
  for (const Client& client : clients_)
    if (client.connected() && (client.attached & (kAttachOut | kAttachErr)) != 0 &&
        client.waiting())
      return true;
  return false;
}

// Its output is to be read: somebody takes it, and the container has processor time for that. What
// its end has left in the pipes is read anyway.
bool Supervisor::may_read() {
  return !held_back() && (ended_ || budget_.left(sys::monotonic()));
}

int Supervisor::timeout() {
  if (starting_ != nullptr) return 0;
  const bool reads = outputs_[0].valid() || outputs_[1].valid() || health_.reads();
  deadlines_.set(Deadline::kHealthCheck, health_.due());
  deadlines_.set(Deadline::kCpuBudget, !ended_ && reads ? budget_.again_at() : kNever);
  const bool held = held_back();
  const uint64_t next = deadlines_.next([&](Deadline which) {
    if (which == Deadline::kLateOutput) return !held;
    if (which == Deadline::kSlowClients) return held && stopping_;
    return true;
  });
  return poll_timeout(next, sys::monotonic());
}

void Supervisor::step() {
  // Only what is open: ppoll(2) refuses more entries than the limit on open files, which may be
  // low. The first stands for all that is not.
  pollfd polled[1 + 8 + Health::kPolled + kClients] = {{-1, 0, 0}};
  unsigned count = 1;
  const auto add = [&](int fd, short events) {
    if (fd < 0) return 0u;
    polled[count] = {fd, events, 0};
    return count++;
  };
  const unsigned at_listener = add(listener_.get(), POLLIN);
  const unsigned at_signals = add(signals_.get(), POLLIN);
  const unsigned at_control = add(control_.get(), POLLIN);
  const unsigned at_pidfd = add(ended_ ? -1 : pidfd_.get(), POLLIN);
  const bool held = held_back();
  const bool reading = may_read();
  unsigned at_output[2];
  for (unsigned i = 0; i < 2; ++i)
    at_output[i] = add(reading ? outputs_[i].get() : -1, POLLIN);
  // A terminal's input and output are one descriptor.
  const int input = config_.has(kSupervisorTerminal) ? outputs_[0].get() : input_.get();
  const unsigned at_input = add(input_full_ ? input : -1, POLLOUT);
  // v2's memory.events says when it changes (cgroup-v2.rst); v1's file says nothing, and is read at
  // the end.
  const unsigned at_oom = add(executing_ && !ended_ ? oom_.get() : -1, POLLPRI);
  pollfd health[Health::kPolled];
  health_.poll(health);
  unsigned at_health[Health::kPolled];
  for (unsigned i = 0; i < Health::kPolled; ++i)
    at_health[i] = add(health[i].fd, health[i].events);
  unsigned at_client[kClients];
  for (size_t i = 0; i < kClients; ++i) {
    const Client& client = clients_[i];
    Frame frame;
    const bool blocked = client.next(frame);  // it waits for room, or for the program
    const int events = (blocked ? 0 : POLLIN) | (client.waiting() ? POLLOUT : 0);
    // Who has gone is told whatever is asked for, and would be again and again: it has to matter.
    const bool watched = events != 0 || is_bound(client);
    at_client[i] =
        add(client.connected() && watched ? client.fd() : -1, static_cast<short>(events));
  }
  const int milliseconds = timeout();
  const timespec wait{milliseconds / 1000, milliseconds % 1000 * 1000000};
  const long ready =
      sys::call(__NR_ppoll, polled, count, milliseconds < 0 ? nullptr : &wait, nullptr, 0);
  if (ready < 0 && ready != -EINTR) sys::sleep(kMillisecond);  // out of memory, perhaps
  if (ready > 0) {
    if (polled[at_signals].revents != 0) {
      char info[128];  // struct signalfd_siginfo
      if (sys::call(__NR_read, signals_.get(), info, sizeof info) == sizeof info)
        stop(config_.header().stop_signal,
             config_.header().stop_timeout < 0 ? -1 : config_.header().stop_timeout * 1000);
    }
    if (polled[at_control].revents != 0) read_control();
    for (unsigned i = 0; i < 2; ++i)
      if (polled[at_output[i]].revents != 0) read_output(i);
    if (polled[at_input].revents != 0) input_full_ = false;
    for (size_t i = 0; i < kClients; ++i) {
      const short events = polled[at_client[i]].revents;
      Client& client = clients_[i];
      if (events == 0 || !client.connected()) continue;
      if (is_bound(client) && (events & (POLLHUP | POLLERR)) != 0) {
        drop(client);  // also when it left more input than the program reads
        continue;
      }
      if ((events & (POLLOUT | POLLHUP | POLLERR)) != 0) client.resume();
      if (client.connected() && (events & (POLLIN | POLLHUP | POLLERR)) != 0 && !client.receive())
        drop(client);
    }
    if (polled[at_oom].revents != 0) look_for_oom();
    if (polled[at_pidfd].revents != 0) child_ended();
    if (polled[at_listener].revents != 0) accept();
  }
  for (Client& client : clients_)
    if (client.connected()) serve(client);
  for (unsigned i = 0; i < Health::kPolled; ++i)
    health[i].revents = polled[at_health[i]].revents;
  if (const char* change = health_.step(health); change != nullptr) event(change);

  const uint64_t now = sys::monotonic();
  if (deadlines_.take_due(Deadline::kFlushLog, now)) {
    unfinished_since_ = kNever;
    log_.flush(false);
  }
  if (deadlines_.take_due(Deadline::kKill, now)) {
    event("kill", "\"signal\":\"9\"");
    kill_all();
  }
  if (ended_) {
    // Who wants it gone does not wait for those who look on.
    if (stopping_ && deadlines_.due(Deadline::kSlowClients, now))
      for (Client& client : clients_)
        if (client.connected() && client.attached != 0 && client.waiting()) drop(client);
    // Only the time counts in which what is there is read.
    if (held) deadlines_.set(Deadline::kLateOutput, now + kLateOutput);
    if (deadlines_.due(Deadline::kLateOutput, now))
      for (unsigned i = 0; i < 2; ++i)
        end_output(i);
    if (!outputs_[0].valid() && !outputs_[1].valid()) end_run();
  }
  if (deadlines_.due(Deadline::kRestart, now)) start();
}

void Supervisor::accept() {
  const long fd =
      sys::call(__NR_accept4, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (fd != -EAGAIN) sys::sleep(kMillisecond);  // no descriptor is left: the client still waits
    return;
  }
  for (Client& client : clients_)
    if (!client.connected()) {
      client.open(static_cast<int>(fd));
      return;
    }
  // However many wait for the end, the container can be stopped: one of them makes room, and comes
  // back.
  for (size_t tries = 0; tries < kClients; ++tries) {
    Client& client = clients_[makes_room_++ % kClients];
    Frame frame;
    if (client.asked || client.next(frame) || client.waiting() || is_bound(client)) continue;
    client.close();
    client.open(static_cast<int>(fd));
    return;
  }
  sys::close(static_cast<int>(fd));
}

// The terminal, or the end: the program was exec'ed, or will never be.
void Supervisor::read_control() {
  while (control_.valid()) {
    TerminalMessage message{};
    int fds[kMaxPassedFds];
    auto received = receive_message(control_.get(), &message, sizeof message, fds);
    const int error = received.error().number;
    if (error == EAGAIN) return;
    const Received& got = received.value();
    if (error == 0 && got.size == sizeof message && message.magic == kTerminalMagic &&
        got.fd_count == 2 && !outputs_[0].valid()) {
      outputs_[0].reset(fds[0]);
      near_end_.reset(fds[1]);
      // It may have changed since.
      if (size_.ws_col != 0) sys::call(__NR_ioctl, fds[0], TIOCSWINSZ, &size_);
      continue;
    }
    for (size_t i = 0; i < got.fd_count; ++i)
      sys::close(fds[i]);
    control_.reset();
    if (error != 0 && error != ECONNRESET) kill_all();  // its terminal is lost
    if (!executing_ && load_acquire(page_->failed) == 0 && load_acquire(page_->executing) != 0)
      started();
  }
}

void Supervisor::started() {
  executing_ = true;
  char before[kTimeSize];
  copy_text(before, state_.started_at);
  format_time(wall_time(), state_.started_at);
  state_.status = "running";
  state_.stopped = false;
  state_.exit_code = 0;
  state_.oom_killed = false;
  state_.error[0] = '\0';
  health_.begin(directory_.get(), pid_, state_.start_time);
  // What runs and is not known to would be started once more.
  if (Status saved = save(); !saved.ok()) {
    unsaved_ = saved.error();
    copy_text(state_.started_at, before);
    kill_all();
    return;
  }
  event("start");
  tell_all([this](Client& client) { client.send(Reply::kStarted, &pid_, sizeof pid_); });
}

void Supervisor::child_ended() {
  struct {
    int number, error, code, padding, pid, uid, status;
    int rest[32];
  } info{};
  const long waited =
      sys::call(__NR_waitid, P_PIDFD, pidfd_.get(), &info, WEXITED | WNOHANG | __WALL, nullptr);
  if (waited < 0 || info.pid == 0) return;
  ended_ = true;
  read_control();
  health_.end();
  control_.reset();
  near_end_.reset();
  const bool normal = info.code == CLD_EXITED;
  status_code_ = normal ? info.status : -1;
  status_signal_ = normal ? 0 : info.status;
  // What init saw of the main program is more precise than init's own exit code.
  if (Ending ending{}; read_outcome(page_, ending)) {
    status_code_ = ending.code;
    status_signal_ = ending.signal;
  }
  const uint64_t late = sys::monotonic() + kLateOutput;
  deadlines_.set(Deadline::kLateOutput, late);
  deadlines_.set(Deadline::kSlowClients, late);
}

void Supervisor::read_output(unsigned index) {
  static char bytes[32u << 10];
  UniqueFd& output = outputs_[index];
  const auto stream = static_cast<unsigned char>(index + 1);
  const uint8_t wanted = index == 0 ? kAttachOut : kAttachErr;
  // As much as a pipe holds, then others have their turn.
  for (int turn = 0; turn < 2 && output.valid() && may_read(); ++turn) {
    // A system call each, for those that have a limit only; in small pieces, so that it is kept to.
    const uint64_t before = budget_.limited() ? sys::processor_time() : 0;
    const size_t most = budget_.limited() ? kLimitedRead : sizeof bytes;
    const long size = sys::call(__NR_read, output.get(), bytes, most);
    if (size == -EAGAIN || size == -EINTR) break;
    if (size <= 0) {
      end_output(index);
      break;
    }
    // Whoever reads no output would not hear, behind it, that there is a program.
    if (!executing_) started();
    log_.write(static_cast<Stream>(index), bytes, static_cast<size_t>(size));
    for (Client& client : clients_)
      if (client.connected() && (client.attached & wanted) != 0)
        client.send(Reply::kOutput, &stream, 1, bytes, static_cast<size_t>(size));
    if (budget_.limited()) budget_.spend(sys::processor_time() - before);
  }
  if (log_.unfinished()) {
    const uint64_t now = sys::monotonic();
    if (unfinished_since_ == kNever) unfinished_since_ = now;
    const uint64_t idle = now + kIdle, latest = unfinished_since_ + kLatest;
    deadlines_.set(Deadline::kFlushLog, idle < latest ? idle : latest);
  } else {
    unfinished_since_ = kNever;
    deadlines_.clear(Deadline::kFlushLog);
  }
  if (log_.lost() != state_.log_lost) {
    state_.log_lost = log_.lost();
    if (!log_loss_told_) {
      log_loss_told_ = true;
      Text<64> why;
      why.add("\"errno\":\"").add(static_cast<uint64_t>(log_.lost_reason())).add("\"");
      event("log_lost", why.c_str());
      static_cast<void>(save());
    }
  }
}

// The container's limit of processor time, by what was written for it last.
void Supervisor::find_budget() {
  budget_.clear();
  const Program& program = config_.program();
  for (size_t i = 0; i < program.count(Phase::kHost); ++i) {
    const Step& step = program.step(Phase::kHost, i);
    if (step.op == Op::kCgroupWrite) budget_.note(program.text(step, 0), program.text(step, 1));
  }
  for (size_t at = 0; at < limits_size_;) {
    const char* path = limits_ + at;
    const char* value = path + length(path) + 1;
    budget_.note(path, value);
    at += length(path) + length(value) + 2;
  }
}

void Supervisor::end_output(unsigned index) {
  UniqueFd& output = outputs_[index];
  if (!output.valid()) return;
  output.reset();
  const auto stream = static_cast<unsigned char>(index + 1);
  const uint8_t wanted = index == 0 ? kAttachOut : kAttachErr;
  for (Client& client : clients_)
    if (client.connected() && (client.attached & wanted) != 0)
      client.send(Reply::kOutputEnd, &stream, 1);
}

// Reading it is also what makes the file silent until it changes again.
void Supervisor::look_for_oom() {
  const uint32_t kills = count_oom_kills(oom_.get());
  if (kills > oom_kills_) event("oom");
  oom_kills_ = kills;
}

// The container has ended and everything that it wrote is where it belongs.
void Supervisor::end_run() {
  static double all_timestamps[2 + 2 * kMaxHostSteps];
  const size_t size = timestamps(all_timestamps) * sizeof(double);
  log_.flush(true);
  unfinished_since_ = kNever;
  deadlines_.clear(Deadline::kFlushLog);
  const bool failed = load_acquire(page_->failed) != 0 || unsaved_.number != 0;
  ErrorRecord error = read_error(page_);
  if (unsaved_.number != 0) fill_record(error, Phase::kHost, kBeforeFirstStep, unsaved_);
  if (oom_.valid() && !failed) look_for_oom();
  const uint32_t oom_kills = oom_kills_;
  oom_.reset();
  const bool was_stopped = stopping_;
  end_helper(helper_);
  static_cast<void>(run_teardown(config_.teardown()));
  if (failed) {
    start_failed(error);
    return;
  }
  const int code = status_signal_ == 0 ? status_code_ : 128 + status_signal_;
  format_time(wall_time(), state_.finished_at);
  state_.pid = 0;
  state_.start_time[0] = '\0';
  state_.exit_code = code;
  state_.oom_killed = oom_kills > 0;
  state_.stopped = was_stopped;
  state_.log_lost = log_.lost();
  if (!executing_) copy_text(state_.error, "it ended before its program was started");
  Text<64> attributes;
  attributes.add("\"exitCode\":\"").add(static_cast<uint64_t>(code)).add("\"");
  event("die", attributes.c_str());

  const uint64_t now = sys::monotonic();
  const auto [again, pause] = decide_restart(restart_rule_, {.program_started = executing_,
                                                             .stop_requested = stopping_,
                                                             .exit_code = code,
                                                             .restart_count = state_.restart_count,
                                                             .duration = now - began_,
                                                             .pause_before = pause_});
  if (again) {
    pause_ = pause;
    deadlines_.set(Deadline::kRestart, now + pause);
    ++state_.restart_count;
    state_.status = "restarting";
    static_cast<void>(save());
  } else {
    leave("exited");
  }
  struct __attribute__((packed)) {
    int32_t code, signal;
    uint32_t oom_kills;
    uint8_t restarting;
  } exited{status_code_, status_signal_, oom_kills, again};
  tell_all([&](Client& client) {
    client.send(Reply::kExited, &exited, sizeof exited, all_timestamps, size);
    client.attached = 0;
  });
  close_run();
}

// Nothing is running, and this is why. At the first start the container stays as it was made.
void Supervisor::start_failed(const ErrorRecord& error) {
  static double all_timestamps[2 + 2 * kMaxHostSteps];
  const size_t size = timestamps(all_timestamps) * sizeof(double);
  state_.pid = 0;
  state_.start_time[0] = '\0';
  state_.exit_code = start_code(error);
  state_.stopped = stopping_;
  Text<sizeof state_.error> why;
  if (error.number == ECANCELED)
    why.add("it was killed before its program was started");
  else
    why.add(error.call)
        .add(" ")
        .add(error.object)
        .add(": errno ")
        .add(static_cast<uint64_t>(error.number));
  copy_text(state_.error, why.c_str());
  leave(state_.started_at[0] == '\0' ? "created" : "exited");
  tell_all([&](Client& client) {
    client.send(Reply::kFailed, &error, sizeof error, all_timestamps, size);
  });
  close_run();
}

// The last word on disk. Who connects from here on finds nobody, and reads that.
void Supervisor::leave(const char* status) {
  finished_ = true;
  listener_.reset();
  const char* id = config_.text(SupervisorText::kId);
  if (sockets_.valid()) sys::call(__NR_unlinkat, sockets_.get(), id, 0);
  state_.status = status;
  if (!config_.has(kSupervisorAutoRemove) || stays_) {
    state_.supervisor[0] = '\0';
    static_cast<void>(save());
    return;
  }
  // While it says that this supervisor lives, nobody else does the same
  // (lib/engine/container/recover.ts).
  state_.status = "removing";
  static_cast<void>(save());
  // Without it there is no container any more, for whoever looks while the rest goes
  // (Container.stored).
  sys::call(__NR_unlinkat, directory_.get(), "config.json", 0);
  // The name goes first, and only while it is this container's.
  Text<512> link;
  link.add(config_.text(SupervisorText::kNames)).add("/").add(name_);
  char target[80];
  const long size = sys::call(__NR_readlinkat, AT_FDCWD, link.c_str(), target, sizeof target - 1);
  if (!link.truncated() && size > 0) {
    target[size] = '\0';
    if (equal(target, id)) sys::call(__NR_unlinkat, AT_FDCWD, link.c_str(), 0);
  }
  static_cast<void>(remove_tree(config_.text(SupervisorText::kDirectory)));
  event("destroy");
}

void Supervisor::serve(Client& client) {
  Frame frame;
  while (client.connected() && client.next(frame)) {
    if (!handle(client, frame)) return;
    if (client.connected()) client.consume();
  }
  if (client.connected() && client.left()) drop(client);
}

// False when the frame has to wait.
bool Supervisor::handle(Client& client, const Frame& frame) {
  client.asked = true;
  switch (frame.type) {
    case Request::kAttach: {
      if (frame.size < 1) break;
      size_t others = 0;
      for (const Client& one : clients_)
        if (one.connected() && &one != &client && one.attached != 0) ++others;
      if (others >= kAttached) {
        drop(client);
        break;
      }
      client.attached = frame.payload[0] & (kAttachIn | kAttachOut | kAttachErr);
      const auto about = static_cast<unsigned char>((config_.has(kSupervisorOpenStdin) ? 1 : 0) |
                                                    (config_.has(kSupervisorTerminal) ? 2 : 0));
      client.send(Reply::kAttached, &about, 1);
      break;
    }
    case Request::kInput:
      return (client.attached & kAttachIn) == 0 || feed_input(client, frame);
    case Request::kInputEnd:
      if ((client.attached & kAttachIn) != 0 && config_.has(kSupervisorStdinOnce)) close_input();
      break;
    case Request::kResize:
      if (frame.size == 4) {
        size_.ws_col = static_cast<unsigned short>(load_half(frame.payload));
        size_.ws_row = static_cast<unsigned short>(load_half(frame.payload + 2));
        if (near_end_.valid()) sys::call(__NR_ioctl, outputs_[0].get(), TIOCSWINSZ, &size_);
      }
      break;
    case Request::kSignal:
      if (frame.size == 4) done(client, signal(load_int(frame.payload)));
      break;
    case Request::kStop:
      if (frame.size == 8) stop(load_int(frame.payload), load_int(frame.payload + 4));
      break;
    case Request::kPolicy:
      if (frame.size == 5 && frame.payload[0] < static_cast<uint8_t>(RestartPolicy::kCount)) {
        restart_rule_ = {static_cast<RestartPolicy>(frame.payload[0]), load_int(frame.payload + 1)};
        done(client, 0);
      }
      break;
    case Request::kRenamed:
      if (frame.size > 0 && frame.size < sizeof name_) {
        __builtin_memcpy(name_, frame.payload, frame.size);
        name_[frame.size] = '\0';
        done(client, 0);
      }
      break;
    case Request::kLimits:
      done(client, keep_limits(reinterpret_cast<const char*>(frame.payload), frame.size));
      break;
    case Request::kKeep:
      if (frame.size == 1) {
        stays_ = frame.payload[0] != 0;
        done(client, 0);
      }
      break;
    default:
      drop(client);  // it speaks another language
  }
  return true;
}

void Supervisor::done(Client& client, long result) {
  const int number = static_cast<int>(-result);
  client.send(Reply::kDone, &number, sizeof number);
}

bool Supervisor::feed_input(Client& client, const Frame& frame) {
  // Before the terminal is there, or the program, input waits; afterwards there is nobody to read
  // it.
  if (!executing_ && !ended_ && !finished_) return false;
  const bool terminal = config_.has(kSupervisorTerminal);
  while (client.input_done < frame.size) {
    const int fd = terminal ? (near_end_.valid() ? outputs_[0].get() : -1) : input_.get();
    if (fd < 0) break;
    if (input_full_) return false;
    const long written = sys::call(__NR_write, fd, frame.payload + client.input_done,
                                   frame.size - client.input_done);
    if (written == -EINTR) continue;
    if (written == -EAGAIN) {
      input_full_ = true;
      return false;
    }
    if (written <= 0) {  // nobody reads it any more
      if (!terminal) input_.reset();
      break;
    }
    client.input_done += static_cast<uint32_t>(written);
  }
  return true;
}

void Supervisor::close_input() {
  input_.reset();
  input_full_ = false;
}

void Supervisor::drop(Client& client) {
  // Docker's StdinOnce: the input ends with whoever gave it.
  if ((client.attached & kAttachIn) != 0 && config_.has(kSupervisorStdinOnce) &&
      !config_.has(kSupervisorTerminal))
    close_input();
  client.close();
  if (!is_bound(client)) return;
  bound_ = false;
  stopping_ = true;
  kill_all();
}

// 0 or a negated errno.
long Supervisor::signal(int number) {
  if (number < 1 || number > kMaxSignal) return -EINVAL;
  const bool meant_to_end = number == SIGKILL || number == config_.header().stop_signal;
  if (meant_to_end) stopping_ = true;
  if (deadlines_.is_set(Deadline::kRestart)) {
    if (!meant_to_end) return -ESRCH;
    deadlines_.clear(Deadline::kRestart);
    state_.stopped = true;
    leave("exited");
    return 0;
  }
  if (ended_ && number == SIGKILL) return 0;  // it is on its way
  const UniqueFd& first = starting_ != nullptr ? starting_->pidfd : pidfd_;
  if (!first.valid() || ended_) return -ESRCH;
  if (number == SIGKILL) {
    kill_all();
    return 0;
  }
  const long sent = sys::call(__NR_pidfd_send_signal, first.get(), number, nullptr, 0);
  if (meant_to_end) thaw(config_.teardown());
  return sent;
}

void Supervisor::stop(int number, int milliseconds) {
  if (number < 1 || number > kMaxSignal) number = config_.header().stop_signal;
  stopping_ = true;
  if (deadlines_.is_set(Deadline::kRestart)) {
    deadlines_.clear(Deadline::kRestart);
    state_.stopped = true;
    leave("exited");
    return;
  }
  // Before the program is there nothing is done about any signal but that.
  if (number == SIGKILL || starting_ != nullptr) {
    kill_all();
    return;
  }
  if (!pidfd_.valid() || ended_) return;
  sys::call(__NR_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
  thaw(config_.teardown());
  if (milliseconds >= 0)
    deadlines_.set(Deadline::kKill,
                   sys::monotonic() + static_cast<uint64_t>(milliseconds) * kMillisecond + 1);
}

// SIGKILL to the first process ends the pid namespace; what is frozen takes notice when thawed.
void Supervisor::kill_all() {
  if (starting_ != nullptr) cancelled_ = true;
  if (!pidfd_.valid() || ended_) return;
  health_.cancel();
  sys::call(__NR_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  kill_frozen(config_.teardown());
}

// A value replaces an older one of the same file.
long Supervisor::keep_limits(const char* texts, size_t size) {
  size_t count = 0;
  for (size_t i = 0; i < size; ++i)
    if (texts[i] == '\0') ++count;
  if (size == 0 || texts[size - 1] != '\0' || count % 2 != 0) return -EINVAL;
  for (size_t at = 0; at < size;) {
    const char* path = texts + at;
    const size_t path_size = length(path) + 1;
    const size_t pair = path_size + length(path + path_size) + 1;
    for (size_t old = 0; old < limits_size_;) {
      const size_t old_path = length(limits_ + old) + 1;
      const size_t old_pair = old_path + length(limits_ + old + old_path) + 1;
      if (!equal(limits_ + old, path)) {
        old += old_pair;
        continue;
      }
      for (size_t i = old + old_pair; i < limits_size_; ++i)
        limits_[i - old_pair] = limits_[i];
      limits_size_ -= old_pair;
    }
    if (pair > sizeof limits_ - limits_size_) return -E2BIG;
    __builtin_memcpy(limits_ + limits_size_, path, pair);
    limits_size_ += pair;
    at += pair;
  }
  find_budget();
  return 0;
}

// Twice: of two limits that depend on each other the first may fit only after the second.
void Supervisor::apply_limits() const {
  for (int round = 0; round < 2; ++round)
    for (size_t at = 0; at < limits_size_;) {
      const char* path = limits_ + at;
      const char* value = path + length(path) + 1;
      const UniqueFd file(
          static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC)));
      if (file.valid()) sys::call(__NR_write, file.get(), value, length(value));
      at = static_cast<size_t>(value - limits_) + length(value) + 1;
    }
}

Status Supervisor::save() {
  Status saved;
  if (directory_.valid()) saved = write_state(directory_.get(), state_);
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
  // What happened is told, also of a container with more labels than a line has room for.
  if (others[0] == '\0' || attributes.truncated()) named();
  append_event(config_.text(SupervisorText::kEvents), self_, action,
               config_.text(SupervisorText::kId), attributes.c_str(), more);
}

// [host start, host step ends …, container start, container step ends …]: how many.
size_t Supervisor::timestamps(double* to) const {
  if (page_ == nullptr) return 0;
  size_t at = 0;
  for (unsigned phase = 0; phase < 2; ++phase) {
    to[at++] = static_cast<double>(page_->start[phase]);
    const size_t count = config_.program().count(static_cast<Phase>(phase));
    for (size_t i = 0; i < count; ++i)
      to[at++] = static_cast<double>(page_->end[phase][i]);
  }
  return at;
}

template <class Send>
void Supervisor::tell_all(Send send) {
  for (Client& client : clients_)
    if (client.connected()) send(client);
}

}  // namespace caisson
