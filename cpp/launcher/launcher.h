// The native threads: launchers execute the host's phase of starts, the teardown thread ends
// processes and their cgroups, and two more remove trees, which take as long as containers have
// made them. All belong to the process, not to a JavaScript environment, and live as long as it
// does, because a container's parent-death signal follows the thread that cloned it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "../host/host_machine.h"
#include "cleanup_helper.h"
#include "template.h"

namespace caisson {

// One start, from its program to its process.
struct Launch {
  std::shared_ptr<const LaunchTemplate> templates;
  Identity identity;
  std::vector<uint8_t> command;  // of ProgramTemplate::instantiate()

  // Outcome.
  ProgramBytes program;
  ProgramBytes teardown;
  std::optional<uint32_t> journalled;  // its entry in the cleanup helper's journal
  Page* page = nullptr;
  size_t page_size = 0;
  int pid = -1;
  UniqueFd pidfd;
  UniqueFd control;
  UniqueFd helper;         // the supervisor of a network helper (host/network_helper.cpp)
  UniqueFd program_pidfd;  // of what has an exec supervisor, which `pidfd` is
  UniqueFd life;           // and this side's end of the connection to that
  // Of what is to go on only when somebody says so.
  ReleaseMessage later{};
  std::vector<UniqueFd> later_fds;
  std::vector<int> kept;  // parallel to the template's `keep`; -1 where the slot is empty
  std::vector<UniqueFd> held;
  ErrorRecord error{};  // of a failed start
  bool failed = false;
  // Somebody wants its end: a step that waits for long gives up (host/helper.cpp). What comes
  // further is killed. Written by any thread.
  std::atomic<bool> cancelled = false;
  bool joined = false;  // in a container that was there before, and has processes of its own
  bool detached =
      false;  // once its program has been exec'ed nobody here has anything to do with it

  void drop_page();
  // Whom signals are for.
  int receiver() const { return program_pidfd.valid() ? program_pidfd.get() : pidfd.get(); }

  Launch() = default;
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;
  ~Launch();

  void fail(Phase phase, size_t step, Error error);
  // Of `program`, which has been decoded.
  const Header& header() const { return *static_cast<const Header*>(program.data()); }
};

struct TeardownOutcome {
  bool failed = false;
  ErrorRecord error{};
};

class Launcher {
 public:
  static Launcher& instance();

  // Path of caisson-init; the first call counts.
  void set_init_path(const std::string& path);

  // Runs on a launcher thread; `done` is called there. Called by JavaScript.
  void launch(std::shared_ptr<Launch> launch, std::function<void()> done);
  // Runs on the teardown thread: kills and reaps what may still live, and tears down all but trees.
  // These are removed on other threads, a slice of each in turn. Then it is struck from the cleanup
  // helper's journal. Called by anybody for what was launched.
  void tear_down(std::shared_ptr<Launch> launch, std::function<void(TeardownOutcome)> done);
  // Lets go of a detached process that has been exec'ed: nothing is killed, nothing torn down.
  void leave(std::shared_ptr<Launch> launch, std::function<void()> done);
  // Tears down what another process has launched. Called by JavaScript.
  void tear_down(ProgramBytes teardown, std::function<void(TeardownOutcome)> done);
  // SIGKILL, on the teardown thread, for what is frozen in a v1 cgroup and would not take notice.
  void kill(std::shared_ptr<Launch> launch);

  // Starts a supervisor, which from then on is on its own (cpp/supervisor/supervisor.h). `done`
  // gets Node's end of the connection to it. `ids` (or -1) and `lock` are for it to hold. Called by
  // JavaScript.
  struct Keeping {
    ProgramBytes config;
    UniqueFd ids;
    UniqueFd lock;
    std::string id;
  };
  void keep(std::shared_ptr<Keeping> keeping, std::function<void(Result<UniqueFd>)> done);

  // Engines in this process. The last release stops the cleanup helper; `done` is called when it
  // has ended. Called by JavaScript.
  void retain(ProgramBytes at_end);
  void release(std::function<void()> done);

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable ready;
    std::deque<std::function<void(Workplace&)>> jobs;
    const unsigned most;  // threads
    unsigned threads = 0;
    unsigned idle = 0;
    unsigned before = 0;  // what goes first, for a moment: starts before ends
  };

  Launcher() = default;
  // A thread more if all are busy. Fails only when there is none at all.
  static Status hire(Queue& queue);
  static void* work(void* queue);
  static void submit(Queue& queue, std::function<void(Workplace&)> job);
  // One start more that ends let go first, or one less.
  void goes_first(int starts);
  // Threads for what ends: the teardown thread, and those for trees.
  Status hire_for_ends();
  struct Clearing;
  void clear(std::shared_ptr<Clearing> clearing);
  void execute(Launch& launch, Workplace& workplace);
  // Journals what tears down a launch, and starts the cleanup helper where it is not running.
  Status add_to_guard(Launch& launch, Workplace& workplace);
  // Where its process is noted, which no cgroup's end would be the end of.
  JournalPlace place_for_process(const Launch& launch);
  void remove_from_guard(Launch& launch);
  Status start_guard(Workplace& workplace);
  Result<UniqueFd> start_supervisor(const Keeping& keeping, Workplace& workplace);
  Result<int> init_fd();
  void reap_left();

  Queue starts_{.most = 4};
  Queue ends_{.most = 1};
  Queue trees_{.most = 2};
  std::mutex mutex_;  // guards what follows
  std::string init_path_;
  UniqueFd init_;
  CleanupHelper cleanup_helper_;
  unsigned journalled_ = 0;  // launches in its journal
  ProgramBytes at_end_;
  bool at_end_journalled_ = false;
  unsigned engines_ = 0;
  std::vector<UniqueFd>
      left_;  // supervisors, each a child until it has been reaped; the teardown thread's
};

}  // namespace caisson
