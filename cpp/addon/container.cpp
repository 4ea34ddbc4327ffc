#include "container.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "../base/fd_message.h"
#include "../base/kernel.h"
#include "../base/pipe_size.h"
#include "../program/control.h"
#include "../steps/cgroups.h"
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

std::optional<ProgramTemplate> program_template(const Napi::Value& program,
                                                const Napi::Value& places) {
  const auto bytes = program.As<Napi::Uint8Array>();
  const auto numbers = places.As<Napi::Uint32Array>();
  return ProgramTemplate::make({bytes.Data(), bytes.ByteLength()},
                               {numbers.Data(), numbers.ElementLength()});
}

// False for what is no long id.
bool read_identity(const Napi::Value& id, const Napi::Value& base, Identity& identity) {
  char text[sizeof identity.id + 2];  // one more, to see what is too long
  size_t length = 0;
  napi_get_value_string_latin1(id.Env(), id, text, sizeof text, &length);
  std::copy_n(text, identity.id.size(), identity.id.begin());
  identity.base = base.As<Napi::Number>().Uint32Value();
  return length == identity.id.size();
}

// None where there is no such argument.
std::span<const uint8_t> optional_bytes(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

using Recipe = std::shared_ptr<const LaunchTemplate>;

Napi::Value refuse(Napi::Env env, const char* why) {
  Napi::TypeError::New(env, why).ThrowAsJavaScriptException();
  return env.Undefined();
}

// Of one writev(2).
constexpr size_t kMostParts = 64;
// Of stdin that was full. What waits in it, the one that writes it takes for done.
constexpr int kLargeInput = 256 << 10;
constexpr int kUnknownExit = 255;
// Bytes that JavaScript gets at a time, and before other work of the event loop has its turn.
constexpr size_t kPart = 256u << 10, kAtOnce = 4 * kPart, kToTheEnd = ~size_t{0};

}  // namespace

Container::Container(Environment& environment, std::shared_ptr<Launch> launch,
                     Napi::Function callback)
    : environment_(environment), launch_(std::move(launch)), callback_(Napi::Persistent(callback)) {
  for (Reader& reader : readers_)
    reader.number = &reader == readers_ ? 1 : 2;
}

Napi::Value make_template(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto program = program_template(info[0], info[1]);
  auto teardown = program_template(info[2], info[3]);
  if (!program || !teardown) return refuse(env, "template: a place outside the program");
  auto* const recipe = new Recipe(std::make_shared<LaunchTemplate>(LaunchTemplate{
      std::move(*program), std::move(*teardown), slot_list(info[4]), slot_list(info[5])}));
  return Napi::External<Recipe>::New(env, recipe, [](Napi::Env, Recipe* done) { delete done; });
}

Napi::Value instantiate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto program = program_template(info[0], info[1]);
  Identity identity;
  if (!program || !read_identity(info[2], info[3], identity))
    return refuse(env, "instantiate: no template, or no long id");
  const ProgramBytes instantiated = program->instantiate(identity, optional_bytes(info[4]));
  return Napi::Buffer<uint8_t>::Copy(env, static_cast<const uint8_t*>(instantiated.data()),
                                     instantiated.size);
}

Napi::Value Container::launch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::of(env);
  auto launch = std::make_shared<Launch>();
  launch->recipe = *info[0].As<Napi::External<Recipe>>().Data();
  if (!read_identity(info[1], info[2], launch->identity)) return refuse(env, "launch: no long id");
  const std::span<const uint8_t> command = optional_bytes(info[5]);
  launch->command.assign(command.begin(), command.end());
  const std::shared_ptr<Container> container(
      new Container(environment, launch, info[4].As<Napi::Function>()));
  container->start_wanted_ = container->awaited_ = info[3].As<Napi::Boolean>().Value();
  const uint32_t token = container->token_ = environment.add(container);

  // Until it is gone.
  environment.begin_work();
  const auto failed = [inbox = environment.inbox(), &environment, token] {
    inbox->post([&environment, token] { environment.find(token)->launch_failed(); });
  };
  if (const int error = environment.open_poller(); error != 0) {
    launch->fail(Phase::kHost, kBeforeFirstStep, Error{-error, "epoll_create1"});
    failed();
    return Napi::Number::New(env, token);
  }
  Launcher::instance().launch(
      launch, [failed, inbox = environment.inbox(), container = container.get(), launch, token] {
        if (launch->failed) return failed();
        // When the environment is gone, so is the container object: end what was just started.
        if (!inbox->locked([&] { container->launched(*inbox); }))
          Launcher::instance().tear_down(launch, [](TeardownOutcome) {});
      });

  return Napi::Number::New(env, token);
}

