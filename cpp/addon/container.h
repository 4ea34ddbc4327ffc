// One container as JavaScript sees it: started by a launcher thread, watched by the event loop,
// torn down by the teardown thread.
#pragma once

#include <napi.h>
#include <sys/uio.h>

#include <memory>
#include <span>

#include "../launcher/launcher.h"
#include "environment.h"
#include "slab.h"

namespace caisson {

// The first argument of the callback; lib/native/binding.ts is its twin.
enum class Event : uint32_t {
  kInput,     // stdin is a pipe, and can be written to
  kFailed,    // error record
  kTerminal,  // it can be written to, and have its size changed; what it shows is stdout
  kStarted,   // pid: the program has been exec'ed; only when somebody waits for it, or it is
              // detached
  kExited,    // exit code or -1, signal or 0, OOM kills, bits (kExecuted, and of the streams that
              // ended with it: 1 stdout, 2 stderr), an array, and where in it the timestamps begin;
              // of what goes on alone -1 and 0, right after kStarted when it was started detached
  kGone,      // everything is torn down; a moment later, where nobody can be waiting for it
  kData,      // 1 or 2 (stdout, stderr), a Buffer, and from where to where in it the bytes lie
  kEnd,       // 1 or 2: everything that was written has been delivered
  kWaiting,   // pid: it goes on when `goOn` is called
  kWritable,  // stdin takes more
};

// Among the bits of kExited.
constexpr unsigned kExecuted = 4;

// template(program, places, teardown, places, slots, hold) → what launch() takes, with the slots of
// stdin, stdout, stderr, the file that counts OOM kills, and the container's ends of stdout and
// stderr, -1 where there is none
Napi::Value make_template(const Napi::CallbackInfo& info);
// instantiate(program, places, id, base, command) → a copy for that one
Napi::Value instantiate(const Napi::CallbackInfo& info);

// { phase, step, errno, call, object }
Napi::Value error_value(Napi::Env env, const ErrorRecord& error);

class Container {
 public:
  // JS: launch(template, id, base or 0, watch start, callback) → token. The token is what the
  // others want; once the container is gone they do nothing.
  static Napi::Value launch(const Napi::CallbackInfo& info);
  // kill(token, signal) → 0 or a negated errno
  static Napi::Value kill_by_token(const Napi::CallbackInfo& info);
  // leave(token) → 0 or a negated errno: what was started with an exec supervisor, and has a
  // terminal, goes on alone; `kExited` follows as of a detached one
  static Napi::Value leave_by_token(const Napi::CallbackInfo& info);
  // goOn(token) → 0 or a negated errno: after `kWaiting`
  static Napi::Value go_on_by_token(const Napi::CallbackInfo& info);
  // watchStart(token): `kTerminal` and `kStarted` are told from now on
  static Napi::Value watch_start_by_token(const Napi::CallbackInfo& info);
  // pause(token, stream), resume(token, stream): 1 is stdout, 2 stderr
  static Napi::Value pause_by_token(const Napi::CallbackInfo& info);
  static Napi::Value resume_by_token(const Napi::CallbackInfo& info);
  // passOn(token, stream): what comes from now on is not captured
  static Napi::Value pass_on_by_token(const Napi::CallbackInfo& info);
  // write(token, parts) → how many bytes stdin or the terminal has taken, or a negated errno; after
  // -EAGAIN of stdin, kWritable follows
  static Napi::Value write_by_token(const Napi::CallbackInfo& info);
  // endInput(token): nothing more is written to stdin
  static Napi::Value end_input_by_token(const Napi::CallbackInfo& info);
  // resize(token, columns, rows) → 0 or a negated errno
  static Napi::Value resize_by_token(const Napi::CallbackInfo& info);

  // Something of it is readable.
  void ready(Source source);
  // The environment is closing: end the process, forget JavaScript.
  void abandon();

 private:
  // Node's end of the container's stdout or stderr, or of its terminal. Read here and not by a
  // stream of Node's own, whose making and unmaking costs the JavaScript thread more than all the
  // rest of a start.
  struct Reader {
    UniqueFd fd;
    // The container's end of the pipe. While it is open here the pipe has no end, which would wake
    // the JavaScript thread a moment before the exit does.
    UniqueFd inside;
    Slab slab;
    unsigned number = 0;  // 1 or 2
    bool watched = false;
    bool paused = false;
    // Somebody reads it as a stream, and learns of its end at once; otherwise with the exit.
    bool followed = false;
    // It has been full once.
    bool large = false;

    Source source() const { return number == 1 ? Source::kStdout : Source::kStderr; }
  };

  Container(Environment& environment, std::shared_ptr<Launch> launch, Napi::Function callback);

  static std::shared_ptr<Container> find(const Napi::CallbackInfo& info);
  template <class Call>
  static Napi::Value ask(const Napi::CallbackInfo& info, Call call);
  void launch_failed();
  void launched(Environment::Inbox& inbox);
  void see_launched();
  bool has_process();
  void cannot_watch(int error);
  void watch_start();
  void read_control();
  void child_exited();
  Reader& reader(uint32_t number) { return readers_[number == 2 ? 1 : 0]; }
  int watch(Reader& reader);
  void unwatch(Reader& reader);
  bool deliver(Reader& reader, size_t most);
  long read_from(Reader& reader, std::span<char> room);
  void read_stream(Reader& reader);
  void end_stream(Reader& reader);
  bool deliver_last(Reader& reader);
  void cut_short();
  long write(std::span<const iovec> parts);
  void input_writable();
  void unwatch_input();
  void end_input();
  void set_paused(uint32_t number, bool paused);
  template <class Arguments>
  void emit(Event event, Arguments arguments);
  void emit_exit(int code, int signal, unsigned bits);
  void emit_failure(const ErrorRecord& error);
  void let_go(UniqueFd& fd);
  void tear_down(Wake wake);
  long leave_to_keeper();
  long go_on();
  void leave();
  void gone();
  void finish_when_read();
  void finish();
  long kill(int signal);
  bool executed() const;
  Environment::Numbers write_timestamps();

  Environment& environment_;
  std::shared_ptr<Launch> launch_;
  Napi::FunctionReference callback_;
  UniqueFd oom_;
  UniqueFd input_;
  bool input_watched_ = false;
  // It has been full once.
  bool input_large_ = false;
  Reader readers_[2];
  // The terminal's near end: without it a program that closes the last of its own would take the
  // terminal away from everybody else. Empty once the container has ended, or without a terminal.
  UniqueFd near_end_;
  // Of these the inbox's lock is the key.
  bool launched_ = false;  // there is a process
  bool awaited_ = false;   // and something to be done with it at once
  int watch_error_ = 0;

  bool has_process_ = false;  // taken over
  bool exited_ = false;
  bool ending_ = false;
  bool start_wanted_ = false;
  bool control_watched_ = false;
  bool killed_ = false;
  bool control_ended_ = false;
  bool abandoned_ = false;
  bool gone_ = false;
  int pending_signal_ = 0;
  uint32_t token_ = 0;
};

}  // namespace caisson
