#include "netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include "kernel.h"
#include "sys.h"
#include "unique_fd.h"

namespace caisson {
namespace {

constexpr size_t kHeader = sizeof(nlmsghdr);
// An answer is a header, an error number, the header of the message that it is about
// (NETLINK_CAP_ACK), and attributes with a short text.
constexpr size_t kAnswer = 1024;
constexpr uint32_t kUsualSize = 64 << 10;
constexpr size_t kDump = 32 << 10;  // what the kernel fills at most per message of a dump

constexpr size_t aligned(size_t size) {
  return (size + NLMSG_ALIGNTO - 1) & ~size_t{NLMSG_ALIGNTO - 1};
}

template <class T>
T load(const char* at) {
  T value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// Calls `visit` with each message of a buffer until it returns false; EBADMSG if a length is wrong.
template <class Visit>
Status each_message(const char* bytes, size_t size, Visit visit) {
  for (size_t at = 0; at < size;) {
    if (size - at < kHeader) return Error{EBADMSG, "netlink"};
    const auto header = load<nlmsghdr>(bytes + at);
    if (header.nlmsg_len < kHeader || header.nlmsg_len > size - at)
      return Error{EBADMSG, "netlink"};
    if (!visit(header, bytes + at + kHeader, header.nlmsg_len - kHeader)) return {};
    const size_t step = aligned(header.nlmsg_len);
    if (step > size - at) return {};
    at += step;
  }
  return {};
}

// Copies the kernel's words out of the attributes of an answer (NETLINK_EXT_ACK).
void read_reason(const char* attributes, size_t size, NetlinkRefusal& refusal) {
  for (size_t at = 0; size - at >= sizeof(nlattr);) {
    const auto attribute = load<nlattr>(attributes + at);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > size - at) return;
    if ((attribute.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      const char* text = attributes + at + sizeof attribute;
      const size_t length = attribute.nla_len - sizeof attribute;
      size_t i = 0;
      for (; i < length && i + 1 < sizeof refusal.reason && text[i] != '\0'; ++i)
        refusal.reason[i] = text[i];
      refusal.reason[i] = '\0';
      return;
    }
    const size_t step = aligned(attribute.nla_len);
    if (step > size - at) return;
    at += step;
  }
}

// Reads an NLMSG_ERROR; 0 is an acknowledgement.
int read_answer(const nlmsghdr& header, const char* body, size_t size, NetlinkRefusal& refusal) {
  constexpr size_t kFixed = sizeof(nlmsgerr);
  if (size < kFixed) return EBADMSG;
  const int number = -load<int32_t>(body);
  if (number == 0) return 0;
  refusal.sequence = header.nlmsg_seq;
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    // Without NLM_F_CAPPED the whole message is repeated first.
    size_t at = kFixed;
    if ((header.nlmsg_flags & NLM_F_CAPPED) == 0)
      at = sizeof(int32_t) + aligned(load<nlmsghdr>(body + sizeof(int32_t)).nlmsg_len);
    if (at <= size) read_reason(body + at, size - at, refusal);
  }
  return number;
}

uint32_t begun = 0, ended = 0, succeeded = 0;

// The sockets of NETLINK_NETFILTER that are kept: as many as threads of one process use at once.
int kept[4] = {-1, -1, -1, -1};

bool is_kept(const NetlinkRequest& request) {
  return request.reusable && request.protocol == NETLINK_NETFILTER;
}

UniqueFd take_kept() {
  for (int& slot : kept) {
    const int found = __atomic_exchange_n(&slot, -1, __ATOMIC_ACQ_REL);
    if (found >= 0) return UniqueFd(found);
  }
  return {};
}

// Of a request whose answers were all read, or can be: the kernel has sent them.
void keep(const NetlinkRequest& request, UniqueFd socket) {
  if (!is_kept(request)) return;
  char rest[kAnswer];
  long size = 0;
  do
    size =
        sys::call(__NR_recvfrom, socket.get(), rest, sizeof rest, MSG_DONTWAIT, nullptr, nullptr);
  while (size >= 0 || size == -EINTR);
  if (size != -EAGAIN) return;
  for (int& slot : kept) {
    int none = -1;
    if (__atomic_compare_exchange_n(&slot, &none, socket.get(), false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
      static_cast<void>(socket.release());
      return;
    }
  }
}

Result<UniqueFd> open_socket(const NetlinkRequest& request) {
  if (is_kept(request)) {
    UniqueFd found = take_kept();
    if (found.valid()) return found;
  }
  UniqueFd socket(static_cast<int>(
      sys::call(__NR_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, request.protocol)));
  if (!socket.valid()) return failure(socket.release(), "socket");
  const int on = 1;
  // Without the words of the kernel (before Linux 4.12) an error still has its number.
  sys::call(__NR_setsockopt, socket.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  sys::call(__NR_setsockopt, socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (request.strict)
    sys::call(__NR_setsockopt, socket.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return socket;
}

Result<UniqueFd> open_and_send(const NetlinkRequest& request) {
  auto opened = open_socket(request);
  if (!opened.ok()) return opened.error();
  UniqueFd socket = opened.take();
  // More than the buffer of a socket has by default, such as some thousand published ports. Without
  // the right to that, sendmsg(2) fails with EMSGSIZE.
  if (request.size > kUsualSize)
    sys::call(__NR_setsockopt, socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &request.size,
              sizeof request.size);
  if (request.namespace_at > request.size ||
      (request.namespace_at != 0 && request.size - request.namespace_at < sizeof(uint32_t)))
    return Error{EINVAL, "sendmsg"};
  const auto bytes = [&request](uint32_t from, uint32_t to) {
    return iovec{const_cast<char*>(request.messages) + from, to - from};
  };
  int descriptor = request.namespace_fd;
  const uint32_t at = request.namespace_at;
  iovec parts[3] = {bytes(0, request.size), {}, {}};
  if (at != 0) {
    parts[0] = bytes(0, at);
    parts[1] = {&descriptor, sizeof descriptor};
    parts[2] = bytes(at + sizeof descriptor, request.size);
  }
  msghdr message{};
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  message.msg_name = &kernel;
  message.msg_namelen = sizeof kernel;
  message.msg_iov = parts;
  message.msg_iovlen = at != 0 ? 3 : 1;
  const long sent = sys::call(__NR_sendmsg, socket.get(), &message, 0);
  if (sent < 0) return failure(sent, "sendmsg");
  return socket;
}

Status send_and_wait(const NetlinkRequest& request, NetlinkRefusal& refusal) {
  uint32_t last = 0;
  bool answered = false;
  Status checked = each_message(request.messages, request.size,
                                [&](const nlmsghdr& header, const char*, size_t) {
                                  if ((header.nlmsg_flags & NLM_F_ACK) == 0) return true;
                                  last = header.nlmsg_seq;
                                  answered = true;
                                  return true;
                                });
  if (!checked.ok()) return checked;
  if (!answered) return Error{EINVAL, "sendmsg"};
  auto socket = open_and_send(request);
  if (!socket.ok()) return socket.error();
  for (;;) {
    alignas(nlmsghdr) char answer[kAnswer];
    // The kernel answers before sendmsg(2) returns: waiting would be for ever.
    const long size = sys::call(__NR_recvfrom, socket.value().get(), answer, sizeof answer,
                                MSG_DONTWAIT, nullptr, nullptr);
    if (size == -EINTR) continue;
    if (size < 0) return failure(size, "recvfrom");
    int number = 0;
    bool done = false;
    Status read = each_message(answer, static_cast<size_t>(size),
                               [&](const nlmsghdr& header, const char* body, size_t length) {
                                 if (header.nlmsg_type != NLMSG_ERROR) return true;
                                 number = read_answer(header, body, length, refusal);
                                 done = number != 0 || header.nlmsg_seq == last;
                                 return !done;
                               });
    if (!read.ok()) return read;
    if (!done) continue;
    keep(request, socket.take());
    if (number != 0) return Error{number, "sendmsg"};
    return {};
  }
}

}  // namespace

Status send_netlink(const NetlinkRequest& request, NetlinkRefusal& refusal) {
  if (!is_kept(request)) return send_and_wait(request, refusal);
  __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
  const Status sent = send_and_wait(request, refusal);
  if (sent.ok()) __atomic_add_fetch(&succeeded, 1, __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
  return sent;
}

NetfilterRequests netfilter_requests() {
  // In this order: none that has begun before is missing among those that have ended.
  NetfilterRequests requests;
  requests.succeeded = __atomic_load_n(&succeeded, __ATOMIC_SEQ_CST);
  requests.ended = __atomic_load_n(&ended, __ATOMIC_SEQ_CST);
  requests.begun = __atomic_load_n(&begun, __ATOMIC_SEQ_CST);
  return requests;
}

Status dump_netlink(const NetlinkRequest& request, const NetlinkSink& sink,
                    NetlinkRefusal& refusal) {
  auto socket = open_and_send(request);
  if (!socket.ok()) return socket.error();
  bool interrupted = false;
  for (;;) {
    alignas(nlmsghdr) char buffer[kDump];
    const long size = sys::call(__NR_recvfrom, socket.value().get(), buffer, sizeof buffer,
                                MSG_DONTWAIT, nullptr, nullptr);
    if (size == -EINTR) continue;
    if (size < 0) return failure(size, "recvfrom");
    int number = 0;
    bool done = false;
    Status read = each_message(buffer, static_cast<size_t>(size),
                               [&](const nlmsghdr& header, const char* body, size_t length) {
                                 if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0)
                                   interrupted = true;
                                 if (header.nlmsg_type == NLMSG_ERROR)
                                   number = read_answer(header, body, length, refusal);
                                 else if (header.nlmsg_type == NLMSG_DONE && length >= 4)
                                   number = -load<int32_t>(body);
                                 done = done || header.nlmsg_type == NLMSG_DONE ||
                                        header.nlmsg_type == NLMSG_ERROR;
                                 return !done;
                               });
    if (!read.ok()) return read;
    if (number != 0) return Error{number, "recvfrom"};
    if (done && interrupted) return Error{EINTR, "recvfrom"};
    if (!sink.take(sink.self, buffer, static_cast<size_t>(size)))
      return Error{EMSGSIZE, "recvfrom"};
    if (!done) continue;
    keep(request, socket.take());
    return {};
  }
}

}  // namespace caisson
