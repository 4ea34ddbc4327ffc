#include "container.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "../base/fd_message.h"
#include "../program/control.h"
#include "../steps/teardown.h"

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

constexpr int kUnknownExit = 255;

}  // namespace

Container::Container(Environment& environment, std::shared_ptr<Launch> launch,
                     Napi::Function callback)
    : environment_(environment), launch_(std::move(launch)), callback_(Napi::Persistent(callback)) {
  exit_watch_.owner = control_watch_.owner = this;
  for (Reader& reader : readers_) {
    reader.watch.owner = this;
    reader.number = &reader == readers_ ? 1 : 2;
  }
  token_ = environment_.add(this);
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
    // When the environment is gone, so is the container object: end what was just started.
    const auto otherwise = [launch] {
      if (!launch->failed) Launcher::instance().tear_down(launch, [](TeardownOutcome) {});
    };
    inbox->post([container] { container->launched(); }, otherwise);
  });

  return Napi::Number::New(env, container->token_);
}

Napi::Value Container::kill_by_token(const Napi::CallbackInfo& info) {
  Container* container = find(info);
  const int signal = info[1].As<Napi::Number>().Int32Value();
  return Napi::Number::New(
      info.Env(), static_cast<double>(container == nullptr ? -ESRCH : container->kill(signal)));
}

Napi::Value Container::pause_by_token(const Napi::CallbackInfo& info) {
  if (Container* container = find(info))
    container->set_paused(info[1].As<Napi::Number>().Uint32Value(), true);
  return info.Env().Undefined();
}

Napi::Value Container::resume_by_token(const Napi::CallbackInfo& info) {
  if (Container* container = find(info))
    container->set_paused(info[1].As<Napi::Number>().Uint32Value(), false);
  return info.Env().Undefined();
}

Napi::Value Container::write_by_token(const Napi::CallbackInfo& info) {
  const Container* container = find(info);
  const auto bytes = info[1].As<Napi::Uint8Array>();
  long written = -EIO;
  if (container != nullptr && container->near_end_.valid())
    written =
        sys::call(__NR_write, container->readers_[0].fd.get(), bytes.Data(), bytes.ByteLength());
  return Napi::Number::New(info.Env(), static_cast<double>(written));
}

Napi::Value Container::resize_by_token(const Napi::CallbackInfo& info) {
  const Container* container = find(info);
  winsize size{};
  size.ws_col = static_cast<unsigned short>(info[1].As<Napi::Number>().Uint32Value());
  size.ws_row = static_cast<unsigned short>(info[2].As<Napi::Number>().Uint32Value());
  long result = -EIO;
  if (container != nullptr && container->near_end_.valid())
    result = sys::call(__NR_ioctl, container->readers_[0].fd.get(), TIOCSWINSZ, &size);
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

Container* Container::find(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).find(info[0].As<Napi::Number>().Uint32Value());
}

// `arguments` makes what follows the event's number.
template <class Arguments>
void Container::emit(Event event, Arguments arguments) {
  if (abandoned_ || !environment_.usable()) return;
  const Napi::Env env = environment_.env();
  const Napi::HandleScope scope(env);
  std::vector<napi_value> all{Napi::Number::New(env, static_cast<double>(event))};
  const std::vector<napi_value> more = arguments(env);
  all.insert(all.end(), more.begin(), more.end());
  environment_.call(callback_, all);
}

// Back on the JavaScript thread: the host's half is done, or has failed and is undone.
void Container::launched() {
  environment_.end_work();
  if (launch_->failed) {
    emit_failure(launch_->error);
    emit(Event::kGone, [](Napi::Env env) { return std::vector<napi_value>{env.Null()}; });
    finish();
    return;
  }
  has_process_ = true;
  // In the order of launch()'s `slots`; the descriptors change hands here, stdin's with the event.
  std::vector<int>& kept = launch_->kept;
  kept.resize(4, -1);
  int error = watch(exit_watch_, launch_->pidfd.get(), [](uv_poll_t* poll, int, int) {
    static_cast<Watch*>(poll->data)->owner->child_exited();
  });
  if (error == 0)
    error = watch(control_watch_, launch_->control.get(), [](uv_poll_t* poll, int, int) {
      static_cast<Watch*>(poll->data)->owner->read_control();
    });
  for (Reader& reader : readers_) {
    if (error != 0 || kept[reader.number] < 0) continue;
    reader.fd.reset(std::exchange(kept[reader.number], -1));
    error = watch(reader.watch, reader.fd.get(), stream_readable);
  }
  if (error != 0) {
    cannot_watch(error);
    return;
  }
  oom_.reset(std::exchange(kept[3], -1));
  if (pending_signal_ != 0) kill(pending_signal_);
  if (kept[0] < 0) return;
  emit(Event::kInput, [&kept](Napi::Env env) {
    return std::vector<napi_value>{Napi::Number::New(env, std::exchange(kept[0], -1))};
  });
}