// For what answers 0 or a negated errno.
template <class Call>
Napi::Value Container::ask(const Napi::CallbackInfo& info, Call call) {
  const auto container = find(info);
  const long answer = container == nullptr ? -ESRCH : call(*container);
  return Napi::Number::New(info.Env(), static_cast<double>(answer));
}

Napi::Value Container::kill_by_token(const Napi::CallbackInfo& info) {
  const int signal = info[1].As<Napi::Number>().Int32Value();
  return ask(info, [signal](Container& container) { return container.kill(signal); });
}

Napi::Value Container::leave_by_token(const Napi::CallbackInfo& info) {
  return ask(info, [](Container& container) { return container.leave_to_keeper(); });
}

Napi::Value Container::go_on_by_token(const Napi::CallbackInfo& info) {
  return ask(info, [](Container& container) { return container.go_on(); });
}

Napi::Value Container::watch_start_by_token(const Napi::CallbackInfo& info) {
  if (const auto container = find(info)) container->watch_start();
  return info.Env().Undefined();
}

Napi::Value Container::pause_by_token(const Napi::CallbackInfo& info) {
  if (const auto container = find(info))
    container->set_paused(info[1].As<Napi::Number>().Uint32Value(), true);
  return info.Env().Undefined();
}

Napi::Value Container::resume_by_token(const Napi::CallbackInfo& info) {
  if (const auto container = find(info))
    container->set_paused(info[1].As<Napi::Number>().Uint32Value(), false);
  return info.Env().Undefined();
}

Napi::Value Container::pass_on_by_token(const Napi::CallbackInfo& info) {
  if (const auto container = find(info))
    container->reader(info[1].As<Napi::Number>().Uint32Value()).slab.pass_on();
  return info.Env().Undefined();
}

Napi::Value Container::write_by_token(const Napi::CallbackInfo& info) {
  const auto container = find(info);
  const auto list = info[1].As<Napi::Array>();
  std::array<iovec, kMostParts> parts{};
  const size_t count = std::min<size_t>(list.Length(), parts.size());
  for (uint32_t i = 0; i < count; ++i) {
    auto bytes = list.Get(i).As<Napi::Uint8Array>();
    parts[i] = {bytes.Data(), bytes.ByteLength()};
  }
  const long written =
      container == nullptr ? -EPIPE : container->write(std::span(parts).first(count));
  return Napi::Number::New(info.Env(), static_cast<double>(written));
}

Napi::Value Container::end_input_by_token(const Napi::CallbackInfo& info) {
  if (const auto container = find(info)) container->end_input();
  return info.Env().Undefined();
}

Napi::Value Container::resize_by_token(const Napi::CallbackInfo& info) {
  const auto container = find(info);
  winsize size{};
  size.ws_col = static_cast<unsigned short>(info[1].As<Napi::Number>().Uint32Value());
  size.ws_row = static_cast<unsigned short>(info[2].As<Napi::Number>().Uint32Value());
  long result = -EIO;
  if (container != nullptr && container->near_end_.valid())
    result = sys::call(__NR_ioctl, container->readers_[0].fd.get(), TIOCSWINSZ, &size);
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

std::shared_ptr<Container> Container::find(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).find(info[0].As<Napi::Number>().Uint32Value());
}

// `arguments` makes what follows the event's number: an array of napi_value.
template <class Arguments>
void Container::emit(Event event, Arguments arguments) {
  if (abandoned_ || !environment_.usable()) return;
  const Napi::Env env = environment_.env();
  const Napi::HandleScope scope(env);
  const auto more = arguments(env);
  std::array<napi_value, more.size() + 1> all{Napi::Number::New(env, static_cast<double>(event))};
  std::copy(more.begin(), more.end(), all.begin() + 1);
  environment_.call(callback_, all);
}

