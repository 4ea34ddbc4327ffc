#include "user_namespace.h"

#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/socket.h>

#include "../agent/network_agent.h"
#include "../base/agent_channel.h"
#include "../base/id_map_wait.h"
#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson {
namespace {

// That it is the process that was meant is seen by the step that opens it again (process.open).
long join_user_namespace(uint32_t pid) {
  const long process = sys::call(__NR_pidfd_open, pid, 0);
  if (process < 0) return process;
  const long joined = sys::call(__NR_setns, process, CLONE_NEWUSER);
  sys::close(static_cast<int>(process));
  return joined < 0 ? joined : sys::call(__NR_unshare, CLONE_NEWNS);
}

// Before this process leaves that user namespace: a sibling or a child of it could not start one.
long start_agent(int holder, int init_fd, UniqueFd& agent, const AgentFault& fault) {
  int pair[2];
  if (const long injected = fault.at(AgentStep::kSocket); injected < 0) return injected;
  const long paired = sys::call(__NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  if (paired < 0) return paired;
  agent.reset(pair[0]);
  const UniqueFd far(pair[1]);
  clone_args clone{};
  clone.exit_signal = SIGCHLD;
  if (const long injected = fault.at(AgentStep::kFork); injected < 0) return injected;
  const long pid = sys::call(__NR_clone3, &clone, sizeof clone);
  if (pid < 0) return pid;
  if (pid > 0) return 0;
  if (fault.at(AgentStep::kEnterNetwork) < 0) sys::exit_group(1);
  if (sys::call(__NR_setns, holder, CLONE_NEWNET) < 0) sys::exit_group(1);
  run_network_agent(far.get(), init_fd);
}

long enter_below(uint32_t pid, uint32_t joined, int init_fd, UniqueFd& agent,
                 const AgentFault& fault) {
  if (const long injected = fault.at(AgentStep::kOpenHolder); injected < 0) return injected;
  const UniqueFd holder(static_cast<int>(sys::call(__NR_pidfd_open, pid, 0)));
  if (!holder.valid()) return -ESRCH;
  if (const long injected = fault.at(AgentStep::kEnterUsers); injected < 0) return injected;
  if (const long entered = sys::call(__NR_setns, holder.get(), CLONE_NEWUSER); entered < 0)
    return entered;
  if (const long started = start_agent(holder.get(), init_fd, agent, fault); started < 0)
    return started;
  if (const long injected = fault.at(AgentStep::kOwnNamespace); injected < 0) return injected;
  if (joined != 0) {
    const long entered = join_user_namespace(joined);
    return entered == -EPERM ? -EXDEV : entered;
  }
  if (const long made = sys::call(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS); made < 0) return made;
  if (const long injected = fault.at(AgentStep::kMapIds); injected < 0) return injected;
  AgentRequest request{};
  request.task = AgentTask::kMapIds;
  request.number = static_cast<uint32_t>(sys::call(__NR_getpid));
  NetlinkRefusal none;
  const Status mapped = ask_agent(agent.get(), request, "", nullptr, 0, none);
  return mapped.ok() ? 0 : -mapped.error().number;
}

}  // namespace

#ifdef CAISSON_FAULTS
long AgentFault::at(AgentStep which) const {
  if (static_cast<uint16_t>(which) != step) return 0;
  if (action != Fault::kFail) sys::call(__NR_kill, sys::call(__NR_getpid), SIGKILL);
  return -EIO;
}
#endif

bool enter_user_namespace_below(int channel, uint32_t holder, uint32_t joined, int init_fd,
                                UniqueFd& agent, const AgentFault& fault) {
  // The agent, which is not an ancestor of this process, writes its id maps.
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  const bool entered = await_id_maps(channel, enter_below(holder, joined, init_fd, agent, fault));
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  return entered;
}

bool enter_user_namespace(int channel, uint32_t joined) {
  // newuidmap(1) maps the ids of its caller's processes only, by the owner of /proc/<pid>: that is
  // root while a process is not dumpable.
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 1);
  // The mount namespace belongs to the user namespace in which it is made.
  const long moved = joined != 0 ? join_user_namespace(joined)
                                 : sys::call(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS);
  const bool mapped = await_id_maps(channel, moved);
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  return mapped;
}

}  // namespace caisson