// Without eyes on it there is no use in the container.
void Container::cannot_watch(int error) {
  unwatch(exit_watch_);
  unwatch(control_watch_);
  exited_ = control_ended_ = true;
  for (Reader& reader : readers_)
    if (reader.fd.valid()) end_stream(reader);
  launch_->fail(Half::kHost, kBeforeFirstStep, Error{-error, "epoll_ctl"});
  emit_failure(launch_->error);
  tear_down();
}

void Container::stream_readable(uv_poll_t* poll, int, int) {
  Container* owner = static_cast<Watch*>(poll->data)->owner;
  owner->read_stream(owner->readers_[poll == &owner->readers_[0].watch.poll ? 0 : 1], false);
}

// Delivers what is there: up to a quarter of a megabyte before other work of the event loop has its
// turn, or everything once the container has ended.
void Container::read_stream(Reader& reader, bool to_the_end) {
  static thread_local char bytes[64 << 10];
  for (int turn = 0; reader.fd.valid() && !reader.paused && (to_the_end || turn < 4); ++turn) {
    const long size = sys::call(__NR_read, reader.fd.get(), bytes, sizeof bytes);
    if (size == -EAGAIN || size == -EINTR) return;
    if (size <= 0) {
      end_stream(reader);
      return;
    }
    emit(Event::kData, [&reader, size](Napi::Env env) {
      return std::vector<napi_value>{
          Napi::Number::New(env, reader.number),
          Napi::Buffer<char>::Copy(env, bytes, static_cast<size_t>(size))};
    });
  }
}

void Container::end_stream(Reader& reader) {
  unwatch(reader.watch);
  reader.fd.reset();
  emit(Event::kEnd, [&reader](Napi::Env env) {
    return std::vector<napi_value>{Napi::Number::New(env, reader.number)};
  });
  if (gone_) finish_when_read();
}

