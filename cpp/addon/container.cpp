#include "container.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd_message.h"
#include "../program/control.h"

namespace caisson {
namespace {

// -1, for no slot, becomes a number that no program has.
std::vector<uint16_t> slot_list(const Napi::Value& value) {
  std::vector<uint16_t> slots;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i)
    slots.push_back(static_cast<uint16_t>(array.Get(i).As<Napi::Number>().Int32Value()));
  return slots;
}

ProgramBytes program_bytes(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  return ProgramBytes::copy(array.Data(), array.ByteLength());
}

Napi::Value number(Napi::Env env, Event event) {
  return Napi::Number::New(env, static_cast<double>(event));
}

}  // namespace

Container::Container(Environment& environment, std::shared_ptr<Launch> launch,
                     Napi::Function callback)
    : environment_(environment), launch_(std::move(launch)), callback_(Napi::Persistent(callback)) {
  exit_watch_.owner = control_watch_.owner = this;
  for (Reader& reader : readers_) {
    reader.watch.owner = this;
    reader.number = &reader == readers_ ? 1 : 2;
  }
  self_ = std::make_shared<Container*>(this);
  environment_.add(this);
}

Napi::Value Container::launch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::of(env);
  auto launch = std::make_shared<Launch>();
  launch->program = program_bytes(info[0]);
  launch->teardown = program_bytes(info[1]);
  launch->keep = slot_list(info[2]);
  launch->hold = slot_list(info[3]);
  auto* container = new Container(environment, launch, info[4].As<Napi::Function>());

  environment.begin_work();
  Launcher::instance().launch(launch, [inbox = environment.inbox(), container, launch] {
    const bool delivered = inbox->post([container] { container->launched(); });
    // The environment is gone, and the container object with it: end what was just started.
    if (!delivered && !launch->failed)
      Launcher::instance().tear_down(launch, [](TeardownOutcome) {});
  });

  auto handle = Napi::Object::New(env);
  auto self = container->self_;
  handle.Set(
      "kill", Napi::Function::New(env, [self](const Napi::CallbackInfo& call) -> Napi::Value {
        const int signal = call[0].As<Napi::Number>().Int32Value();
        return Napi::Number::New(
            call.Env(), static_cast<double>(*self == nullptr ? -ESRCH : (*self)->kill(signal)));
      }));
  for (const bool paused : {true, false})
    handle.Set(paused ? "pause" : "resume",
               Napi::Function::New(env, [self, paused](const Napi::CallbackInfo& call) {
                 const uint32_t stream = call[0].As<Napi::Number>().Uint32Value();
                 if (*self != nullptr) (*self)->set_paused(stream, paused);
               }));
  return handle;
}

void Container::emit(std::initializer_list<napi_value> arguments) {
  if (abandoned_) return;
  environment_.call(callback_, arguments);
}

// Back on the JavaScript thread: the host's half is done, or has failed and is undone.
void Container::launched() {
  environment_.end_work();
  const Napi::Env env = environment_.env();
  if (launch_->failed) {
    emit({number(env, Event::kFailed), error_value(env, launch_->error), stamps()});
    emit({number(env, Event::kGone), env.Null()});
    finish();
    return;
  }
  has_process_ = true;
  watch(exit_watch_, launch_->pidfd.get(),
        [](uv_poll_t* poll, int, int) { static_cast<Watch*>(poll->data)->owner->child_exited(); });
  watch(control_watch_, launch_->control.get(),
        [](uv_poll_t* poll, int, int) { static_cast<Watch*>(poll->data)->owner->read_control(); });
  // In the order of launch()'s `slots`; the descriptors change hands here.
  std::vector<int> kept;
  kept.swap(launch_->kept);
  kept.resize(4, -1);
  for (Reader& reader : readers_) {
    reader.fd.reset(kept[reader.number]);
    if (reader.fd.valid()) watch(reader.watch, reader.fd.get(), stream_readable);
  }
  oom_.reset(kept[3]);
  if (pending_signal_ != 0) kill(pending_signal_);
  emit({number(env, Event::kLaunched), Napi::Number::New(env, launch_->pid),
        Napi::Number::New(env, kept[0])});
}

void Container::stream_readable(uv_poll_t* poll, int, int) {
  Container* owner = static_cast<Watch*>(poll->data)->owner;
  const Napi::HandleScope scope(owner->environment_.env());
  owner->read_stream(owner->readers_[poll == &owner->readers_[0].watch.poll ? 0 : 1], false);
}

