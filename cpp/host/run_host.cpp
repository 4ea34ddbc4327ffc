#include <poll.h>

#include "../base/kernel.h"
#include "../base/signals.h"
#include "host_machine.h"

namespace caisson {
namespace {

constexpr Handlers kHandlers = handlers_of<kInHost>();

#ifdef CAISSON_FAULTS
void inject_kill(const HostMachine& machine, Fault fault) {
  const UniqueFd& init = machine.program_pidfd.valid() ? machine.program_pidfd : machine.pidfd;
  if ((fault == Fault::kKillInit || fault == Fault::kKillBoth) && init.valid())
    sys::call(__NR_pidfd_send_signal, init.get(), SIGKILL, nullptr, 0);
  if (fault == Fault::kKillNode || fault == Fault::kKillBoth)
    sys::call(__NR_kill, sys::call(__NR_getpid), SIGKILL);
}

// If the child waits for that at a step of the container phase.
void inject_container_kill(const HostMachine& machine) {
  if (load_acquire(machine.page->fault_reached) != 0)
    inject_kill(machine, static_cast<Fault>(machine.program.header().fault_action));
}
#endif

}  // namespace

HostMachine::~HostMachine() {
  for (const int fd : slots)
    if (fd >= 0) sys::close(fd);
}

bool await_child(const HostMachine& machine, const uint64_t& timestamp) {
  constexpr uint64_t kSlice = 50'000, kPatience = 20'000'000'000;
  const uint64_t end = sys::monotonic() + kPatience;
  while (load_acquire(timestamp) == 0) {
#ifdef CAISSON_FAULTS
    inject_container_kill(machine);
#endif
    pollfd ended{machine.pidfd.get(), POLLIN, 0};
    const timespec slice{0, kSlice};
    if (sys::call(__NR_ppoll, &ended, 1, &slice, nullptr, 0) > 0) break;
    if (sys::monotonic() > end || machine.canceller.cancels()) break;
  }
  // A step that has failed has one, too.
  return load_acquire(timestamp) != 0 && load_acquire(machine.page->failed) == 0;
}

bool run_host(HostMachine& machine) {
  Page* page = machine.page;
  page->start[0] = sys::monotonic();
  const size_t count = machine.program.count(Phase::kHost);
  for (size_t i = 0; i < count; ++i) {
    const Step& step = machine.program.step(Phase::kHost, i);
    Status status;
#ifdef CAISSON_FAULTS
    const Fault fault = fault_at(machine.program, Phase::kHost, i);
    if (fault == Fault::kFail) status = Error{EIO, "fault injection", nullptr};
    if (fault > Fault::kFail) inject_kill(machine, fault);
    if (status.ok())
#endif
      status = kHandlers[step.op](machine, step);
    page->end[0][i] = sys::monotonic();
    if (!status.ok()) {
      record_error(page, Phase::kHost, i, status.error());
      static_cast<void>(restore_fsids(machine));
      return false;
    }
  }
#ifdef CAISSON_FAULTS
  const Header& header = machine.program.header();
  if (header.fault_phase == static_cast<uint16_t>(Phase::kContainer) &&
      header.fault_action > static_cast<uint32_t>(Fault::kFail)) {
    for (int i = 0; i < 3000 && load_acquire(page->fault_reached) == 0; ++i)
      sys::sleep(1000000);
    inject_kill(machine, static_cast<Fault>(header.fault_action));
  }
#endif
  static_cast<void>(restore_fsids(machine));
  // While the container phase is at work.
  page->ignored_signals = ignored_signals();
  store_release(page->signals_known, 1u);
  return true;
}

}  // namespace caisson
