#include "host_machine.h"

namespace caisson {
namespace {

constexpr int kInputOutput = 5, kKill = 9;

Handler handler(Op op) {
  switch (op) {
    case Op::kDirMake:
      return steps::dir_make;
    case Op::kSymlinkMake:
      return steps::symlink_make;
    case Op::kNodeMake:
      return steps::node_make;
    case Op::kFileWrite:
      return steps::file_write;
    case Op::kFileOpen:
      return steps::file_open;
    case Op::kFdDup:
      return steps::fd_dup;
    case Op::kPipeMake:
      return steps::pipe_make;
    case Op::kCgroupMake:
      return steps::cgroup_make;
    case Op::kCgroupWrite:
      return steps::cgroup_write;
    case Op::kCgroupDevices:
      return steps::cgroup_devices;
    case Op::kClone:
      return steps::clone;
    case Op::kIdsMap:
      return steps::ids_map;
    case Op::kNsOpen:
      return steps::ns_open;
    case Op::kTreeOpen:
      return steps::tree_open;
    case Op::kFsMake:
      return steps::fs_make;
    case Op::kOverlayMake:
      return steps::overlay_make;
    case Op::kFsidsSet:
      return steps::fsids_set;
    case Op::kOomSet:
      return steps::oom_set;
    case Op::kRelease:
      return steps::release;
    default:
      return nullptr;
  }
}

#ifdef CAISSON_FAULTS
void inject_kill(HostMachine& machine, Fault fault) {
  if ((fault == Fault::kKillInit || fault == Fault::kKillBoth) && machine.pidfd.valid())
    sys::call(__NR_pidfd_send_signal, machine.pidfd.get(), kKill, nullptr, 0);
  if (fault == Fault::kKillNode || fault == Fault::kKillBoth)
    sys::call(__NR_kill, sys::call(__NR_getpid), kKill);
}
#endif

}  // namespace

HostMachine::~HostMachine() {
  for (const int fd : slots)
    if (fd >= 0) sys::close(fd);
}

bool run_host(HostMachine& machine) {
  Page* page = machine.page;
  page->start[0] = sys::monotonic();
  const size_t count = machine.program.count(Half::kHost);
  for (size_t i = 0; i < count; ++i) {
    const Step& step = machine.program.step(Half::kHost, i);
    Status status;
#ifdef CAISSON_FAULTS
    const Fault fault = fault_at(machine.program, Half::kHost, i);
    if (fault == Fault::kFail) status = Error{kInputOutput, "fault injection", nullptr};
    if (fault > Fault::kFail) inject_kill(machine, fault);
    if (status.ok())
#endif
      status = handler(step.op)(machine, step);
    page->end[0][i] = sys::monotonic();
    if (!status.ok()) {
      record_error(page, Half::kHost, i, status.error());
      static_cast<void>(restore_fsids(machine));
      return false;
    }
  }
#ifdef CAISSON_FAULTS
  const Header& header = machine.program.header();
  if (header.fault_half == static_cast<uint16_t>(Half::kContainer) &&
      header.fault_action > static_cast<uint32_t>(Fault::kFail)) {
    for (int i = 0; i < 3000 && load_acquire(page->fault_reached) == 0; ++i)
      sys::sleep(1000000);
    inject_kill(machine, static_cast<Fault>(header.fault_action));
  }
#endif
  static_cast<void>(restore_fsids(machine));
  return true;
}

}  // namespace caisson
