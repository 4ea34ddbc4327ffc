#include "launcher.h"

#include <linux/memfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <chrono>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../host/machine_root.h"
#include "../host/page_memory.h"
#include "../host/spawn.h"
#include "../steps/teardown.h"

namespace caisson {
namespace {

constexpr int kDeathPatience = 300;  // tenths of a second
// How long, and how many at most, ends wait while there are starts.
constexpr std::chrono::milliseconds kPatience{10};
constexpr size_t kBacklog = 4;
// Entries of a tree that are removed before another tree has its turn: some milliseconds.
constexpr size_t kSlice = 512;

void kill_all(const Launch& launch) {
  pollfd end{launch.pidfd.get(), POLLIN, 0};
  struct {
    long seconds, nanoseconds;
  } now{};
  if (sys::call(__NR_ppoll, &end, 1, &now, nullptr, 0) > 0) return;  // it has ended
  // Its exec supervisor's end alone would not be that of a program which has changed its user
  // (prctl(2), PR_SET_PDEATHSIG).
  sys::call(__NR_pidfd_send_signal, launch.receiver(), SIGKILL, nullptr, 0);
  if (launch.program_pidfd.valid())
    sys::call(__NR_pidfd_send_signal, launch.pidfd.get(), SIGKILL, nullptr, 0);
  Program program;
  const char* reason = nullptr;
  if (Program::decode(launch.teardown.data(), launch.teardown.size, program, reason))
    kill_frozen(program);
}

void kill_and_reap(Launch& launch) {
  end_helper(launch.helper);
  if (!launch.pidfd.valid()) return;
  kill_all(launch);
  // By poll: the event loop has made the descriptor non-blocking, and waitid would not wait. Nobody
  // waits for ever, not even for a process that hangs in a network filesystem.
  for (int waited = 0; waited < kDeathPatience; ++waited) {
    pollfd end{launch.pidfd.get(), POLLIN, 0};
    const timespec slice{0, 100'000'000};
    if (sys::call(__NR_ppoll, &end, 1, &slice, nullptr, 0) > 0) break;
    kill_all(launch);
  }
  sys::call(__NR_waitid, P_PIDFD, launch.pidfd.get(), nullptr, WEXITED | WNOHANG | __WALL, nullptr);
  launch.pidfd.reset();
}

bool decode(const ProgramBytes& bytes, Program& program, TeardownOutcome& outcome) {
  const char* reason = nullptr;
  if (Program::decode(bytes.data(), bytes.size, program, reason)) return true;
  outcome.failed = true;
  fill_record(outcome.error, Phase::kHost, 0, Error{EINVAL, "decode", reason});
  return false;
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

Launch::~Launch() {
  for (const int fd : kept)
    if (fd >= 0) sys::close(fd);
  drop_page();
}

void Launch::drop_page() {
  if (page != nullptr) sys::call(__NR_munmap, page, page_size);
  page = nullptr;
}

void Launch::fail(Phase phase, size_t step, Error why) {
  failed = true;
  fill_record(error, phase, step, why);
}

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

// Only JavaScript's threads hire: a thread shares root and working directory with its creator, and
// while a launcher shares them with anybody it can change no mount namespace (setns(2), EINVAL).
// pthread_create, because std::thread would throw, and there are no exceptions here.
Status Launcher::hire(Queue& queue) {
  const std::lock_guard lock(queue.mutex);
  if (queue.idle > queue.jobs.size() || queue.threads == queue.most) return {};
  // A signal for Node must not be handled on a thread that shares its memory with a starting child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int failed = pthread_create(&thread, nullptr, work, &queue);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) return queue.threads > 0 ? Status{} : Status{failure(-failed, "pthread_create")};
  pthread_detach(thread);
  ++queue.threads;
  return {};
}

void* Launcher::work(void* argument) {
  Queue& queue = *static_cast<Queue*>(argument);
  Workplace workplace;
  if (!is_machine_root()) workplace.rights = Rights::kNone;
  for (;;) {
    std::function<void(Workplace&)> next;
    {
      std::unique_lock waiting(queue.mutex);
      ++queue.idle;
      do {
        queue.ready.wait(waiting, [&queue] { return !queue.jobs.empty(); });
        // A machine with few processors would take them from who waits for a start, to undo what
        // nobody waits for. Meanwhile another thread may take the job.
        queue.ready.wait_for(waiting, kPatience, [&queue] {
          return queue.before == 0 || queue.jobs.size() > kBacklog;
        });
      } while (queue.jobs.empty());
      --queue.idle;
      next = std::move(queue.jobs.front());
      queue.jobs.pop_front();
    }
    next(workplace);
  }
}

void Launcher::submit(Queue& queue, std::function<void(Workplace&)> job) {
  {
    const std::lock_guard lock(queue.mutex);
    queue.jobs.push_back(std::move(job));
  }
  queue.ready.notify_one();
}

void Launcher::goes_first(int starts) {
  for (Queue* const queue : {&ends_, &trees_}) {
    {
      const std::lock_guard lock(queue->mutex);
      queue->before += static_cast<unsigned>(starts);
      if (queue->before > 0) continue;
    }
    queue->ready.notify_all();
  }
}

Status Launcher::hire_for_ends() {
  if (Status hired = hire(ends_); !hired.ok()) return hired;
  return hire(trees_);
}

Status Launcher::start_guard(Workplace& workplace) {
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

Status Launcher::add_to_guard(Launch& launch, Workplace& workplace) {
  const std::lock_guard lock(mutex_);
  if (!cleanup_helper_.running())
    if (Status started = start_guard(workplace); !started.ok()) return started;
  auto added = cleanup_helper_.add(launch.teardown.data(), launch.teardown.size);
  if (!added.ok()) return added.error();
  launch.journalled = added.value();
  ++journalled_;
  return {};
}

JournalPlace Launcher::place_for_process(const Launch& launch) {
  Program undoing;
  const char* reason = nullptr;
  if (Program::decode(launch.teardown.data(), launch.teardown.size, undoing, reason) &&
      has_cgroup(undoing))
    return {};
  const std::lock_guard lock(mutex_);
  return cleanup_helper_.process_of(*launch.journalled);
}

void Launcher::remove_from_guard(Launch& launch) {
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
  launch.program = templates.program.instantiate(launch.identity, launch.command);
  launch.teardown = templates.teardown.instantiate(launch.identity);
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
  if (Status added = add_to_guard(launch, workplace); !added.ok()) {
    launch.fail(Phase::kHost, kBeforeFirstStep, added.error());
    return;
  }
  UniqueFd page_fd;
  auto page = make_page(launch.program.data(), launch.program.size, launch.page_size, page_fd);
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
  launch.joined = machine.joined;
  launch.detached = machine.detached;
  launch.pidfd = std::move(machine.pidfd);
  launch.control = std::move(machine.control);
  launch.program_pidfd = std::move(machine.program_pidfd);
  launch.life = std::move(machine.life);
  launch.helper = std::move(machine.helper);
  if (!ok) {
    // The error is read when nobody can be writing one any more.
    kill_and_reap(launch);
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
  launch.later = machine.later;
  for (size_t i = 0; i < machine.later.count; ++i)
    launch.later_fds.push_back(std::move(machine.later_fds[i]));
  for (const uint16_t slot : templates.keep)
    launch.kept.push_back(take(slot));
  for (const uint16_t slot : templates.hold)
    launch.held.emplace_back(take(slot));
}

void Launcher::launch(std::shared_ptr<Launch> launch, std::function<void()> done) {
  // Whoever is to bury it must be there before it is born.
  Status hired = hire_for_ends();
  if (hired.ok()) hired = hire(starts_);
  if (!hired.ok()) {
    launch->fail(Phase::kHost, kBeforeFirstStep, hired.error());
    done();
    return;
  }
  goes_first(1);
  submit(starts_, [this, launch, done = std::move(done)](Workplace& workplace) {
    execute(*launch, workplace);
    goes_first(-1);
    if (launch->failed && launch->journalled) {
      kill_and_reap(*launch);
      launch->control.reset();
      launch->held.clear();
      TeardownOutcome ignored;
      Program program;
      if (decode(launch->teardown, program, ignored)) static_cast<void>(run_teardown(program));
      remove_from_guard(*launch);
    }
    done();
  });
}

void Launcher::tear_down(std::shared_ptr<Launch> launch,
                         std::function<void(TeardownOutcome)> done) {
  submit(ends_, [this, launch, done = std::move(done)](Workplace&) {
    reap_left();
    kill_and_reap(*launch);
    launch->program_pidfd.reset();
    launch->life.reset();
    launch->control.reset();
    launch->held.clear();
    launch->drop_page();
    auto clearing = std::make_shared<Clearing>();
    TeardownOutcome outcome;
    if (!decode(launch->teardown, clearing->program, outcome)) {
      remove_from_guard(*launch);
      done(outcome);
      return;
    }
    clearing->launch = launch;
    clearing->done = done;
    clearing->result = run_teardown_but_trees(clearing->program);
    clear(std::move(clearing));
  });
}

void Launcher::clear(std::shared_ptr<Clearing> clearing) {
  submit(trees_, [this, clearing](Workplace&) {
    if (clearing->trees.some(clearing->program, kSlice, clearing->result)) {
      clear(clearing);  // behind all others
      return;
    }
    TeardownOutcome outcome;
    if (const TeardownResult& result = clearing->result; !result.status.ok()) {
      outcome.failed = true;
      fill_record(outcome.error, Phase::kTeardown, result.step, result.status.error());
    }
    remove_from_guard(*clearing->launch);
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
  submit(ends_, [this, launch, done = std::move(done)](Workplace&) {
    // A exec supervisor is still this process's child.
    if (launch->program_pidfd.valid()) left_.push_back(std::move(launch->pidfd));
    launch->pidfd.reset();
    launch->program_pidfd.reset();
    launch->life.reset();
    launch->control.reset();
    launch->held.clear();
    remove_from_guard(*launch);
    done();
  });
}

void Launcher::kill(std::shared_ptr<Launch> launch) {
  submit(ends_, [launch](Workplace&) {
    if (launch->pidfd.valid()) kill_all(*launch);
  });
}

Result<UniqueFd> Launcher::start_supervisor(const Keeping& keeping, Workplace& workplace) {
  int init = -1;
  {
    const std::lock_guard lock(mutex_);
    auto loaded = init_fd();
    if (!loaded.ok()) return loaded.error();
    init = loaded.value();
  }
  auto config =
      own_fd(sys::call(__NR_memfd_create, "caisson-supervisor", MFD_CLOEXEC | MFD_ALLOW_SEALING),
             "memfd_create", "the supervisor");
  if (!config.ok()) return config.error();
  const int fd = config.value().get();
  for (size_t at = 0; at < keeping.config.size;) {
    const long written =
        sys::call(__NR_write, fd, static_cast<const char*>(keeping.config.data()) + at,
                  keeping.config.size - at);
    if (written < 0) return failure(written, "write", "the supervisor");
    at += static_cast<size_t>(written);
  }
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (const long sealed = sys::call(__NR_fcntl, fd, F_ADD_SEALS, seals); sealed < 0)
    return failure(sealed, "fcntl F_ADD_SEALS", "the supervisor");
  int pair[2];
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) return failure(paired, "socketpair", "the supervisor");
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);

  const int ids = keeping.ids.get(), lock = keeping.lock.get();
  const std::string numbers[] = {std::to_string(fd), std::to_string(init),
                                 std::to_string(theirs.get()), std::to_string(ids),
                                 std::to_string(lock)};
  const char* const arguments[] = {"caisson-supervisor", "supervisor",       numbers[0].c_str(),
                                   numbers[1].c_str(),   numbers[2].c_str(), numbers[3].c_str(),
                                   numbers[4].c_str(),   keeping.id.c_str(), nullptr};
  UniqueFd pidfd;
  auto pid = spawn_init({arguments, init, {fd, init, theirs.get(), ids, lock}, 0, true}, 0, -1,
                        workplace.stack, sizeof workplace.stack, pidfd);
  if (!pid.ok()) return pid.error();
  // What was started has a child and ends: the supervisor is nobody's.
  siginfo_t info{};
  const long waited =
      sys::call(__NR_waitid, P_PIDFD, pidfd.get(), &info, WEXITED | __WALL, nullptr);
  if (waited == 0 && info.si_status != 0) return failure(-EAGAIN, "fork", "the supervisor");
  return static_cast<UniqueFd&&>(ours);
}

void Launcher::keep(std::shared_ptr<Keeping> keeping, std::function<void(Result<UniqueFd>)> done) {
  if (Status hired = hire(starts_); !hired.ok()) {
    done(hired.error());
    return;
  }
  submit(starts_, [this, keeping, done = std::move(done)](Workplace& workplace) {
    done(start_supervisor(*keeping, workplace));
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

void Launcher::release(std::function<void()> done) {
  const auto leave = [this, done = std::move(done)] {
    {
      const std::lock_guard lock(mutex_);
      if (engines_ > 0 && --engines_ == 0 && journalled_ == 0) cleanup_helper_.stop();
    }
    done();
  };
  // Without a thread to be had, JavaScript waits.
  if (hire(ends_).ok())
    submit(ends_, [leave](Workplace&) { leave(); });
  else
    leave();
}

}  // namespace caisson
