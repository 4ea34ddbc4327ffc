// What one JavaScript environment (the main thread or a worker) has of the addon: the way back from
// native threads, and the containers that end with it.
#pragma once

#include <napi.h>
#include <sys/epoll.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "../base/side_pipe.h"
#include "../base/unique_fd.h"

namespace caisson {

class Container;

// The descriptor of a container that has become readable.
enum class Source : uint32_t { kExit, kControl, kStdout, kStderr, kInput };

// When a task is to run: at once, or with whatever happens next on the JavaScript thread, and after
// some milliseconds in any case.
enum class Wake { kNow, kSoon };

// False in a worker that is being terminated, whose loop still runs for a while: nothing can be
// made for JavaScript then, let alone called.
bool usable(Napi::Env env);

class Environment {
 public:
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }
  explicit Environment(Napi::Env env);

  Napi::Env env() const { return env_; }

  // Calls back into JavaScript from the event loop. What the callback throws is an uncaught
  // exception of the program: left pending, it would make every later call of this addon fail.
  void call(const Napi::FunctionReference& callback, std::span<const napi_value> arguments);
  // Asked once in a turn of the event loop, and again when a callback has failed.
  bool usable() { return usable_ ? *usable_ : *(usable_ = caisson::usable(env_)); }

  // What native threads hold: they may outlive the environment.
  class Inbox {
   public:
    // Runs `task` on the JavaScript thread; or, if the environment ends before that, `otherwise`
    // on the thread that notices.
    void post(
        std::function<void()> task, std::function<void()> otherwise = [] {},
        Wake wake = Wake::kNow);
    // Runs `task` on the calling thread while the inbox is locked. False, and it is not run, if the
    // environment is closing.
    template <class Task>
    bool locked(Task task) {
      const std::lock_guard lock(mutex_);
      if (wake_ == nullptr) return false;
      task();
      return true;
    }
    // By the task of locked() only. The container is told on the JavaScript thread.
    void post_locked(std::function<void()> task);
    int watch_locked(uint32_t token, Source source, int fd) const;

   private:
    friend class Environment;
    struct Task {
      std::function<void()> run;
      std::function<void()> otherwise;
    };
    std::mutex mutex_;
    std::vector<Task> tasks_;
    bool patient_ = false;        // it is looked at soon
    uv_async_t* wake_ = nullptr;  // null once the environment is closing
    int epoll_ = -1;              // the environment's, or a negated errno
  };
  const std::shared_ptr<Inbox>& inbox() const { return inbox_; }

  // The event loop stays alive while native work is under way.
  void begin_work();
  void end_work();

  // Something is going to be posted with kSoon; and has come.
  void expect();
  void expected_came();
  // What was posted with kSoon, and will be in the next moment, is waited for.
  void hurry();

  // Room for numbers that JavaScript gets, and where in the array it begins. An array for many,
  // because making one costs more than all that is written into it.
  struct Numbers {
    napi_value array;
    napi_value first;
    double* data;
  };
  Numbers numbers(size_t count);

  // Engines that were opened here and not closed end with the environment.
  void engine_opened() { ++engines_; }
  void engine_closed() { --engines_; }

  // Containers are known to JavaScript by a token, so that making one makes no objects. They live
  // until they are removed and no call of one is under way.
  uint32_t add(std::shared_ptr<Container> container) {
    containers_.emplace(++last_token_, std::move(container));
    return last_token_;
  }
  void remove(uint32_t token) { containers_.erase(token); }
  std::shared_ptr<Container> find(uint32_t token) const {
    const auto found = containers_.find(token);
    return found == containers_.end() ? nullptr : found->second;
  }

  // Whenever the descriptor is readable, or its end has come, the container is told. 0 or a negated
  // errno. One epoll for all of them, of which the event loop watches one descriptor for ever: a
  // handle for each would cost the JavaScript thread a dozen system calls and another turn of the
  // loop.
  int watch(uint32_t token, Source source, int fd, uint32_t events = EPOLLIN);
  void unwatch(int fd);
  // For the output of all containers here, one after the other.
  SidePipe& side_pipe() { return side_pipe_; }

  // Before anything is watched. 0 or a negated errno.
  int open_poller();

 private:
  void run_ready();
  void run_tasks();
  void lose_patience();
  void handle_closed();
  void close(napi_async_cleanup_hook_handle hook);

  Napi::Env env_;
  uv_loop_t* loop_ = nullptr;
  uv_async_t wake_{};
  uv_timer_t patience_{};
  unsigned expected_ = 0;
  UniqueFd epoll_;
  SidePipe side_pipe_;
  uv_poll_t poller_{};
  std::shared_ptr<Inbox> inbox_;
  std::unordered_map<uint32_t, std::shared_ptr<Container>> containers_;
  uint32_t last_token_ = 0;
  unsigned work_ = 0;
  unsigned handles_ = 0;
  unsigned engines_ = 0;
  std::optional<bool> usable_;
  Napi::Reference<Napi::Float64Array> numbers_;
  double* numbers_data_ = nullptr;
  size_t numbers_at_ = 0, numbers_end_ = 0;
  napi_async_cleanup_hook_handle closing_ = nullptr;
};

}  // namespace caisson