// Delivers what is there: up to a quarter of a megabyte before other work of the event loop has its
// turn, or everything once the container has ended.
void Container::read_stream(Reader& reader, bool to_the_end) {
  static thread_local char bytes[64 << 10];
  const Napi::Env env = environment_.env();
  for (int turn = 0; reader.fd.valid() && !reader.paused && (to_the_end || turn < 4); ++turn) {
    const long size = sys::call(__NR_read, reader.fd.get(), bytes, sizeof bytes);
    if (size == -EAGAIN || size == -EINTR) return;
    if (size <= 0) {
      end_stream(reader);
      return;
    }
    emit({number(env, Event::kData), Napi::Number::New(env, reader.number),
          Napi::Buffer<char>::Copy(env, bytes, static_cast<size_t>(size))});
  }
}

void Container::end_stream(Reader& reader) {
  const Napi::Env env = environment_.env();
  unwatch(reader.watch);
  reader.fd.reset();
  emit({number(env, Event::kEnd), Napi::Number::New(env, reader.number)});
  if (gone_) finish_when_read();
}

void Container::set_paused(uint32_t number, bool paused) {
  Reader& reader = readers_[number == 2 ? 1 : 0];
  if (!reader.fd.valid() || reader.paused == paused) return;
  reader.paused = paused;
  if (paused)
    uv_poll_stop(&reader.watch.poll);
  else
    uv_poll_start(&reader.watch.poll, UV_READABLE, stream_readable);
}

void Container::watch(Watch& watch, int fd, uv_poll_cb callback) {
  uv_poll_init(environment_.loop(), &watch.poll, fd);
  watch.poll.data = &watch;
  watch.open = true;
  ++handles_;
  environment_.handle_opened();
  uv_poll_start(&watch.poll, UV_READABLE, callback);
}

void Container::unwatch(Watch& watch) {
  if (!watch.open) return;
  watch.open = false;
  uv_close(reinterpret_cast<uv_handle_t*>(&watch.poll), [](uv_handle_t* handle) {
    Container* owner = static_cast<Watch*>(handle->data)->owner;
    Environment& environment = owner->environment_;
    if (--owner->handles_ == 0 && owner->finished_) delete owner;
    environment.handle_closed();
  });
}

// A terminal's descriptor, or the end: the program was exec'ed, or will never be.
void Container::read_control() {
  const Napi::Env env = environment_.env();
  const Napi::HandleScope scope(env);
  while (!control_ended_) {
    TerminalMessage message{};
    int fds[kMaxPassedFds];
    auto received = receive_message(launch_->control.get(), &message, sizeof message, fds);
    if (!received.ok() && received.error().number == EAGAIN) return;
    if (received.ok() && received.value().size == sizeof message &&
        message.magic == kTerminalMagic && received.value().fd_count == 1) {
      emit({number(env, Event::kTerminal), Napi::Number::New(env, fds[0])});
      continue;
    }
    if (received.ok())
      for (size_t i = 0; i < received.value().fd_count; ++i)
        sys::close(fds[i]);
    control_ended_ = true;
    unwatch(control_watch_);
    const Page* page = launch_->page;
    const auto* program = static_cast<const Header*>(program_of(page));
    const size_t last = program->steps[static_cast<size_t>(Half::kContainer)] - 1u;
    if (load_acquire(page->failed) == 0 && load_acquire(page->end[1][last]) != 0)
      emit({number(env, Event::kStarted)});
  }
}

