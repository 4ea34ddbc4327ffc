// What the native threads do: launchers execute the host phase of starts, the teardown thread ends
// processes and their cgroups, and two more remove trees, which take as long as containers have
// made them.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../host/host_machine.h"
#include "cleanup_helper.h"
#include "launch_record.h"
#include "supervisor_start.h"
#include "thread_queue.h"

namespace caisson {

class Launcher {
 public:
  static Launcher& instance();

  // Path of caisson-init; the first call counts.
  void set_init_path(const std::string& path);

  // Runs on a launcher thread; `done` is called there. Called by JavaScript.
  void launch(std::shared_ptr<Launch> launch, std::function<void()> done);
  // Runs on the teardown thread: kills and reaps what may still live, and tears down all but trees.
  // These are removed on other threads, a slice of each in turn. Then it is struck from the cleanup
  // helper's journal. Called by any thread for what was launched.
  void tear_down(std::shared_ptr<Launch> launch, std::function<void(TeardownOutcome)> done);
  // Forgets a detached process that has been exec'ed: nothing is killed, nothing torn down.
  void leave(std::shared_ptr<Launch> launch, std::function<void()> done);
  // Tears down what another process has launched. Called by JavaScript.
  void tear_down(ProgramBytes teardown, std::function<void(TeardownOutcome)> done);
  // SIGKILL, on the teardown thread, for what is frozen in a v1 cgroup and would not take notice.
  void kill(std::shared_ptr<Launch> launch);

  // `done` gets Node's end of the connection to the supervisor. Called by JavaScript.
  void start_supervisor(std::shared_ptr<SupervisorStart> start,
                        std::function<void(Result<UniqueFd>)> done);

  // Waits for a process that is ending, on the teardown thread. Called by JavaScript.
  void reap(UniqueFd pidfd);

  // Engines in this process. The last release stops the cleanup helper; `done` is called when it
  // has ended. Called by JavaScript.
  void retain(ProgramBytes at_end);
  void release(std::function<void()> done);

 private:
  Launcher() = default;
  // So many starts more, or fewer, that teardown waits for, for a moment.
  void add_starts(int starts);
  // Threads for what ends: the teardown thread, and those for trees.
  Status hire_for_ends();
  struct Clearing;
  void clear(std::shared_ptr<Clearing> clearing);
  void execute(Launch& launch, Workplace& workplace);
  // Journals what tears down a launch, and starts the cleanup helper where it is not running.
  Status add_to_journal(Launch& launch, Workplace& workplace);
  // Where its process is noted, which no cgroup's end would be the end of.
  JournalPlace place_for_process(const Launch& launch);
  void remove_from_journal(Launch& launch);
  Status start_cleanup_helper(Workplace& workplace);
  // The file of caisson-init. `mutex_` is held.
  Result<int> init_fd();
  Result<int> locked_init_fd();
  void reap_left();

  ThreadQueue starts_{4};
  ThreadQueue ends_{1};
  ThreadQueue trees_{2};
  std::mutex mutex_;  // of what follows
  std::string init_path_;
  UniqueFd init_;
  CleanupHelper cleanup_helper_;
  unsigned journalled_ = 0;  // launches in its journal
  ProgramBytes at_end_;
  bool at_end_journalled_ = false;
  unsigned engines_ = 0;
  // Exec supervisors, each a child until it has been reaped. The teardown thread's alone.
  std::vector<UniqueFd> left_;
};

}  // namespace caisson
