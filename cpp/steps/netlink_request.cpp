#include "netlink_request.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/mman.h>

#include "../base/agent_channel.h"
#include "../base/kernel.h"
#include "../base/text.h"
#include "../base/unique_fd.h"
#include "machine.h"
#include "text_lines.h"

namespace caisson {
namespace {

// lib/program/netlink-step.ts
constexpr uint64_t kRemoves = 1;
constexpr uint64_t kWaits = 2;

constexpr size_t kMaxFile = 4 << 20;  // bytes
constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kPatience = 5000 * kMillisecond;

Status send_to_agent(int agent, const NetlinkRequest& netlink, NetlinkRefusal& refusal) {
  AgentRequest request{};
  request.task = AgentTask::kNetlink;
  request.size = netlink.size;
  request.number = static_cast<uint32_t>(netlink.protocol);
  request.namespace_at = netlink.namespace_at;
  const size_t fds = netlink.namespace_at == 0 ? 0 : 1;
  return ask_agent(agent, request, netlink.messages, &netlink.namespace_fd, fds, refusal);
}

Status dump_by_agent(int agent, const NetlinkRequest& netlink, const NetlinkSink& sink,
                     NetlinkRefusal& refusal) {
  AgentRequest request{};
  request.task = AgentTask::kDump;
  request.size = netlink.size;
  request.number = static_cast<uint32_t>(netlink.protocol);
  return ask_agent(agent, request, netlink.messages, nullptr, 0, refusal, &sink);
}

// An element of a map that leads elsewhere is EEXIST or EBUSY.
bool is_taken(int number) {
  return number == EEXIST || number == EBUSY;
}

// Sends the request that a file has (lib/network/bridge/repair-file.ts): false if there is none, or
// the kernel refuses it.
bool send_file(const char* path) {
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)));
  if (!file.valid()) return false;
  struct statx info {};
  const long looked = sys::call(__NR_statx, file.get(), "", AT_EMPTY_PATH, STATX_SIZE, &info);
  if (looked < 0 || info.stx_size == 0 || info.stx_size > kMaxFile) return false;
  const size_t size = info.stx_size;
  const long mapped = sys::call(__NR_mmap, nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped < 0 && mapped > -4096) return false;
  NetlinkRefusal refusal;
  NetlinkRequest request{NETLINK_NETFILTER, reinterpret_cast<const char*>(mapped),
                         static_cast<uint32_t>(size)};
  request.reusable = true;
  const bool sent = send_netlink(request, refusal).ok();
  sys::call(__NR_munmap, mapped, size);
  return sent;
}

// Sends each of the batches, which follow each other, by itself: whatever one of them removes may
// be missing, and keeps no other.
void send_each_batch(Blob batches, int agent) {
  for (size_t begin = 0; begin < batches.size;) {
    size_t end = begin;
    for (bool is_last = false; !is_last;) {
      nlmsghdr header;
      if (batches.size - end < sizeof header) return;
      __builtin_memcpy(&header, batches.data + end, sizeof header);
      const size_t size = NLMSG_ALIGN(header.nlmsg_len);
      if (size < sizeof header || size > batches.size - end) return;
      end += size;
      is_last = header.nlmsg_type == NFNL_MSG_BATCH_END;
    }
    NetlinkRefusal refusal;
    NetlinkRequest request{NETLINK_NETFILTER, batches.data + begin,
                           static_cast<uint32_t>(end - begin)};
    request.reusable = true;
    static_cast<void>(agent < 0 ? send_netlink(request, refusal)
                                : send_to_agent(agent, request, refusal));
    begin = end;
  }
}

}  // namespace

Status request_netlink(const Program& program, const Step& step, int namespace_fd,
                       NetlinkRefusal& refusal, int agent) {
  const Blob messages = program.blob(step, 1);
  NetlinkRequest request{static_cast<int>(step.number[0]), messages.data, messages.size};
  request.namespace_at = static_cast<uint32_t>(step.number[1]);
  request.namespace_fd = namespace_fd;
  request.reusable = true;
  if (request.namespace_at != 0 && namespace_fd < 0) return Error{EINVAL, "sendmsg"};
  Status sent = agent < 0 ? send_netlink(request, refusal) : send_to_agent(agent, request, refusal);
  if (sent.ok()) return sent;
  const int number = sent.error().number;
  const bool fine = number == ENOENT || number == ENODEV || is_taken(number);
  if (step.number[2] == kRemoves && fine) return {};
  return sent;
}

Status save_netlink(const Program& program, const Step& step, int agent) {
  const char* path = program.text(step, 0);
  sys::call(__NR_unlinkat, AT_FDCWD, path, 0);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const long opened = sys::call(__NR_openat, AT_FDCWD, path, kFlags, 0600);
  if (opened < 0) return failure(opened, "openat", path);
  UniqueFd file(static_cast<int>(opened));
  const Blob message = program.blob(step, 1);
  NetlinkRequest request{static_cast<int>(step.number[0]), message.data, message.size};
  const NetlinkSink sink{[](void* self, const char* bytes, size_t size) {
                           const int fd = static_cast<UniqueFd*>(self)->get();
                           return sys::call(__NR_write, fd, bytes, size) == static_cast<long>(size);
                         },
                         &file};
  NetlinkRefusal refusal;
  Status dumped = agent < 0 ? dump_netlink(request, sink, refusal)
                            : dump_by_agent(agent, request, sink, refusal);
  if (dumped.ok()) return dumped;
  sys::call(__NR_unlinkat, AT_FDCWD, path, 0);
  // There is no such set: it has been removed already.
  if (dumped.error().number == ENOENT) return {};
  return Error{dumped.error().number, dumped.error().call, path};
}

namespace steps {

// The error names the refused message, by its line of the step's first text, and the kernel's
// reason. Where something is missing, the request of the file that the third text names comes
// first; where something is in the way, the batches of the fourth one.
Status netlink_request(Machine& machine, const Step& step) {
  NetlinkRefusal refusal;
  Status sent =
      request_netlink(machine.program, step, machine.slot(step, 0), refusal, machine.agent);
  const char* const repair = machine.text(step, 2);
  if (!sent.ok() && sent.error().number == ENOENT && machine.agent < 0 && repair != nullptr &&
      send_file(repair)) {
    refusal = {};
    sent = request_netlink(machine.program, step, machine.slot(step, 0), refusal);
  }
  // Nothing else has these: what is in the way was left by a process that was killed.
  if (const Blob ways = machine.blob(step, 3);
      !sent.ok() && is_taken(sent.error().number) && ways.size > 0) {
    send_each_batch(ways, machine.agent);
    refusal = {};
    sent = request_netlink(machine.program, step, machine.slot(step, 0), refusal, machine.agent);
  }
  const uint64_t end = sys::monotonic() + kPatience;
  while (step.number[2] == kWaits && !sent.ok() && is_taken(sent.error().number) &&
         sys::monotonic() < end) {
    if (machine.canceller.cancels()) return Error{ECANCELED, "sendmsg"};
    sys::sleep(kMillisecond);
    refusal = {};
    sent = request_netlink(machine.program, step, machine.slot(step, 0), refusal, machine.agent);
  }
  if (sent.ok()) return sent;
  const Blob line = line_of(machine.blob(step, 0), refusal.sequence);
  Text<sizeof machine.detail> words;
  words.add(line.data, line.size);
  if (refusal.reason[0] != '\0') words.add(": ").add(refusal.reason);
  return Error{sent.error().number, sent.error().call, machine.keep(words.c_str())};
}

}  // namespace steps
}  // namespace caisson