void Container::child_exited() {
  siginfo_t info{};
  // Only looks: reaping the first process of a pid namespace takes the kernel most of a
  // millisecond, and is the undertaker's work.
  const long waited = sys::call(__NR_waitid, P_PIDFD, launch_->pidfd.get(), &info,
                                WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr);
  if (waited < 0 || info.si_pid == 0) return;
  unwatch(exit_watch_);
  exited_ = true;
  read_control();
  if (!control_ended_) {
    control_ended_ = true;
    unwatch(control_watch_);
  }
  const Napi::Env env = environment_.env();
  const Napi::HandleScope scope(env);
  // Whoever wrote is gone, so that what is in the pipes is all there will be.
  for (Reader& reader : readers_)
    read_stream(reader, true);
  const Page* page = launch_->page;
  if (load_acquire(page->failed) != 0) {
    emit({number(env, Event::kFailed), error_value(env, page->error), stamps()});
  } else {
    int code = info.si_code == CLD_EXITED ? info.si_status : -1;
    int signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    if (load_acquire(page->exited) != 0) {
      // What init saw of the main program is more precise than init's own exit code.
      const int status = static_cast<int>(page->status);
      code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    emit({number(env, Event::kExited), Napi::Number::New(env, code), Napi::Number::New(env, signal),
          Napi::Number::New(env, oom_kills()), stamps()});
  }
  tear_down();
}

// The count behind "oom_kill " in v1's memory.oom_control or v2's memory.events.
double Container::oom_kills() const {
  char text[512];
  if (!oom_.valid()) return 0;
  const ssize_t size = pread(oom_.get(), text, sizeof text - 1, 0);
  if (size <= 0) return 0;
  text[size] = '\0';
  for (const char* line = text; line != nullptr; line = strchr(line, '\n')) {
    if (*line == '\n') ++line;
    if (strncmp(line, "oom_kill ", 9) == 0) return strtod(line + 9, nullptr);
  }
  return 0;
}

void Container::tear_down() {
  oom_.reset();
  environment_.begin_work();
  Launcher::instance().tear_down(launch_,
                                 [inbox = environment_.inbox(), this](TeardownOutcome outcome) {
                                   inbox->post([this, outcome] { gone(outcome); });
                                 });
}

void Container::gone(const TeardownOutcome& outcome) {
  environment_.end_work();
  const Napi::Env env = environment_.env();
  emit({number(env, Event::kGone), outcome.failed ? error_value(env, outcome.error) : env.Null()});
  gone_ = true;
  finish_when_read();
}

// A slow reader may still have output to fetch when the container is long gone.
void Container::finish_when_read() {
  for (const Reader& reader : readers_)
    if (reader.fd.valid()) return;
  finish();
}

// Nothing more will happen to this container.
void Container::finish() {
  *self_ = nullptr;
  environment_.remove(this);
  launch_.reset();
  callback_.Reset();
  finished_ = true;
  if (handles_ == 0) delete this;
}

void Container::abandon() {
  abandoned_ = true;
  *self_ = nullptr;
  environment_.remove(this);
  callback_.SuppressDestruct();
  unwatch(exit_watch_);
  unwatch(control_watch_);
  for (Reader& reader : readers_)
    unwatch(reader.watch);
  // Without a process the launcher still has it, and will find nobody to deliver to.
  if (has_process_) Launcher::instance().tear_down(launch_, [](TeardownOutcome) {});
  finished_ = true;
  if (handles_ == 0) delete this;
}

long Container::kill(int signal) {
  if (!has_process_) {
    pending_signal_ = signal;
    return 0;
  }
  if (exited_) return -ESRCH;
  return sys::call(__NR_pidfd_send_signal, launch_->pidfd.get(), signal, nullptr, 0);
}

Napi::Value error_value(Napi::Env env, const ErrorRecord& error) {
  auto value = Napi::Object::New(env);
  value.Set("half", Napi::Number::New(env, error.half));
  value.Set("step", Napi::Number::New(env, error.step));
  value.Set("errno", Napi::Number::New(env, error.number));
  // The record comes from memory that a child could write: bounded reads only.
  value.Set("call", Napi::String::New(env, error.call, strnlen(error.call, sizeof error.call)));
  value.Set("object",
            Napi::String::New(env, error.object, strnlen(error.object, sizeof error.object)));
  return value;
}

// [host start, host step ends …, container start, container step ends …] in nanoseconds.
Napi::Value Container::stamps() const {
  const Napi::Env env = environment_.env();
  const Page* page = launch_->page;
  if (page == nullptr) return env.Null();
  const auto* program = static_cast<const Header*>(program_of(page));
  const size_t host = program->steps[0], inside = program->steps[1];
  auto array = Napi::Float64Array::New(env, host + inside + 2);
  size_t at = 0;
  for (const auto& [half, count] : {std::pair<size_t, size_t>{0, host}, {1, inside}}) {
    array[at++] = static_cast<double>(page->start[half]);
    for (size_t i = 0; i < count; ++i)
      array[at++] = static_cast<double>(page->end[half][i]);
  }
  return array;
}

}  // namespace caisson
