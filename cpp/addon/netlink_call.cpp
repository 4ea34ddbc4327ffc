#include "netlink_call.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <string>
#include <thread>

#include "../base/kernel.h"
#include "../base/netlink.h"
#include "../base/unique_fd.h"
#include "environment.h"

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

class NetlinkCall : public Napi::AsyncWorker {
 public:
  NetlinkCall(Napi::Env env, int protocol, std::string messages, int network, bool dump)
      : Napi::AsyncWorker(env),
        promise_(Napi::Promise::Deferred::New(env)),
        protocol_(protocol),
        messages_(std::move(messages)),
        network_(network),
        dump_(dump) {}

  Napi::Promise promise() const { return promise_.Promise(); }

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
      else
        ask();
    }).join();
  }

  void OnOK() override {
    if (!usable(Env())) return;
    promise_.Resolve(exchange_.outcome(Env()));
  }

 private:
  void ask() { exchange_.ask(protocol_, messages_, dump_, network_ < 0); }

  Napi::Promise::Deferred promise_;
  int protocol_;
  std::string messages_;
  int network_;
  bool dump_;
  Exchange exchange_;
};

// `named` has the name of the interface.
bool has_address(ifreq named, const Napi::Uint8Array& address) {
  const bool ipv4 = address.ByteLength() == sizeof(in_addr);
  const UniqueFd socket(static_cast<int>(
      sys::call(__NR_socket, ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  if (!socket.valid()) return false;
  if (ipv4) {
    // netdevice(7); the kernel answers with this address if the interface has it, and else with
    // another of it.
    sockaddr_in wanted{};
    wanted.sin_family = AF_INET;
    __builtin_memcpy(&wanted.sin_addr, address.Data(), sizeof wanted.sin_addr);
    __builtin_memcpy(&named.ifr_addr, &wanted, sizeof wanted);
    if (sys::call(__NR_ioctl, socket.get(), SIOCGIFADDR, &named) != 0) return false;
    sockaddr_in found{};
    __builtin_memcpy(&found, &named.ifr_addr, sizeof found);
    return found.sin_addr.s_addr == wanted.sin_addr.s_addr;
  }
  // There is no such request for IPv6: a socket that is bound to the interface can have its
  // addresses alone.
  sockaddr_in6 wanted{};
  if (address.ByteLength() != sizeof wanted.sin6_addr) return false;
  wanted.sin6_family = AF_INET6;
  __builtin_memcpy(&wanted.sin6_addr, address.Data(), sizeof wanted.sin6_addr);
  return sys::call(__NR_setsockopt, socket.get(), SOL_SOCKET, SO_BINDTODEVICE, named.ifr_name,
                   sizeof named.ifr_name) == 0 &&
         sys::call(__NR_bind, socket.get(), &wanted, sizeof wanted) == 0;
}

}  // namespace

Napi::Value netlink_call(const Napi::CallbackInfo& info) {
  const auto messages = info[1].As<Napi::Uint8Array>();
  auto* worker = new NetlinkCall(
      info.Env(), info[0].As<Napi::Number>().Int32Value(),
      std::string(reinterpret_cast<const char*>(messages.Data()), messages.ByteLength()),
      info[2].As<Napi::Number>().Int32Value(), info[3].As<Napi::Boolean>().Value());
  worker->Queue();
  return worker->promise();
}

Napi::Value netlink_now(const Napi::CallbackInfo& info) {
  const auto messages = info[1].As<Napi::Uint8Array>();
  Exchange exchange;
  exchange.ask(info[0].As<Napi::Number>().Int32Value(),
               std::string(reinterpret_cast<const char*>(messages.Data()), messages.ByteLength()),
               true, true);
  return exchange.outcome(info.Env());
}

Napi::Value link_index(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  ifreq request{};
  const auto none = Napi::Number::New(info.Env(), 0);
  if (name.size() >= sizeof request.ifr_name) return none;
  name.copy(request.ifr_name, name.size());
  for (size_t i = 1; i < info.Length(); ++i)
    if (!has_address(request, info[i].As<Napi::Uint8Array>())) return none;
  const UniqueFd socket(
      static_cast<int>(sys::call(__NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  if (sys::call(__NR_ioctl, socket.get(), SIOCGIFFLAGS, &request) != 0) return none;
  if ((request.ifr_flags & IFF_UP) == 0) return none;
  if (sys::call(__NR_ioctl, socket.get(), SIOCGIFINDEX, &request) != 0) return none;
  return Napi::Number::New(info.Env(), request.ifr_ifindex);
}

}  // namespace caisson