// Nothing was started, or it has been torn down.
void Container::launch_failed() {
  if (launch_->cancelled && launch_->error.number == ECANCELED) {
    // As if it had been killed a moment later.
    emit_exit(-1, SIGKILL, readers_[0].number | readers_[1].number);
  } else {
    emit_failure(launch_->error);
  }
  emit(Event::kGone, [](Napi::Env) { return std::array<napi_value, 0>{}; });
  finish();
}

// On the launcher's thread, with the inbox locked. JavaScript is woken only if there is something
// for it to do: most often the next that it wants to hear of is the exit.
void Container::launched(Environment::Inbox& inbox) {
  launched_ = true;
  // In the order of make_template()'s `slots`.
  std::vector<int>& kept = launch_->kept;
  kept.resize(6, -1);
  watch_error_ = inbox.watch_locked(token_, Source::kExit, launch_->pidfd.get());
  for (const Reader& reader : readers_)
    if (watch_error_ == 0 && kept[reader.number] >= 0)
      watch_error_ = inbox.watch_locked(token_, reader.source(), kept[reader.number]);
  const bool waits = launch_->later.count > 0;
  if (watch_error_ == 0 && kept[0] < 0 && !awaited_ && !launch_->detached && !waits) return;
  inbox.post_locked([&environment = environment_, token = token_] {
    if (const auto container = environment.find(token)) container->see_launched();
  });
}

// On the JavaScript thread, like all that follows.
void Container::see_launched() {
  if (watch_error_ != 0) return cannot_watch(watch_error_);
  if (!has_process() || exited_) return;
  if (input_.valid()) emit(Event::kInput, [](Napi::Env) { return std::array<napi_value, 0>{}; });
  if (launch_->later.count > 0)
    emit(Event::kWaiting, [this](Napi::Env env) {
      return std::array<napi_value, 1>{Napi::Number::New(env, launch_->pid)};
    });
}

// What it has waited for is done. 0 or a negated errno.
long Container::go_on() {
  std::vector<int> fds;
  for (const UniqueFd& fd : launch_->later_fds)
    fds.push_back(fd.get());
  if (!has_process() || exited_ || fds.empty()) return -ESRCH;
  const Status sent = send_release(launch_->control.get(), launch_->later, fds.data());
  launch_->later_fds.clear();
  return sent.ok() ? 0 : -sent.error().number;
}

// Takes the process over from the launcher, as soon as there is one; until then, asks to be woken.
bool Container::has_process() {
  if (has_process_) return true;
  bool there = false;
  environment_.inbox()->locked([this, &there] {
    there = launched_;
    awaited_ = true;
  });
  if (!there || watch_error_ != 0) return false;
  has_process_ = true;
  std::vector<int>& kept = launch_->kept;
  for (Reader& reader : readers_) {
    reader.fd.reset(std::exchange(kept[reader.number], -1));
    reader.inside.reset(std::exchange(kept[reader.number + 3], -1));
    reader.watched = reader.fd.valid();
    if (reader.followed) reader.inside.reset();
    if (reader.paused) unwatch(reader);
  }
  input_.reset(std::exchange(kept[0], -1));
  oom_.reset(std::exchange(kept[3], -1));
  if (pending_signal_ != 0) kill(pending_signal_);
  if (start_wanted_ || launch_->detached) watch_start();
  return true;
}

// Without eyes on it there is no use in the container.
void Container::cannot_watch(int error) {
  has_process_ = true;
  environment_.unwatch(launch_->pidfd.get());
  exited_ = control_ended_ = true;
  for (Reader& reader : readers_)
    end_stream(reader);
  launch_->fail(Phase::kHost, kBeforeFirstStep, Error{-error, "epoll_ctl"});
  emit_failure(launch_->error);
  tear_down(Wake::kNow);
}

void Container::ready(Source source) {
  if (!has_process()) return;
  switch (source) {
    case Source::kExit:
      if (!exited_) child_exited();
      break;
    case Source::kControl:
      read_control();
      break;
    case Source::kStdout:
      read_stream(readers_[0]);
      break;
    case Source::kStderr:
      read_stream(readers_[1]);
      break;
    case Source::kInput:
      input_writable();
      break;
  }
}

int Container::watch(Reader& reader) {
  const int error = environment_.watch(token_, reader.source(), reader.fd.get());
  reader.watched = error == 0;
  return error;
}

