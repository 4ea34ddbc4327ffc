#include "health.h"

#include "../base/kernel.h"
#include "../steps/teardown.h"
#include "check_program.h"
#include "child_process.h"

namespace caisson {
namespace {

constexpr int kUnknown = -1;  // the exit code of a check that gave none, as in Docker
constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kNone = 0;

uint64_t nanoseconds(uint32_t milliseconds) {
  return uint64_t{milliseconds} * kMillisecond;
}

// Formats a time as Go prints a time.Duration: 150ms, 1.5s, 2m0s.
template <size_t N>
void add_duration(Text<N>& to, uint32_t milliseconds) {
  if (milliseconds < 1000) {
    to.add(uint64_t{milliseconds}).add("ms");
    return;
  }
  const uint64_t hours = milliseconds / 3600000, minutes = milliseconds / 60000 % 60;
  if (hours > 0) to.add(hours).add("h");
  if (hours > 0 || minutes > 0) to.add(minutes).add("m");
  to.add(uint64_t{milliseconds / 1000 % 60});
  if (uint64_t rest = milliseconds % 1000; rest > 0) {
    to.add(rest < 10 ? ".00" : rest < 100 ? ".0" : ".");
    while (rest % 10 == 0)
      rest /= 10;
    to.add(rest);
  }
  to.add("s");
}

const char* text_of(int error) {
  switch (error) {
    case ENOENT:
      return "no such file or directory";
    case ESRCH:
      return "no such process";
    case ENOEXEC:
      return "exec format error";
    case EAGAIN:
      return "resource temporarily unavailable";
    case ENOMEM:
      return "cannot allocate memory";
    case EACCES:
      return "permission denied";
    default:
      return nullptr;
  }
}

}  // namespace

void Health::begin(int directory, int pid, const char* start_time) {
  if (!config_.has_check()) return;
  directory_ = directory;
  target_ = pid;
  copy_text(target_start_, start_time);
  status_ = HealthStatus::kStarting;
  streak_ = 0;
  first_ = count_ = 0;
  cancelled_ = false;
  began_ = sys::monotonic();
  at_ = began_ + interval(began_);
  static_cast<void>(write_health(directory_, status_, streak_, nullptr, 0));
}

void Health::cancel() {
  cancelled_ = true;
  at_ = kNone;
}

void Health::end() {
  cancel();
  if (!pidfd_.valid()) return;
  kill();
  // It has already ended with its pid namespace.
  await_end(pidfd_.get(), 1);
  close_check();
}

void Health::poll(pollfd* to) const {
  to[0] = {pidfd_.get(), POLLIN, 0};
  const bool left = reads() && budget_.left(sys::monotonic());
  for (unsigned i = 0; i < 2; ++i)
    to[1 + i] = {left ? outputs_[i].get() : -1, POLLIN, 0};
}

const char* Health::step(const pollfd* polled) {
  const uint64_t now = sys::monotonic();
  const bool late = at_ != kNone && now >= at_;
  if (!pidfd_.valid()) {
    if (!late) return nullptr;
    // In a paused container a check would be frozen with the other processes.
    if (is_frozen(config_.teardown())) {
      at_ = now + interval(now);
      return nullptr;
    }
    return launch() ? nullptr : finish();
  }
  for (unsigned i = 0; i < 2; ++i)
    if (polled[1 + i].revents != 0) read(i);
  if (polled[0].revents != 0) return reap();
  if (!late) return nullptr;
  const uint32_t limit = config_.header().check_timeout;
  // The container was paused meanwhile: the check was frozen, and SIGKILL has no effect until
  // thawed.
  if (is_frozen(config_.teardown())) {
    at_ = now + nanoseconds(limit);
    return nullptr;
  }
  Text<64> note;
  note.add("Health check exceeded timeout (");
  add_duration(note, limit);
  note.add(")");
  copy_text(current().note, note.c_str());
  kill();
  return nullptr;
}

// False when the check could not be started; its note has the reason. A check that was cloned and
// then failed to start is waited for like any other.
bool Health::launch() {
  CheckResult& result = current();
  result.note[0] = '\0';
  result.size = 0;
  result.more = false;
  result.exit_code = kUnknown;
  format_time(wall_time(), result.start);
  check_began_ = sys::monotonic();
  killed_ = false;
  at_ = check_began_ + nanoseconds(config_.header().check_timeout);

  ErrorRecord error{};
  const auto fail = [&](Error why) {
    fill_record(error, Phase::kHost, 0, why);
    refuse(error);
    return false;
  };
  if (Status ready = prepare_workplace(workplace_); !ready.ok()) return fail(ready.error());
  CheckProgram check;
  if (Status prepared = check.prepare(config_.blob(SupervisorText::kCheck),
                                      config_.text(SupervisorText::kId), target_, target_start_);
      !prepared.ok())
    return fail(prepared.error());
  UniqueFd page_fd;
  const Blob bytes = check.bytes();
  if (Status made = page_.make(bytes, page_fd); !made.ok()) return fail(made.error());
  HostMachine machine(check.program(), page_.get(), workplace_, page_fd.get(), init_fd_);
  const bool ok = run_host(machine);
  pid_ = machine.pid;
  pidfd_ = static_cast<UniqueFd&&>(machine.pidfd);
  control_ = static_cast<UniqueFd&&>(machine.control);
  if (ok) {
    for (unsigned i = 0; i < 2; ++i) {
      int& slot = machine.slots[config_.header().check_slots[i]];
      outputs_[i].reset(slot);
      slot = -1;
    }
    return true;
  }
  refuse(read_error(page_.get()));
  if (!pidfd_.valid()) return false;
  kill();
  return true;
}

void Health::refuse(const ErrorRecord& error) {
  Text<sizeof CheckResult::note> note;
  note.add("cannot start the check: ").add(error.call);
  if (error.object[0] != '\0') note.add(" ").add(error.object);
  note.add(": ");
  if (const char* known = text_of(error.number); known != nullptr)
    note.add(known);
  else
    note.add("errno ").add(static_cast<uint64_t>(error.number));
  copy_text(current().note, note.c_str());
}

// Output beyond the limit is read too, and dropped: a full pipe would hold the check back.
void Health::read(unsigned index) {
  CheckResult& result = current();
  const uint64_t before = budget_.limited() ? sys::processor_time() : 0;
  char bytes[4096];
  for (int turn = 0; turn < 16 && outputs_[index].valid(); ++turn) {
    const long got = sys::call(__NR_read, outputs_[index].get(), bytes, sizeof bytes);
    if (got == -EAGAIN || got == -EINTR) break;
    if (got <= 0) {
      outputs_[index].reset();
      break;
    }
    const auto size = static_cast<uint32_t>(got);
    const uint32_t room = kMaxCheckOutput - result.size;
    const uint32_t kept = size < room ? size : room;
    __builtin_memcpy(result.output + result.size, bytes, kept);
    result.size += kept;
    if (kept < size) result.more = true;
  }
  if (budget_.limited()) budget_.spend(sys::processor_time() - before);
}

const char* Health::reap() {
  Ending ending{};
  if (!caisson::reap(pidfd_.get(), ending)) return nullptr;
  // Processes that the check has forked may keep its output open; it is not waited for.
  read(0);
  read(1);
  CheckResult& result = current();
  const bool normal = ending.signal == 0;
  const bool failed = load_acquire(page_->failed) != 0;
  const bool executing = load_acquire(page_->executing) != 0;
  if (failed && !killed_) refuse(read_error(page_.get()));
  if (!failed && !killed_ && executing) result.exit_code = exit_code_of(ending);
  // A check that ended with its container has not failed.
  const bool lost = !normal || failed || !executing;
  if (cancelled_ || (lost && is_ending(target_))) {
    close_check();
    cancel();
    return nullptr;
  }
  if (!executing && result.note[0] == '\0')
    copy_text(result.note, "it ended before its program was started");
  return finish();
}

const char* Health::finish() {
  close_check();
  if (cancelled_ || (current().exit_code == kUnknown && is_ending(target_))) {
    cancel();
    return nullptr;
  }
  format_time(wall_time(), current().end);
  const bool healthy = current().exit_code == 0;
  if (count_ == kMaxCheckResults)
    first_ = (first_ + 1) % kResults;
  else
    ++count_;

  const HealthStatus before = status_;
  if (healthy) {
    streak_ = 0;
    status_ = HealthStatus::kHealthy;
  } else if (counts(check_began_) && ++streak_ >= config_.header().check_retries) {
    status_ = HealthStatus::kUnhealthy;
  }
  const uint64_t now = sys::monotonic();
  at_ = now + interval(now);
  const CheckResult* results[kMaxCheckResults];
  for (unsigned i = 0; i < count_; ++i)
    results[i] = &results_[(first_ + i) % kResults];
  static_cast<void>(write_health(directory_, status_, streak_, results, count_));
  if (status_ == before) return nullptr;
  return healthy ? "health_status: healthy" : "health_status: unhealthy";
}

// The check leads a process group (session.new), which mostly has all that it started: the group
// gets SIGKILL. Its number is not used again before the check is reaped.
void Health::kill() {
  killed_ = true;
  at_ = kNone;
  if (pid_ > 1) sys::call(__NR_kill, -pid_, SIGKILL);
  sys::call(__NR_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

void Health::close_check() {
  page_.reset();
  pid_ = -1;
  pidfd_.reset();
  control_.reset();
  outputs_[0].reset();
  outputs_[1].reset();
}

// Failures during the start period do not count until a check has succeeded.
bool Health::counts(uint64_t started) const {
  return status_ != HealthStatus::kStarting ||
         started - began_ >= nanoseconds(config_.header().check_start_period);
}

// The time from the end of one check to the next.
uint64_t Health::interval(uint64_t now) const {
  return nanoseconds(counts(now) ? config_.header().check_interval
                                 : config_.header().check_start_interval);
}

}  // namespace caisson
