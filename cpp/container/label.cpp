#include <linux/magic.h>
#include <sys/vfs.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/text.h"
#include "../steps/resolve.h"
#include "container_steps.h"

namespace caisson {
namespace {

enum class Module : uint64_t { kAppArmor = 0, kSelinux = 1 };

// When the label is to be in force: from this process's next execve(2) on, which forgets the order,
// or now.
enum class When { kAtExec, kNow };

// Writes to a file below /proc/<pid>/attr. It must be opened by the process that writes to it: the
// kernel takes no other's word.
Status write_attribute(int proc, const char* name, const char* order, size_t size,
                       const char* label) {
  Text<64> path;
  path.add(static_cast<uint64_t>(sys::call(__NR_getpid))).add("/").add(name);
  auto file = open_below(proc, path.c_str(), O_WRONLY, Follow::kNoLinks);
  if (!file.ok()) return Error{file.error().number, file.error().call, name};
  struct statfs where {};
  if (const long got = sys::call(__NR_fstatfs, file.value().get(), &where); got < 0)
    return failure(got, "fstatfs", name);
  if (where.f_type != PROC_SUPER_MAGIC) return Error{EINVAL, "fstatfs", name};
  return check(sys::call(__NR_write, file.value().get(), order, size), "write", label);
}

Status set_profile(int proc, const char* profile, When when) {
  const bool now = when == When::kNow;
  Text<4096> order;
  order.add(now ? "changeprofile " : "exec ").add(profile);
  if (order.truncated()) return Error{ENAMETOOLONG, "write", profile};
  return write_attribute(proc, now ? "attr/apparmor/current" : "attr/apparmor/exec", order.c_str(),
                         order.size(), profile);
}

Status set_context(int proc, const char* label, When when) {
  const auto write = [&](const char* name) {
    return write_attribute(proc, name, label, length(label), label);
  };
  if (when == When::kNow) return write("attr/current");
  // The session keyring that this process makes for the program is the program's.
  if (Status keys = write("attr/keycreate"); !keys.ok()) return keys;
  return write("attr/exec");
}

// The files are found in a procfs that nothing of the container has ever seen, so that no file
// which an image or a volume put below /proc passes for one (CVE-2019-16884, CVE-2025-52881).
Status set_label(const Program& program, const Step& step, When when) {
  const char* label = program.text(step, 0);
  auto proc = make_filesystem("proc", nullptr, 0);
  if (!proc.ok()) return Error{proc.error().number, proc.error().call, "proc"};
  return static_cast<Module>(step.number[0]) == Module::kSelinux
             ? set_context(proc.value().get(), label, when)
             : set_profile(proc.value().get(), label, when);
}

}  // namespace

Status steps::label_set(Machine& machine, const Step& step) {
  return set_label(machine.program, step, When::kAtExec);
}

// The init never execs, and is confined from here on like what it looks after.
Status confine_init(const ContainerMachine& machine, size_t next) {
  const Program& program = machine.program;
  for (size_t i = next; i < program.count(Phase::kContainer); ++i) {
    const Step& step = program.step(Phase::kContainer, i);
    if (step.op != Op::kLabelSet) continue;
    if (Status set = set_label(program, step, When::kNow); !set.ok()) return set;
  }
  return {};
}

}  // namespace caisson
