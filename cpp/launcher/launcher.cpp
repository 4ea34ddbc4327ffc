#include "launcher.h"

#include <algorithm>

#include "../base/kernel.h"
#include "../host/page_memory.h"
#include "../host/spawn.h"
#include "../steps/teardown.h"

namespace caisson {
namespace {

// Entries of a tree that are removed before another tree has its turn: some milliseconds.
constexpr size_t kSlice = 512;

bool decode(const ProgramBytes& bytes, Program& program, TeardownOutcome& outcome) {
  const char* reason = nullptr;
  if (Program::decode(bytes.data(), bytes.size, program, reason)) return true;
  outcome.failed = true;
  fill_record(outcome.error, Phase::kHost, 0, Error{EINVAL, "decode", reason});
  return false;
}

// For the command of a container that is parked.
uint32_t command_room(const Program& program) {
  constexpr uint64_t kMost = 1 << 20;
  for (size_t i = program.count(Phase::kContainer); i-- > 0;) {
    const Step& step = program.step(Phase::kContainer, i);
    if (step.op == Op::kAwait)
      return static_cast<uint32_t>(std::min<uint64_t>(step.number[0], kMost));
  }
  return 0;
}

}  // namespace

// What has ended, and has only trees left to be removed.
struct Launcher::Clearing {
  std::shared_ptr<Launch> launch;
  std::function<void(TeardownOutcome)> done;
  Program program;
  TeardownResult result;
  TreeTeardown trees;
};

// Never destroyed: its threads outlast the static destructors of a process that exits.
Launcher& Launcher::instance() {
  static Launcher* const launcher = new Launcher();
  return *launcher;
}

void Launcher::set_init_path(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (init_path_.empty()) init_path_ = path;
}

Result<int> Launcher::init_fd() {
  if (!init_.valid()) {
    auto loaded = load_init(init_path_.c_str());
    if (!loaded.ok()) return loaded.error();
    init_ = loaded.take();
  }
  return init_.get();
}

Result<int> Launcher::locked_init_fd() {
  const std::lock_guard lock(mutex_);
  return init_fd();
}

void Launcher::add_starts(int starts) {
  ends_.add_starts(starts);
  trees_.add_starts(starts);
}

Status Launcher::hire_for_ends() {
  if (Status hired = ends_.hire(); !hired.ok()) return hired;
  return trees_.hire();
}

Status Launcher::start_cleanup_helper(Workplace& workplace) {
  auto init = init_fd();
  if (!init.ok()) return init.error();
  // What the engine leaves behind at its own end comes first, because the newest is torn down
  // first.
  if (at_end_.size > 0 && !at_end_journalled_) {
    auto added = cleanup_helper_.add(at_end_.data(), at_end_.size);
    if (!added.ok()) return added.error();
    at_end_journalled_ = true;
  }
  return cleanup_helper_.start(init.value(), workplace.stack, sizeof workplace.stack);
}

Status Launcher::add_to_journal(Launch& launch, Workplace& workplace) {
  const std::lock_guard lock(mutex_);
  if (!cleanup_helper_.running())
    if (Status started = start_cleanup_helper(workplace); !started.ok()) return started;
  auto added = cleanup_helper_.add(launch.teardown.data(), launch.teardown.size);
  if (!added.ok()) return added.error();
  launch.journalled = added.value();
  ++journalled_;
  return {};
}

JournalPlace Launcher::place_for_process(const Launch& launch) {
  Program teardown;
  const char* reason = nullptr;
  if (Program::decode(launch.teardown.data(), launch.teardown.size, teardown, reason) &&
      has_cgroup(teardown))
    return {};
  const std::lock_guard lock(mutex_);
  return cleanup_helper_.process_of(*launch.journalled);
}

void Launcher::remove_from_journal(Launch& launch) {
  if (!launch.journalled) return;
  const std::lock_guard lock(mutex_);
  cleanup_helper_.done(*launch.journalled);
  launch.journalled.reset();
  --journalled_;
  // The last engine could not wait for this one: its environment ended.
  if (engines_ == 0 && journalled_ == 0) cleanup_helper_.stop();
}

void Launcher::execute(Launch& launch, Workplace& workplace) {
  const LaunchTemplate& templates = *launch.templates;
  launch.program = templates.program.instantiate(launch.identity, launch.program_texts);
  launch.teardown = templates.teardown.instantiate(launch.identity, launch.teardown_texts);
  Program program;
  const char* reason = nullptr;
  if (!Program::decode(launch.program.data(), launch.program.size, program, reason)) {
    launch.fail(Phase::kHost, kBeforeFirstStep, Error{EINVAL, "decode", reason});
    return;
  }
  if (program.count(Phase::kContainer) == 0) {
    launch.fail(Phase::kHost, kBeforeFirstStep, Error{EINVAL, "decode", "nothing to start"});
    return;
  }
  if (Status ready = prepare_workplace(workplace); !ready.ok()) {
    launch.fail(Phase::kHost, kBeforeFirstStep, ready.error());
    return;
  }
  if (Status added = add_to_journal(launch, workplace); !added.ok()) {
    launch.fail(Phase::kHost, kBeforeFirstStep, added.error());
    return;
  }
  UniqueFd page_fd;
  auto page = make_page(launch.program.data(), launch.program.size, command_room(program),
                        launch.page_size, page_fd);
  if (!page.ok()) {
    launch.fail(Phase::kHost, kBeforeFirstStep, page.error());
    return;
  }
  launch.page = page.value();
  const Canceller canceller{[](void* self) { return static_cast<Launch*>(self)->cancelled.load(); },
                            &launch};
  HostMachine machine(program, launch.page, workplace, page_fd.get(), init_.get(), canceller);
  machine.journal = place_for_process(launch);
  const bool ok = run_host(machine);
  launch.pid = machine.pid;
  launch.shares_pids = machine.shares_pids;
  launch.detached = machine.detached;
  launch.pidfd = std::move(machine.pidfd);
  launch.control = std::move(machine.control);
  launch.program_pidfd = std::move(machine.program_pidfd);
  launch.life = std::move(machine.life);
  launch.helper = std::move(machine.helper);
  launch.ports = std::move(machine.ports);
  if (!ok) {
    // The error is read when no process can be writing one any more.
    launch.kill_and_reap();
    launch.failed = true;
    launch.error = read_error(launch.page);
    return;
  }
  const auto take = [&machine](uint16_t slot) {
    if (slot >= machine.program.slots()) return -1;
    const int fd = machine.slots[slot];
    machine.slots[slot] = -1;
    return fd;
  };
  launch.waits = machine.waits;
  launch.later = machine.later;
  for (size_t i = 0; i < machine.later.count; ++i)
    launch.later_fds.push_back(std::move(machine.later_fds[i]));
  for (const uint16_t slot : templates.keep)
    launch.kept.push_back(take(slot));
  for (const uint16_t slot : templates.hold)
    launch.held.emplace_back(take(slot));
}

void Launcher::launch(std::shared_ptr<Launch> launch, std::function<void()> done) {
  // The thread that is to reap it must be there before it is cloned.
  Status hired = hire_for_ends();
  if (hired.ok()) hired = starts_.hire();
  if (!hired.ok()) {
    launch->fail(Phase::kHost, kBeforeFirstStep, hired.error());
    done();
    return;
  }
  add_starts(1);
  starts_.submit([this, launch, done = std::move(done)](Workplace& workplace) {
    execute(*launch, workplace);
    add_starts(-1);
    if (launch->failed && launch->journalled) {
      launch->kill_and_reap();
      launch->control.reset();
      launch->held.clear();
      TeardownOutcome ignored;
      Program program;
      if (decode(launch->teardown, program, ignored))
        static_cast<void>(run_teardown(program, kClaims));
      launch->ports.reset();
      remove_from_journal(*launch);
    }
    done();
  });
}

void Launcher::tear_down(std::shared_ptr<Launch> launch,
                         std::function<void(TeardownOutcome)> done) {
  // A start of another container may be waiting for its ports (`port.bind`).
  const bool urgent = launch->ports.valid();
  auto job = [this, launch, done = std::move(done)](Workplace&) {
    reap_left();
    launch->kill_and_reap();
    launch->close();
    launch->drop_page();
    auto clearing = std::make_shared<Clearing>();
    TeardownOutcome outcome;
    if (!decode(launch->teardown, clearing->program, outcome)) {
      remove_from_journal(*launch);
      done(outcome);
      return;
    }
    clearing->launch = launch;
    clearing->done = done;
    clearing->result = run_teardown(clearing->program, kTrees);
    launch->ports.reset();
    clear(std::move(clearing));
  };
  ends_.submit(std::move(job), urgent);
}

void Launcher::clear(std::shared_ptr<Clearing> clearing) {
  trees_.submit([this, clearing](Workplace&) {
    if (clearing->trees.some(clearing->program, kSlice, clearing->result)) {
      clear(clearing);  // behind all others
      return;
    }
    TeardownOutcome outcome;
    if (const TeardownResult& result = clearing->result; !result.status.ok()) {
      outcome.failed = true;
      fill_record(outcome.error, Phase::kTeardown, result.step, result.status.error());
    }
    remove_from_journal(*clearing->launch);
    clearing->done(outcome);
  });
}

void Launcher::reap_left() {
  std::erase_if(left_, [](const UniqueFd& supervisor) {
    siginfo_t info{};
    const long waited = sys::call(__NR_waitid, P_PIDFD, supervisor.get(), &info,
                                  WEXITED | WNOHANG | __WALL, nullptr);
    return waited < 0 || info.si_pid != 0;
  });
}

void Launcher::leave(std::shared_ptr<Launch> launch, std::function<void()> done) {
  ends_.submit([this, launch, done = std::move(done)](Workplace&) {
    // An exec supervisor is still this process's child.
    if (launch->program_pidfd.valid()) left_.push_back(std::move(launch->pidfd));
    launch->pidfd.reset();
    launch->close();
    remove_from_journal(*launch);
    done();
  });
}

void Launcher::kill(std::shared_ptr<Launch> launch) {
  ends_.submit([launch](Workplace&) {
    if (launch->pidfd.valid()) launch->kill();
  });
}

void Launcher::start_supervisor(std::shared_ptr<SupervisorStart> start,
                                std::function<void(Result<UniqueFd>)> done) {
  if (Status hired = starts_.hire(); !hired.ok()) {
    done(hired.error());
    return;
  }
  starts_.submit([this, start, done = std::move(done)](Workplace& workplace) {
    auto init = locked_init_fd();
    if (init.ok())
      done(caisson::start_supervisor(*start, init.value(), workplace));
    else
      done(init.error());
  });
}

void Launcher::retain(ProgramBytes at_end) {
  const std::lock_guard lock(mutex_);
  ++engines_;
  if (at_end_.size == 0) at_end_ = std::move(at_end);
}

void Launcher::tear_down(ProgramBytes teardown, std::function<void(TeardownOutcome)> done) {
  auto launch = std::make_shared<Launch>();
  launch->teardown = std::move(teardown);
  if (Status hired = hire_for_ends(); !hired.ok()) {
    launch->fail(Phase::kTeardown, kBeforeFirstStep, hired.error());
    done({true, launch->error});
    return;
  }
  tear_down(launch, std::move(done));
}

void Launcher::reap(UniqueFd pidfd) {
  // Functions are copied.
  const auto wait = [ending = std::make_shared<UniqueFd>(std::move(pidfd))] {
    sys::call(__NR_waitid, P_PIDFD, ending->get(), nullptr, WEXITED | __WALL, nullptr);
  };
  if (ends_.hire().ok())
    ends_.submit([wait](Workplace&) { wait(); });
  else
    wait();
}

void Launcher::release(std::function<void()> done) {
  const auto leave = [this, done = std::move(done)] {
    {
      const std::lock_guard lock(mutex_);
      if (engines_ > 0 && --engines_ == 0 && journalled_ == 0) cleanup_helper_.stop();
    }
    done();
  };
  // Without a thread to be had, JavaScript waits.
  if (ends_.hire().ok())
    ends_.submit([leave](Workplace&) { leave(); });
  else
    leave();
}

}  // namespace caisson
