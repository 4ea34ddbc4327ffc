// Requests to a network agent: a process in the shared network namespace of a rootless user, which
// has rights there that its clients have not (docs/decisions/0023-networks-of-rootless-users.md).
// One stream socket for each client; lib/network/agent/agent-client.ts is the other client.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "netlink.h"
#include "result.h"

namespace caisson {

enum class AgentTask : uint32_t {
  kNetlink = 1,   // bytes: messages
  kDump = 2,      // bytes: one message; the answer has those of the dump
  kSysctl = 3,    // bytes: a path below /proc/sys/net, NUL, a value
  kResolver = 4,  // bytes: the resolver's directory
  kMapIds = 5,    // `number`: pid; its user namespace gets all ids of this one
  kForward = 6,   // starts a forwarder for `number` ports; the descriptor: its channel
                  // (base/forwarded_port.h)
};

struct AgentRequest {
  uint32_t magic;
  AgentTask task;
  uint32_t size;          // of the bytes that follow
  uint32_t number;        // kNetlink, kDump: the protocol
  uint32_t namespace_at;  // as in NetlinkRequest; the descriptor comes with the request, or `pid`
                          // names it
  // The process whose network namespace is meant, for clients that cannot send descriptors: without
  // `namespace_at`, the request is done there. 0: none.
  uint32_t pid;
  uint64_t start_time;  // its own, which tells it from a later process with that pid
};
static_assert(sizeof(AgentRequest) == 32);

struct AgentAnswer {
  uint32_t magic;
  int32_t number;     // errno; 0: done
  uint32_t sequence;  // of the refused message
  uint32_t size;      // of the bytes that follow
  char call[32];
  char reason[160];
};
static_assert(sizeof(AgentAnswer) == 208);

constexpr uint32_t kAgentMagic = 0x314e4741;  // "AGN1"
constexpr uint32_t kMostAgentBytes = 16 << 20;

// Sends one request and waits for the answer. An error's call is a literal, or "agent" where the
// agent has ended. Without a sink the answer has no bytes.
Status ask_agent(int agent, AgentRequest request, const char* bytes, const int* fds,
                 size_t fd_count, NetlinkRefusal& refusal, const NetlinkSink* sink = nullptr);

// All bytes, or an error; ECONNRESET at the end of the stream.
Status send_all(int socket, const char* bytes, size_t size);
Status receive_all(int socket, char* bytes, size_t size);

}  // namespace caisson
