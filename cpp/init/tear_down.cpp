#include <linux/prctl.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../steps/machine.h"
#include "../steps/teardown.h"
#include "subcommands.h"
#include "user_namespace.h"

namespace caisson {
namespace {

// The program names one container's directory and cgroups.
alignas(Step) unsigned char bytes[64u << 10];

// Everything that is sent, until the other end has no more.
size_t receive(int channel) {
  size_t size = 0;
  while (size < sizeof bytes) {
    const long got = sys::call(__NR_read, channel, bytes + size, sizeof bytes - size);
    if (got == -EINTR) continue;
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  return size;
}

}  // namespace

void tear_down_main(int channel) {
  sys::call(__NR_fcntl, channel, F_SETFD, FD_CLOEXEC);
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-delete");
  if (!enter_user_namespace(channel)) sys::exit_group(1);
  Program program;
  const char* reason = nullptr;
  ErrorRecord record{};
  const size_t size = receive(channel);
  if (!Program::decode(bytes, size, program, reason)) {
    fill_record(record, Phase::kTeardown, 0, Error{EINVAL, "decode", reason});
  } else if (const TeardownResult result = run_teardown(program); !result.status.ok()) {
    fill_record(record, Phase::kTeardown, result.step, result.status.error());
  }
  const bool told = sys::call(__NR_write, channel, &record, sizeof record) == sizeof record;
  sys::exit_group(told ? 0 : 1);
}

}  // namespace caisson
