#include "agent_channel.h"

#include <sys/socket.h>

#include "fd_message.h"
#include "kernel.h"
#include "sys.h"
#include "text.h"

namespace caisson {
namespace {

constexpr const char* kAgent = "agent";

// The names of calls that are worth an error of their own; others are the agent's.
const char* literal_of(const char* call) {
  static constexpr const char* kCalls[] = {"sendmsg", "recvfrom", "socket", "openat",   "write",
                                           "setns",   "fork",     "listen", "epoll_ctl"};
  for (const char* known : kCalls)
    if (equal(known, call)) return known;
  return kAgent;
}

// All of it is read, so that the stream is at the next answer.
Status pass_on(int agent, size_t size, const NetlinkSink& sink) {
  Status passed;
  char part[4096];
  while (size > 0) {
    const size_t some = size < sizeof part ? size : sizeof part;
    if (Status got = receive_all(agent, part, some); !got.ok()) return got;
    if (passed.ok() && !sink.take(sink.self, part, some)) passed = Error{ENOSPC, kAgent};
    size -= some;
  }
  return passed;
}

}  // namespace

Status send_all(int socket, const char* bytes, size_t size) {
  while (size > 0) {
    const long sent = sys::call(__NR_sendto, socket, bytes, size, MSG_NOSIGNAL, nullptr, 0);
    if (sent == -EINTR) continue;
    if (sent < 0) return failure(sent, kAgent);
    bytes += sent;
    size -= static_cast<size_t>(sent);
  }
  return {};
}

Status receive_all(int socket, char* bytes, size_t size) {
  while (size > 0) {
    const long got = sys::call(__NR_recvfrom, socket, bytes, size, 0, nullptr, nullptr);
    if (got == -EINTR) continue;
    if (got <= 0) return failure(got < 0 ? got : -ECONNRESET, kAgent);
    bytes += got;
    size -= static_cast<size_t>(got);
  }
  return {};
}

Status ask_agent(int agent, AgentRequest request, const char* bytes, const int* fds,
                 size_t fd_count, NetlinkRefusal& refusal, const NetlinkSink* sink) {
  request.magic = kAgentMagic;
  // The descriptors are with the first part of the stream.
  if (Status sent = send_message(agent, &request, sizeof request, fds, fd_count); !sent.ok())
    return Error{sent.error().number, kAgent};
  if (Status sent = send_all(agent, bytes, request.size); !sent.ok()) return sent;
  AgentAnswer answer;
  if (Status got = receive_all(agent, reinterpret_cast<char*>(&answer), sizeof answer); !got.ok())
    return got;
  if (answer.magic != kAgentMagic || (answer.size != 0 && sink == nullptr))
    return Error{EBADMSG, kAgent};
  if (answer.number == 0) return sink == nullptr ? Status() : pass_on(agent, answer.size, *sink);
  answer.call[sizeof answer.call - 1] = '\0';
  answer.reason[sizeof answer.reason - 1] = '\0';
  refusal.sequence = answer.sequence;
  copy_text(refusal.reason, answer.reason);
  return Error{answer.number, literal_of(answer.call)};
}

}  // namespace caisson
