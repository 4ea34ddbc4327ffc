#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "../base/mount_api.h"
#include "../base/text.h"
#include "../steps/resolve.h"
#include "container_steps.h"

namespace caisson {
namespace {

constexpr int kInvalid = 22, kNameTooLong = 36;

// Writes to a file below /proc/<pid>/attr/apparmor. It must be opened by the process that writes to
// it: the kernel takes no other's word. It is found in a procfs that nothing of the container has
// ever seen, so that no file which an image or a volume put below /proc passes for it
// (CVE-2019-16884, CVE-2025-52881).
Status write_attribute(const char* name, const char* verb, const char* profile) {
  Text<64> path;
  path.add(static_cast<uint64_t>(sys::call(__NR_getpid))).add("/attr/apparmor/").add(name);
  Text<4096> order;
  order.add(verb).add(" ").add(profile);
  if (order.truncated()) return Error{kNameTooLong, "write", profile};
  auto proc = make_filesystem("proc", nullptr, 0);
  if (!proc.ok()) return Error{proc.error().number, proc.error().call, "proc"};
  auto file = open_below(proc.value().get(), path.c_str(), O_WRONLY, Follow::kNoLinks);
  if (!file.ok()) return Error{file.error().number, file.error().call, "attr/apparmor"};
  struct statfs where {};
  if (const long got = sys::call(__NR_fstatfs, file.value().get(), &where); got < 0)
    return failure(got, "fstatfs", "attr/apparmor");
  if (where.f_type != PROC_SUPER_MAGIC) return Error{kInvalid, "fstatfs", "attr/apparmor"};
  return check(sys::call(__NR_write, file.value().get(), order.c_str(), order.size()), "write",
               profile);
}

}  // namespace

// Takes effect at execve(2), and is forgotten with it.
Status steps::label_set(Machine& machine, const Step& step) {
  return write_attribute("exec", "exec", machine.text(step, 0));
}

// The init never execs, and is confined from here on like what it looks after.
Status confine_init(const ContainerMachine& machine, size_t next) {
  const Program& program = machine.program;
  for (size_t i = next; i < program.count(Half::kContainer); ++i) {
    const Step& step = program.step(Half::kContainer, i);
    if (step.op != Op::kLabelSet) continue;
    return write_attribute("current", "changeprofile", program.text(step, 0));
  }
  return {};
}

}  // namespace caisson
