// One container of this JavaScript environment: started by a launcher thread, watched by the event
// loop, torn down by the teardown thread. What JavaScript calls is in container_calls.cpp.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>

#include "../launcher/launcher.h"
#include "environment.h"
#include "input.h"
#include "listener.h"
#include "output.h"

namespace caisson {

class Container {
 public:
  // Starts it, and returns its token: by that JavaScript names it. With `watch_start`, as if
  // watch_start() had been called.
  static uint32_t launch(Environment& environment, std::shared_ptr<Launch> launch,
                         Napi::Function callback, bool watch_start);

  // kTerminal and kStarted are told from now on.
  void watch_start();
  // 0 or a negated errno.
  long kill(int signal);
  // After kWaiting. 0 or a negated errno.
  long go_on(std::span<const uint8_t> command);
  // What was started with an exec supervisor, and has a terminal, goes on alone; kExited follows as
  // of a detached one. 0 or a negated errno.
  long leave_to_exec_supervisor();
  void set_paused(unsigned stream, bool paused);
  // What comes from now on is not captured.
  void pass_on(unsigned stream) { output(stream).pass_on(); }
  // How many bytes stdin or the terminal has taken, or a negated errno. After -EAGAIN of stdin
  // kWritable follows.
  long write(std::span<const iovec> parts);
  void end_input() { input_.end(); }
  // The terminal's. 0 or a negated errno.
  long resize(unsigned short columns, unsigned short rows);

  // Something of it is readable, or stdin takes more.
  void ready(Source source);
  // The environment is closing: end the process, forget JavaScript.
  void abandon();

 private:
  // In this order, as the JavaScript thread knows it.
  enum class State {
    kStarting,  // the launcher has it
    kRunning,   // its process has been taken over from the launcher
    kExited,    // the process has ended, or is left to itself; that is about to be told
    kEnding,    // the teardown thread has it
    kGone,      // everything is torn down; a slow reader may still fetch output
  };
  // The socket on which caisson-init tells of its terminal and, by closing it, of the exec.
  enum class Control { kUnwatched, kWatched, kEnded };

  Container(Environment& environment, std::shared_ptr<Launch> launch, Napi::Function callback);

  void launch_failed();
  void launched(Environment::Inbox& inbox);
  void see_launched();
  bool has_process();
  bool is_running() { return has_process() && state_ == State::kRunning; }
  void cannot_watch(int error);
  void read_control();
  bool take_terminal(int far_end, int near_end);
  void end_control();
  void process_ended();
  unsigned deliver_last_output();
  void tell_end(const siginfo_t& info, bool stolen, unsigned ended);
  Output& output(unsigned stream) { return outputs_[stream == 2 ? 1 : 0]; }
  void read_output(Output& output);
  void end_output(Output& output);
  void cut_output_short();
  void tell_exit(int code, int signal, unsigned bits);
  void close_later(UniqueFd fd);
  void tear_down(Wake wake);
  void leave();
  void gone();
  void finish_when_read();
  void finish();
  bool executed() const;
  Environment::Numbers write_timestamps();

  Environment& environment_;
  std::shared_ptr<Launch> launch_;
  Listener listener_;
  uint32_t token_ = 0;
  UniqueFd oom_;      // the file that counts OOM kills
  UniqueFd notices_;  // ../base/refusal_notice.h
  Input input_;
  Output outputs_[2];
  // The terminal's near end: without it a program that closes the last of its own would take the
  // terminal away from all others. Empty once the container has ended, or without a terminal.
  UniqueFd near_end_;

  // What the launcher's thread and this one tell each other, under the inbox's lock.
  struct {
    bool launched = false;  // there is a process
    bool awaited = false;   // and something to be done with it at once
    int watch_error = 0;
  } handover_;

  State state_ = State::kStarting;
  Control control_ = Control::kUnwatched;
  bool start_wanted_ = false;
  bool killed_ = false;
  int pending_signal_ = 0;  // for the process, once there is one
};

}  // namespace caisson
