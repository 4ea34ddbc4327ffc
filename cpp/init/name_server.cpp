// The processes of the resolver, which gives the containers of a network their names.
#include <linux/prctl.h>
#include <sys/mman.h>

#include <new>

#include "../base/kernel.h"
#include "../base/signals.h"
#include "../base/sys.h"
#include "../resolver/broker.h"
#include "../resolver/confine.h"
#include "../resolver/worker.h"
#include "orphan.h"
#include "subcommands.h"

namespace caisson {
namespace {

// Memory for a process's tables. It is not part of this program, which containers run, too; and of
// most of it no page is ever touched.
template <class Tables>
void* map_tables() {
  const long memory = sys::call(__NR_mmap, nullptr, sizeof(Tables), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory < 0 && memory > -4096) sys::exit_group(ENOMEM);
  return reinterpret_cast<void*>(memory);
}

// Keeps this descriptor open alone, of what the caller has, and returns its number.
int leave_everything_behind(int kept) {
  const long null = sys::call(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR);
  if (null < 0) sys::exit_group(static_cast<int>(-null));
  for (int fd = 0; fd < 3; ++fd)
    sys::call(__NR_dup3, null, fd, 0);
  constexpr int kKept = 3;
  if (kept != kKept && sys::call(__NR_dup3, kept, kKept, 0) < 0) sys::exit_group(EBADF);
  sys::call(__NR_close_range, kKept + 1, ~0u, 0);
  sys::call(__NR_fcntl, kKept, F_SETFD, FD_CLOEXEC);
  reset_signals(kAllSignals);
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &kAllSignals, nullptr, sizeof kAllSignals);
  sys::call(__NR_umask, 077);
  return kKept;
}

}  // namespace

void resolver_main(int init_fd, const char* directory) {
  sys::call(__NR_setsid);
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-resolve");  // the kernel keeps 15 bytes
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  init_fd = leave_everything_behind(init_fd);
  RunDirectory run;
  const Status opened = run.open(directory);
  // There is one already.
  if (opened.error().number == EALREADY) sys::exit_group(0);
  if (!opened.ok()) sys::exit_group(opened.error().number);
  become_orphan();
  (new (map_tables<Broker>()) Broker(init_fd, run))->run();
}

void resolve_main(int channel) {
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-resolve");
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  sys::call(__NR_fcntl, channel, F_SETFD, FD_CLOEXEC);
  auto* const worker = new (map_tables<Worker>()) Worker;
  if (!worker->open(channel) || !confine_worker().ok()) sys::exit_group(1);
  worker->run();
}

}  // namespace caisson
