// Requests to the kernel over netlink(7): rtnetlink(7) for interfaces, addresses and routes,
// nfnetlink for nftables. A request is one or more messages, sent at once. TypeScript encodes them
// (lib/network/netlink/), so that all of what a start asks for is data of its program.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "result.h"

namespace caisson {

struct NetlinkRequest {
  int protocol;  // NETLINK_ROUTE, NETLINK_NETFILTER
  const char* messages;
  uint32_t size;
  // Where in the messages a descriptor of a network namespace (IFLA_NET_NS_FD) goes; 0: nowhere.
  uint32_t namespace_at = 0;
  int namespace_fd = -1;
  // The calling thread is in the network namespace that the process has begun in: a socket may be
  // kept for the next request. To close one of NETLINK_NETFILTER, the kernel waits until what
  // nf_tables has removed is freed (nft_rcv_nl_event() of nf_tables_api.c), with a lock held that
  // every request to nf_tables needs: more than 10 ms, where the request itself takes some 10 µs.
  bool reusable = false;
  // Of a dump: the kernel leaves out what the question does not ask for (NETLINK_GET_STRICT_CHK,
  // since Linux 4.20).
  bool strict = false;
};

// Why the kernel has refused a message: its sequence number (0 where the request as a whole could
// not be sent), and the kernel's words (NLMSGERR_ATTR_MSG), if it has any.
struct NetlinkRefusal {
  uint32_t sequence = 0;
  char reason[160] = {};
};

// Sends the request in the current network namespace and reads the answer to each
// message that asks for one (NLM_F_ACK); the last one has to. The kernel has answered when the call
// returns. The first refusal is the error.
Status send_netlink(const NetlinkRequest& request, NetlinkRefusal& refusal);

// The requests to nf_tables that this process has sent with `reusable`, as far as they are no
// dumps. Each that has succeeded has changed the ruleset at most once.
struct NetfilterRequests {
  uint32_t begun;
  uint32_t ended;
  uint32_t succeeded;
};
NetfilterRequests netfilter_requests();

// What receives the messages of a dump.
struct NetlinkSink {
  // False: no room for them.
  bool (*take)(void* self, const char* bytes, size_t size);
  void* self;
};

// Sends one request with NLM_F_DUMP, and passes on what the kernel has. EINTR: it has changed
// meanwhile (NLM_F_DUMP_INTR), and has to be asked again.
Status dump_netlink(const NetlinkRequest& request, const NetlinkSink& sink,
                    NetlinkRefusal& refusal);

}  // namespace caisson
