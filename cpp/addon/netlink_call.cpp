#include "netlink_call.h"

#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <thread>

#include "../base/kernel.h"
#include "../base/netlink.h"
#include "../base/netlink_messages.h"
#include "../base/unique_fd.h"
#include "promise_work.h"

namespace caisson {
namespace {

constexpr size_t kMaxDump = 64 << 20;

struct Exchange {
  Error error;
  NetlinkRefusal refusal;
  std::string data;

  void ask(int protocol, const std::string& messages, bool dump, bool reusable) {
    NetlinkRequest request{protocol, messages.data(), static_cast<uint32_t>(messages.size())};
    request.reusable = reusable;
    const NetlinkSink sink{[](void* self, const char* bytes, size_t size) {
                             auto& all = *static_cast<std::string*>(self);
                             if (size > kMaxDump - all.size()) return false;
                             all.append(bytes, size);
                             return true;
                           },
                           &data};
    error = (dump ? dump_netlink(request, sink, refusal) : send_netlink(request, refusal)).error();
  }

  Napi::Object outcome(Napi::Env env) const {
    auto outcome = Napi::Object::New(env);
    outcome.Set("errno", error.number);
    outcome.Set("call", error.call == nullptr ? "" : error.call);
    outcome.Set("sequence", refusal.sequence);
    outcome.Set("reason", static_cast<const char*>(refusal.reason));
    outcome.Set("data", Napi::Buffer<char>::Copy(env, data.data(), data.size()));
    return outcome;
  }
};

class NetlinkCall : public PromiseWork {
 public:
  NetlinkCall(Napi::Env env, int protocol, std::string messages, int network, bool dump,
              std::string settings)
      : PromiseWork(env, "caisson:netlink"),
        protocol_(protocol),
        messages_(std::move(messages)),
        network_(network),
        dump_(dump),
        settings_(std::move(settings)) {}

  void Execute() override {
    if (network_ < 0) {
      ask();
      return;
    }
    // A thread of its own, which ends in that namespace: none of the pool's may stay there.
    std::thread([this] {
      const long joined = sys::call(__NR_setns, network_, CLONE_NEWNET);
      if (joined < 0)
        exchange_.error = failure(joined, "setns");
      else if (Status written = write_settings(); !written.ok())
        exchange_.error = written.error();
      else
        ask();
    }).join();
  }

  napi_value answer(Napi::Env env) override { return exchange_.outcome(env); }