// What the killed program has forked lives on in the container, and may hold the streams for ever:
// what is in the pipe now is the last that is delivered, whether somebody is reading or not.
void Container::cut_short() {
  static constexpr int kTurns = 4;  // a megabyte: no pipe is larger unless root has made it so
  for (Reader& reader : readers_) {
    reader.paused = false;
    for (int turn = 0; reader.fd.valid() && turn < kTurns; ++turn)
      read_stream(reader, false);
    if (reader.fd.valid()) end_stream(reader);
  }
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

// 0 or a negated errno.
int Container::watch(Watch& watch, int fd, uv_poll_cb callback) {
  if (const int error = uv_poll_init(environment_.loop(), &watch.poll, fd); error != 0)
    return error;
  watch.poll.data = &watch;
  watch.open = true;
  ++handles_;
  environment_.handle_opened();
  return uv_poll_start(&watch.poll, UV_READABLE, callback);
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

// A terminal, or the end: the program was exec'ed, or will never be.
void Container::read_control() {
  while (!control_ended_) {
    TerminalMessage message{};
    int fds[kMaxPassedFds];
    auto received = receive_message(launch_->control.get(), &message, sizeof message, fds);
    const int error = received.error().number;
    if (error == EAGAIN) return;
    const Received& got = received.value();
    Reader& screen = readers_[0];
    if (error == 0 && got.size == sizeof message && message.magic == kTerminalMagic &&
        got.fd_count == 2 && !screen.fd.valid() && environment_.usable()) {
      screen.fd.reset(fds[0]);
      near_end_.reset(fds[1]);
      if (const int failed = watch(screen.watch, fds[0], stream_readable); failed != 0) {
        end_stream(screen);
        launch_->fail(Half::kHost, kBeforeFirstStep, Error{-failed, "epoll_ctl"});
        kill(SIGKILL);
        continue;
      }
      emit(Event::kTerminal, [](Napi::Env) { return std::vector<napi_value>{}; });
      continue;
    }
    for (size_t i = 0; i < got.fd_count; ++i)
      sys::close(fds[i]);
    control_ended_ = true;
    unwatch(control_watch_);
    // ECONNRESET: it ended with something unread. Else, as with EMFILE, its terminal is lost.
    if (error != 0 && error != ECONNRESET) {
      launch_->fail(Half::kHost, kBeforeFirstStep, received.error());
      kill(SIGKILL);
      return;
    }
    const Page* page = launch_->page;
    if (load_acquire(page->failed) == 0 && load_acquire(page->executing) != 0)
      emit(Event::kStarted, [](Napi::Env) { return std::vector<napi_value>{}; });
    else
      return;
    if (launch_->detached) leave();
  }
}

// It is on its own from here on.
void Container::leave() {
  unwatch(exit_watch_);
  exited_ = ending_ = true;
  emit(Event::kExited, [this](Napi::Env env) {
    return std::vector<napi_value>{Napi::Number::New(env, 0), Napi::Number::New(env, 0),
                                   Napi::Number::New(env, 0), stamps(env)};
  });
  oom_.reset();
  environment_.begin_work();
  Launcher::instance().leave(
      launch_, [inbox = environment_.inbox(), this] { inbox->post([this] { gone({}); }); });
}

void Container::child_exited() {
  siginfo_t info{};
  // Only looks: reaping the first process of a pid namespace takes the kernel most of a
  // millisecond, and is the undertaker's work.
  const long waited = sys::call(__NR_waitid, P_PIDFD, launch_->pidfd.get(), &info,
                                WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr);
  // ECHILD: somebody else in this process has reaped it, and took its status along.
  const bool stolen = waited == -ECHILD;
  if (!stolen && (waited < 0 || info.si_pid == 0)) return;
  unwatch(exit_watch_);
  exited_ = true;
  read_control();
  if (ending_) return;
  if (!control_ended_) {
    control_ended_ = true;
    unwatch(control_watch_);
  }
  // Whoever wrote is gone, so that what is in the pipes, or on the terminal, is all there will be.
  near_end_.reset();
  for (Reader& reader : readers_)
    read_stream(reader, true);
  if (launch_->joined && killed_) cut_short();
  const Page* page = launch_->page;
  if (launch_->failed) {
    emit_failure(launch_->error);
  } else if (load_acquire(page->failed) != 0) {
    emit_failure(page->error);
  } else {
    int code = info.si_code == CLD_EXITED ? info.si_status : -1;
    int signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    if (stolen) code = kUnknownExit;
    if (load_acquire(page->exited) != 0) {
      // What init saw of the main program is more precise than init's own exit code.
      const int status = static_cast<int>(page->status);
      code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    emit(Event::kExited, [&](Napi::Env env) {
      return std::vector<napi_value>{
          Napi::Number::New(env, code), Napi::Number::New(env, signal),
          Napi::Number::New(env, oom_.valid() ? count_oom_kills(oom_.get()) : 0), stamps(env)};
    });
  }
  tear_down();
}

void Container::emit_failure(const ErrorRecord& error) {
  emit(Event::kFailed, [this, &error](Napi::Env env) {
    return std::vector<napi_value>{error_value(env, error), stamps(env)};
  });
}

void Container::tear_down() {
  oom_.reset();
  ending_ = true;
  environment_.begin_work();
  Launcher::instance().tear_down(launch_,
                                 [inbox = environment_.inbox(), this](TeardownOutcome outcome) {
                                   inbox->post([this, outcome] { gone(outcome); });
                                 });
}

void Container::gone(const TeardownOutcome& outcome) {
  environment_.end_work();
  emit(Event::kGone, [&outcome](Napi::Env env) {
    return std::vector<napi_value>{outcome.failed ? error_value(env, outcome.error) : env.Null()};
  });
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
  environment_.remove(token_);
  launch_.reset();
  callback_.Reset();
  finished_ = true;
  if (handles_ == 0) delete this;
}

void Container::abandon() {
  abandoned_ = true;
  environment_.remove(token_);
  callback_.SuppressDestruct();
  unwatch(exit_watch_);
  unwatch(control_watch_);
  for (Reader& reader : readers_)
    unwatch(reader.watch);
  // Without a process the launcher still has it, and will find nobody to deliver to. Later, the
  // undertaker has it.
  if (has_process_ && !ending_) Launcher::instance().tear_down(launch_, [](TeardownOutcome) {});
  finished_ = true;
  if (handles_ == 0) delete this;
}

long Container::kill(int signal) {
  if (!has_process_) {
    if (pending_signal_ != SIGKILL) pending_signal_ = signal;
    return 0;
  }
  if (exited_) {
    // Not at once: JavaScript, which is calling, does not expect to be called.
    if (launch_->joined && signal == SIGKILL)
      environment_.inbox()->post([&environment = environment_, token = token_] {
        if (Container* container = environment.find(token)) container->cut_short();
      });
    return -ESRCH;
  }
  const long sent = sys::call(__NR_pidfd_send_signal, launch_->pidfd.get(), signal, nullptr, 0);
  if (signal == SIGKILL) killed_ = true;
  if (sent == 0 && signal == SIGKILL) Launcher::instance().kill(launch_);
  return sent;
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
Napi::Value Container::stamps(Napi::Env env) const {
  const Page* page = launch_->page;
  if (page == nullptr) return env.Null();
  // By the program as it was sent: the one in the page is within reach of the container's init.
  const Header& header = launch_->header();
  const size_t host = header.steps[0], inside = header.steps[1];
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
