#include "netlink_request.h"

#include "../base/kernel.h"
#include "../base/text.h"
#include "machine.h"
#include "text_lines.h"

namespace caisson {
namespace {

constexpr uint64_t kMissingIsFine = 1;

}  // namespace

Status request_netlink(const Program& program, const Step& step, int namespace_fd,
                       NetlinkRefusal& refusal) {
  const Blob messages = program.blob(step, 1);
  NetlinkRequest request{static_cast<int>(step.number[0]), messages.data, messages.size};
  request.namespace_at = static_cast<uint32_t>(step.number[1]);
  request.namespace_fd = namespace_fd;
  if (request.namespace_at != 0 && namespace_fd < 0) return Error{EINVAL, "sendmsg"};
  Status sent = send_netlink(request, refusal);
  if (sent.ok()) return sent;
  const int number = sent.error().number;
  // An element of a map that leads elsewhere by now is EEXIST or EBUSY.
  const bool fine = number == ENOENT || number == ENODEV || number == EEXIST || number == EBUSY;
  if ((step.number[2] & kMissingIsFine) != 0 && fine) return {};
  return sent;
}

namespace steps {

// The error names the refused message, by its line of the step's first text, and the kernel's
// reason.
Status netlink_request(Machine& machine, const Step& step) {
  NetlinkRefusal refusal;
  Status sent = request_netlink(machine.program, step, machine.slot(step, 0), refusal);
  if (sent.ok()) return sent;
  const Blob line = line_of(machine.blob(step, 0), refusal.sequence);
  Text<sizeof machine.detail> words;
  words.add(line.data, line.size);
  if (refusal.reason[0] != '\0') words.add(": ").add(refusal.reason);
  return Error{sent.error().number, sent.error().call, machine.keep(words.c_str())};
}

}  // namespace steps
}  // namespace caisson