 private:
  // Files below /proc/sys/net, which shows the namespace of the thread that opens them. One that
  // the kernel does not have is left out.
  Status write_settings() const {
    for (size_t at = 0; at < settings_.size();) {
      const char* path = settings_.c_str() + at;
      at += std::strlen(path) + 1;
      const char* value = settings_.c_str() + at;
      at += std::strlen(value) + 1;
      const long opened = sys::call(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
      if (opened == -ENOENT) continue;
      if (opened < 0) return failure(opened, "openat", path);
      const UniqueFd file(static_cast<int>(opened));
      const long written = sys::call(__NR_write, file.get(), value, std::strlen(value));
      if (written < 0) return failure(written, "write", path);
    }
    return {};
  }

  void ask() { exchange_.ask(protocol_, messages_, dump_, network_ < 0); }

  int protocol_;
  std::string messages_;
  int network_;
  bool dump_;
  std::string settings_;  // path NUL value NUL …
  Exchange exchange_;
};

// Whether the interface has the address. Asked by a dump, for which the kernel needs no lock (since
// Linux 6.9); netdevice(7)'s SIOCGIFADDR would wait for interfaces that are being removed.
bool has_ipv4(int interface, const Napi::Uint8Array& address) {
  NetlinkQuestion<ifaddrmsg> question(RTM_GETADDR);
  question.body.ifa_family = AF_INET;
  question.body.ifa_index = static_cast<unsigned>(interface);
  NetlinkRequest request{NETLINK_ROUTE, reinterpret_cast<const char*>(&question), sizeof question};
  request.strict = true;
  struct Search {
    int interface;
    const uint8_t* address;
    bool found;
  } search{interface, address.Data(), false};
  const NetlinkSink sink{
      [](void* self, const char* bytes, size_t size) {
        auto& wanted = *static_cast<Search*>(self);
        each_message(bytes, size, [&](const nlmsghdr& header, const char* body, size_t length) {
          ifaddrmsg found;
          if (header.nlmsg_type != RTM_NEWADDR || !read_body(body, length, found) ||
              static_cast<int>(found.ifa_index) != wanted.interface)
            return true;
          const char* const local =
              find_attribute<ifaddrmsg>(body, length, IFA_LOCAL, sizeof(in_addr));
          if (local != nullptr && __builtin_memcmp(local, wanted.address, sizeof(in_addr)) == 0)
            wanted.found = true;
          return true;
        });
        return true;
      },
      &search};
  NetlinkRefusal refusal;
  return dump_netlink(request, sink, refusal).ok() && search.found;
}

// There is no such question for one address of IPv6 that works on all kernels: a socket that is
// bound to the interface can have its addresses alone.
bool has_ipv6(const ifreq& named, const Napi::Uint8Array& address) {
  const UniqueFd socket(
      static_cast<int>(sys::call(__NR_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  sockaddr_in6 wanted{};
  wanted.sin6_family = AF_INET6;
  __builtin_memcpy(&wanted.sin6_addr, address.Data(), sizeof wanted.sin6_addr);
  return sys::call(__NR_setsockopt, socket.get(), SOL_SOCKET, SO_BINDTODEVICE, named.ifr_name,
                   sizeof named.ifr_name) == 0 &&
         sys::call(__NR_bind, socket.get(), &wanted, sizeof wanted) == 0;
}

// How often it is asked again while this process is just making a change, which takes less time
// than a look at all rules.
constexpr int kMomentAttempts = 8;

bool take_generation(void* self, const char* bytes, size_t size) {
  each_message(bytes, size, [&](const nlmsghdr& header, const char* body, size_t length) {
    if (header.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) return true;
    const char* const id = find_attribute<nfgenmsg>(body, length, NFTA_GEN_ID, sizeof(uint32_t));
    if (id == nullptr) return true;
    uint32_t number = 0;
    __builtin_memcpy(&number, id, sizeof number);
    *static_cast<uint32_t*>(self) = __builtin_bswap32(number);
    return true;
  });
  return true;
}

}  // namespace

Napi::Value netlink_call(const Napi::CallbackInfo& info) {
  const auto messages = info[1].As<Napi::Uint8Array>();
  return PromiseWork::start(std::make_unique<NetlinkCall>(
      info.Env(), info[0].As<Napi::Number>().Int32Value(),
      std::string(reinterpret_cast<const char*>(messages.Data()), messages.ByteLength()),
      info[2].As<Napi::Number>().Int32Value(), info[3].As<Napi::Boolean>().Value(),
      info[4].As<Napi::String>()));
}

Napi::Value netlink_now(const Napi::CallbackInfo& info) {
  const auto messages = info[1].As<Napi::Uint8Array>();
  Exchange exchange;
  exchange.ask(info[0].As<Napi::Number>().Int32Value(),
               std::string(reinterpret_cast<const char*>(messages.Data()), messages.ByteLength()),
               true, true);
  return exchange.outcome(info.Env());
}

Napi::Value netfilter_moment(const Napi::CallbackInfo& info) {
  const auto question = info[0].As<Napi::Uint8Array>();
  NetlinkRequest request{NETLINK_NETFILTER, reinterpret_cast<const char*>(question.Data()),
                         static_cast<uint32_t>(question.ByteLength())};
  request.reusable = true;
  const auto array = Napi::Array::New(info.Env(), 3);
  for (int attempt = 1;; ++attempt) {
    const NetfilterRequests before = netfilter_requests();
    uint32_t generation = 0;
    NetlinkRefusal refusal;
    const NetlinkSink sink{take_generation, &generation};
    if (!dump_netlink(request, sink, refusal).ok() || generation == 0)
      return info.Env().Undefined();
    const bool exact = before.begun == before.ended && netfilter_requests().begun == before.begun;
    if (!exact && attempt < kMomentAttempts) continue;
    array.Set(0u, generation);
    array.Set(1u, before.succeeded);
    array.Set(2u, exact);
    return array;
  }
}

Napi::Value link_index(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  ifreq request{};
  const auto none = Napi::Number::New(info.Env(), 0);
  if (name.size() >= sizeof request.ifr_name) return none;
  name.copy(request.ifr_name, name.size());
  const ifreq named = request;
  const UniqueFd socket(
      static_cast<int>(sys::call(__NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  if (sys::call(__NR_ioctl, socket.get(), SIOCGIFFLAGS, &request) != 0) return none;
  if ((request.ifr_flags & IFF_UP) == 0) return none;
  if (sys::call(__NR_ioctl, socket.get(), SIOCGIFINDEX, &request) != 0) return none;
  for (size_t i = 1; i < info.Length(); ++i) {
    const auto address = info[i].As<Napi::Uint8Array>();
    const bool ipv4 = address.ByteLength() == sizeof(in_addr);
    if (!ipv4 && address.ByteLength() != sizeof(in6_addr)) return none;
    if (!(ipv4 ? has_ipv4(request.ifr_ifindex, address) : has_ipv6(named, address))) return none;
  }
  return Napi::Number::New(info.Env(), request.ifr_ifindex);
}

}  // namespace caisson
