// One start as the launcher's threads and a JavaScript environment share it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "../base/unique_fd.h"
#include "../program/control.h"
#include "../program/page.h"
#include "../steps/machine.h"
#include "template.h"

namespace caisson {

// One start, from its program to its process.
struct Launch {
  std::shared_ptr<const LaunchTemplate> templates;
  Identity identity;
  // What is appended to both, by ProgramTemplate::instantiate().
  std::vector<uint8_t> program_texts;
  std::vector<uint8_t> teardown_texts;

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
  UniqueFd ports;          // of the host, which are the container's (host/ports.cpp)
  UniqueFd program_pidfd;  // with an exec supervisor, whose `pidfd` is: of the program
  UniqueFd life;           // and this side's end of the connection to the exec supervisor
  // A process that goes on only when it is told to, and what it gets then.
  bool waits = false;
  ReleaseMessage later{};
  std::vector<UniqueFd> later_fds;
  std::vector<int> kept;  // parallel to the template's `keep`; -1 where the slot is empty
  std::vector<UniqueFd> held;
  ErrorRecord error{};  // of a failed start
  bool failed = false;
  // It is to end: a step that waits for long gives up (host/network_helper.cpp), and a process that
  // starts nevertheless is killed. Written by any thread.
  std::atomic<bool> cancelled = false;
  // Its pid namespace has other processes, which may hold its streams when it has ended.
  bool shares_pids = false;
  // Once its program has been exec'ed this process has nothing to do with it.
  bool detached = false;

  void drop_page();
  // The process that signals are for.
  int receiver() const { return program_pidfd.valid() ? program_pidfd.get() : pidfd.get(); }

  Launch() = default;
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;
  ~Launch();

  void fail(Phase phase, size_t step, Error error);
  // SIGKILL, for what is frozen in a v1 cgroup too.
  void kill() const;
  // Kills what still lives, and reaps its process.
  void kill_and_reap();
  // Closes all that is open of it, but for its process.
  void close();
  // Of `program`, which has been decoded.
  const Header& header() const { return *static_cast<const Header*>(program.data()); }
};

struct TeardownOutcome {
  bool failed = false;
  ErrorRecord error{};
};

}  // namespace caisson