void Container::unwatch(Reader& reader) {
  if (reader.watched) environment_.unwatch(reader.fd.get());
  reader.watched = false;
}

// Delivers what is there, up to about so many bytes; true when there is nothing left to come.
bool Container::deliver(Reader& reader, size_t most) {
  const Napi::Env env = environment_.env();
  for (size_t done = 0; reader.fd.valid() && !reader.paused && done < most;) {
    const Napi::HandleScope scope(env);
    std::span<char> room = reader.slab.room(env);
    room = room.first(std::min(room.size(), kPart));
    const long size = read_from(reader, room);
    if (size == -EAGAIN || size == -EINTR) return false;
    if (size <= 0) return true;
    const auto got = static_cast<size_t>(size);
    done += got;
    // The program has had to wait, and would have to again.
    if (got >= size_t{kUsualPipe} && !std::exchange(reader.large, true))
      enlarge_pipe(reader.fd.get(), kLargePipe);
    Slab::Part part{};
    if (!reader.slab.take(env, room.first(got), part)) continue;
    emit(Event::kData, [&reader, &part](Napi::Env in) {
      return std::array<napi_value, 4>{Napi::Number::New(in, reader.number), part.block,
                                       Napi::Number::New(in, static_cast<double>(part.from)),
                                       Napi::Number::New(in, static_cast<double>(part.to))};
    });
    // That was all, most likely; if not, the poller says so. At the exit it is looked for the end.
    if (got < room.size() && !exited_) return false;
  }
  return false;
}

long Container::read_from(Reader& reader, std::span<char> room) {
  SidePipe& side = environment_.side_pipe();
  if (reader.large && side.open()) return side.read(reader.fd.get(), room);
  return sys::call(__NR_read, reader.fd.get(), room.data(), room.size());
}

// How many bytes the terminal or stdin has taken, or a negated errno. When stdin is full, kWritable
// follows.
long Container::write(std::span<const iovec> parts) {
  const auto write_to = [&parts](int fd) {
    return sys::call(__NR_writev, fd, parts.data(), parts.size());
  };
  if (near_end_.valid()) return write_to(readers_[0].fd.get());
  if (!input_.valid()) return -EPIPE;
  long written = write_to(input_.get());
  if (written == -EAGAIN && !std::exchange(input_large_, true)) {
    enlarge_pipe(input_.get(), kLargeInput);
    written = write_to(input_.get());
  }
  if (written == -EAGAIN && !input_watched_) {
    input_watched_ = environment_.watch(token_, Source::kInput, input_.get(), EPOLLOUT) == 0;
    if (!input_watched_) kill(SIGKILL);  // as when its output cannot be watched
  }
  return written;
}

// It takes more, or nobody reads it any more.
void Container::input_writable() {
  unwatch_input();
  emit(Event::kWritable, [](Napi::Env) { return std::array<napi_value, 0>{}; });
}

void Container::unwatch_input() {
  if (input_watched_) environment_.unwatch(input_.get());
  input_watched_ = false;
}

void Container::end_input() {
  unwatch_input();
  input_.reset();
}

void Container::read_stream(Reader& reader) {
  if (deliver(reader, kAtOnce)) end_stream(reader);
}

void Container::end_stream(Reader& reader) {
  unwatch(reader);
  reader.fd.reset();
  reader.inside.reset();
  emit(Event::kEnd, [&reader](Napi::Env env) {
    return std::array<napi_value, 1>{Napi::Number::New(env, reader.number)};
  });
  if (gone_) finish_when_read();
}

// What the killed program has forked lives on in the container, and may hold the streams for ever:
// what is in the pipe now is the last that is delivered, whether somebody is reading or not.
void Container::cut_short() {
  for (Reader& reader : readers_) {
    for (int left = kLargestPipe; reader.fd.valid() && left > 0; left -= kUsualPipe) {
      reader.paused = false;
      if (deliver(reader, 1)) break;
    }
    if (reader.fd.valid()) end_stream(reader);
  }
}

// The process is gone: true when there is nothing left to come.
bool Container::deliver_last(Reader& reader) {
  // What others in the container go on writing is no reason to keep the event loop from its work.
  return deliver(reader, launch_->joined ? kAtOnce : kToTheEnd);
}

