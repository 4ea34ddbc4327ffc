#include <linux/prctl.h>
#include <sys/mman.h>

#include <initializer_list>
#include <new>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../supervisor/supervisor.h"
#include "orphan.h"
#include "subcommands.h"
#include "user_namespace.h"

namespace caisson {
namespace {

void* const kFailed = reinterpret_cast<void*>(-1);

const void* map(int fd, size_t& size) {
  struct statx info {};
  if (sys::call(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &info) < 0) return kFailed;
  size = info.stx_size;
  const long memory =
      sys::call(__NR_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  return memory < 0 && memory > -4096 ? kFailed : reinterpret_cast<const void*>(memory);
}

alignas(Supervisor) unsigned char supervisor_memory[sizeof(Supervisor)];

}  // namespace

void supervise_main(int config_fd, int init_fd, int client, int lock) {
  sys::call(__NR_setsid);
  become_orphan();
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-supervi");  // the kernel keeps 15 bytes
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  sys::call(__NR_umask, 0);
  sys::call(__NR_chdir, "/");
  // Children inherit this mask, and unblock all signals before they exec (container/exec.cpp,
  // seal).
  const uint64_t all = ~uint64_t{0};
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
  // Descriptors that are opened from here on do not become standard streams.
  for (int fd = 0; fd < 3; ++fd)
    if (sys::call(__NR_fcntl, fd, F_GETFD) < 0)
      sys::call(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {init_fd, client, lock})
    sys::call(__NR_fcntl, fd, F_SETFD, FD_CLOEXEC);

  size_t size = 0;
  const void* bytes = map(config_fd, size);
  sys::close(config_fd);
  static SupervisorConfig config;
  if (bytes == kFailed || !SupervisorConfig::decode(bytes, size, config)) sys::exit_group(1);
  // Only the program of a bound container gets the streams of the client.
  if (!config.has(kSupervisorBound)) leave_streams();
  UniqueFd agent;
  const uint32_t joined = config.header().joined_pid;
  if (config.has(kSupervisorSharedNetwork)) {
    const uint32_t holder = config.header().holder_pid;
    const AgentFault fault(config.program().header());
    if (!enter_user_namespace_below(client, holder, joined, init_fd, agent, fault))
      sys::exit_group(1);
  } else if (config.has(kSupervisorOwnUserNamespace) && !enter_user_namespace(client, joined)) {
    sys::exit_group(1);
  }
  auto* supervisor = new (supervisor_memory) Supervisor(config, init_fd, lock);
  supervisor->use_agent(static_cast<UniqueFd&&>(agent));
  supervisor->run(client);
  sys::exit_group(0);
}

}  // namespace caisson
