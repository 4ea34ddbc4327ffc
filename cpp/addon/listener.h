// What JavaScript is told of one container: a callback that gets an event's number and its values.
#pragma once

#include <napi.h>

#include <array>

#include "../program/page.h"
#include "environment.h"
#include "slab.h"

namespace caisson {

// The first argument of the callback; lib/native/events.ts decodes the others.
enum class Event : uint32_t {
  kInput,     // stdin is a pipe, and can be written to
  kFailed,    // error record
  kTerminal,  // it can be written to and resized; what it shows is stdout
  kStarted,   // pid: the program has been exec'ed; only after `watchStart`, or when it is detached
  kExited,    // code or -1, signal or 0, OOM kills, bits (kExecuted, kNamesRefused, and the numbers
              // of the streams that have ended with it), an array, and where in it the timestamps
              // begin; of a program that goes on alone -1 and 0
  kGone,      // everything is torn down; told a moment later where it cannot be waited for
  kData,      // 1 or 2 (stdout, stderr), a Buffer, and where in it the bytes begin and end
  kEnd,       // 1 or 2: everything that was written has been delivered
  kWaiting,   // pid: it goes on when `goOn` is called
  kWritable,  // stdin, which was full, takes more
};

// Among the bits of kExited: the program was exec'ed.
constexpr unsigned kExecuted = 4;
// The resolver has refused it a name, or it is not known whether it has.
constexpr unsigned kNamesRefused = 8;

// { phase, step, errno, call, object }
Napi::Value error_value(Napi::Env env, const ErrorRecord& error);

class Listener {
 public:
  Listener(Environment& environment, Napi::Function callback)
      : environment_(environment), callback_(Napi::Persistent(callback)) {}

  // False when the environment is closing: nothing is told any more.
  bool listens() { return !abandoned_ && environment_.usable(); }

  void input() { emit(Event::kInput); }
  void failed(const ErrorRecord& error);
  void terminal() { emit(Event::kTerminal); }
  void started(int pid) { emit_number(Event::kStarted, pid); }
  struct Exit {
    int code;    // or -1
    int signal;  // or 0
    uint32_t oom_kills;
    unsigned bits;
  };
  void exited(const Exit& exit, const Environment::Numbers& timestamps);
  void gone() { emit(Event::kGone); }
  void data(unsigned stream, const Slab::Part& part);
  void end(unsigned stream) { emit_number(Event::kEnd, stream); }
  void waiting(int pid) { emit_number(Event::kWaiting, pid); }
  void writable() { emit(Event::kWritable); }

  // Nothing more is told.
  void release() { callback_.Reset(); }
  // The environment is closing.
  void abandon();

 private:
  // `values` makes what follows the event's number: an array of napi_value.
  template <class Values>
  void emit(Event event, Values values);
  void emit(Event event);
  void emit_number(Event event, double number);

  Environment& environment_;
  Napi::FunctionReference callback_;
  bool abandoned_ = false;
};

}  // namespace caisson