void Container::set_paused(uint32_t number, bool paused) {
  Reader& reader = this->reader(number);
  reader.paused = paused;
  reader.followed = true;
  reader.inside.reset();
  if (!has_process() || !reader.fd.valid()) return;
  if (paused)
    unwatch(reader);
  else if (!reader.watched && watch(reader) != 0)
    kill(SIGKILL);  // as when it cannot be watched from the beginning
}

void Container::watch_start() {
  start_wanted_ = true;
  if (!has_process() || control_ended_ || control_watched_) return;
  control_watched_ = environment_.watch(token_, Source::kControl, launch_->control.get()) == 0;
  if (!control_watched_) kill(SIGKILL);
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
      if (const int failed = screen.paused ? 0 : watch(screen); failed != 0) {
        end_stream(screen);
        launch_->fail(Phase::kHost, kBeforeFirstStep, Error{-failed, "epoll_ctl"});
        kill(SIGKILL);
        continue;
      }
      emit(Event::kTerminal, [](Napi::Env) { return std::array<napi_value, 0>{}; });
      continue;
    }
    for (size_t i = 0; i < got.fd_count; ++i)
      sys::close(fds[i]);
    control_ended_ = true;
    environment_.unwatch(launch_->control.get());
    // ECONNRESET: it ended with something unread. Else, as with EMFILE, its terminal is lost.
    if (error != 0 && error != ECONNRESET) {
      launch_->fail(Phase::kHost, kBeforeFirstStep, received.error());
      kill(SIGKILL);
      return;
    }
    const Page* page = launch_->page;
    if (load_acquire(page->failed) == 0 && load_acquire(page->executing) != 0)
      emit(Event::kStarted, [this](Napi::Env env) {
        return std::array<napi_value, 1>{Napi::Number::New(env, launch_->pid)};
      });
    else
      return;
    if (launch_->detached) leave();
  }
}

// Its exec supervisor has it from here on, with its terminal, if it has been exec'ed.
long Container::leave_to_keeper() {
  if (!has_process() || exited_ || !control_ended_ || !launch_->life.valid()) return -ESRCH;
  if (!readers_[0].fd.valid() || !near_end_.valid()) return -ESRCH;
  const LeaveMessage message{kLeaveMagic};
  const int terminal[] = {readers_[0].fd.get(), near_end_.get()};
  const Status sent =
      send_message(launch_->life.get(), &message, sizeof message, terminal, std::size(terminal));
  if (!sent.ok()) return -sent.error().number;
  // Not at once: JavaScript, which is calling, does not expect to be called.
  environment_.inbox()->post([&environment = environment_, token = token_] {
    const auto container = environment.find(token);
    if (container == nullptr || container->exited_) return;
    container->near_end_.reset();
    container->end_stream(container->readers_[0]);
    container->leave();
  });
  return 0;
}

// It is on its own from here on.
void Container::leave() {
  environment_.unwatch(launch_->pidfd.get());
  exited_ = ending_ = true;
  oom_.reset();
  emit_exit(-1, 0, kExecuted);
  Launcher::instance().leave(
      launch_, [inbox = environment_.inbox(), &environment = environment_, token = token_] {
        inbox->post([&environment, token] { environment.find(token)->gone(); });
      });
}

void Container::child_exited() {
  siginfo_t info{};
  // Only looks: reaping the first process of a pid namespace takes the kernel most of a
  // millisecond, and is the teardown thread's work.
  const long waited = sys::call(__NR_waitid, P_PIDFD, launch_->pidfd.get(), &info,
                                WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr);
  // ECHILD: somebody else in this process has reaped it, and took its status along.
  const bool stolen = waited == -ECHILD;
  if (!stolen && (waited < 0 || info.si_pid == 0)) return;
  environment_.unwatch(launch_->pidfd.get());
  exited_ = true;
  if (start_wanted_) read_control();
  if (ending_) return;
  if (!control_ended_) {
    control_ended_ = true;
    if (control_watched_) environment_.unwatch(launch_->control.get());
  }
  // Whoever wrote is gone, so that what is in the pipes, or on the terminal, is all there will be.
  const bool terminal = near_end_.valid();
  near_end_.reset();
  unsigned ended = 0;
  for (Reader& reader : readers_) {
    reader.inside.reset();
    if (!deliver_last(reader)) continue;
    unwatch(reader);
    let_go(reader.fd);
    ended |= reader.number;
  }
  // A shell's background jobs may keep its terminal: with the shell the terminal ends, as for
  // Docker, and they are hung up.
  if (launch_->joined && (killed_ || terminal)) cut_short();
  const Page* page = launch_->page;
  // Without its exec supervisor nobody would know of its end.
  if (launch_->program_pidfd.valid() && load_acquire(page->outcome.exited) == 0)
    sys::call(__NR_pidfd_send_signal, launch_->receiver(), SIGKILL, nullptr, 0);
  bool told = false;
  if (launch_->failed) {
    emit_failure(launch_->error);
  } else if (load_acquire(page->failed) != 0) {
    emit_failure(read_error(page));
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
    if (told) ended |= kExecuted;
    emit_exit(code, signal, ended);
  }
  // Whoever has killed it may be waiting until nothing is left.
  tear_down(told && !killed_ ? Wake::kSoon : Wake::kNow);
}

void Container::emit_exit(int code, int signal, unsigned bits) {
  emit(Event::kExited, [&](Napi::Env env) {
    const Environment::Numbers timestamps = write_timestamps();
    return std::array<napi_value, 6>{
        Napi::Number::New(env, code),
        Napi::Number::New(env, signal),
        Napi::Number::New(env, oom_.valid() ? count_oom_kills(oom_.get()) : 0),
        Napi::Number::New(env, bits),
        timestamps.array,
        timestamps.first};
  });
}

void Container::emit_failure(const ErrorRecord& error) {
  emit(Event::kFailed,
       [&error](Napi::Env env) { return std::array<napi_value, 1>{error_value(env, error)}; });
}

// For the teardown thread to close: to unmake a pipe takes longer than to hand it over.
void Container::let_go(UniqueFd& fd) {
  if (fd.valid()) launch_->held.push_back(std::move(fd));
}

void Container::tear_down(Wake wake) {
  let_go(oom_);
  end_input();
  ending_ = true;
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
  emit(Event::kGone, [](Napi::Env) { return std::array<napi_value, 0>{}; });
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
  environment_.end_work();
  launch_.reset();
  callback_.Reset();
  for (Reader& reader : readers_)
    reader.slab.release();
  environment_.remove(token_);
}

void Container::abandon() {
  abandoned_ = true;
  callback_.SuppressDestruct();
  for (Reader& reader : readers_)
    reader.slab.abandon();
  launch_->cancelled = true;
  // Before that the launcher has it, and will find nobody to hand it to. Later, the teardown thread
  // has.
  if (launched_ && !ending_) {
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
  if (exited_) {
    // Not at once: JavaScript, which is calling, does not expect to be called.
    if (launch_->joined && signal == SIGKILL)
      environment_.inbox()->post([&environment = environment_, token = token_] {
        if (const auto container = environment.find(token)) container->cut_short();
      });
    return -ESRCH;
  }
  const long sent = sys::call(__NR_pidfd_send_signal, launch_->receiver(), signal, nullptr, 0);
  if (signal == SIGKILL) killed_ = true;
  if (sent == 0 && signal == SIGKILL) Launcher::instance().kill(launch_);
  return sent;
}

Napi::Value error_value(Napi::Env env, const ErrorRecord& error) {
  auto value = Napi::Object::New(env);
  value.Set("phase", Napi::Number::New(env, error.phase));
  value.Set("step", Napi::Number::New(env, error.step));
  value.Set("errno", Napi::Number::New(env, error.number));
  // The record comes from memory that a child could write: bounded reads only.
  value.Set("call", Napi::String::New(env, error.call, strnlen(error.call, sizeof error.call)));
  value.Set("object",
            Napi::String::New(env, error.object, strnlen(error.object, sizeof error.object)));
  return value;
}

// The program was exec'ed: the last step has ended. Of what has died before, the answer follows
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
  for (const size_t phase : {0, 1}) {
    *at++ = static_cast<double>(page->start[phase]);
    for (size_t i = 0; i < counts[phase]; ++i)
      *at++ = static_cast<double>(page->end[phase][i]);
  }
  return numbers;
}

}  // namespace caisson
