#include "netlink_call.h"

#include <net/if.h>
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
        error_ = failure(joined, "setns");
      else
        ask();
    }).join();
  }

  void OnOK() override {
    if (!usable(Env())) return;
    auto outcome = Napi::Object::New(Env());
    outcome.Set("errno", error_.number);
    outcome.Set("call", error_.call == nullptr ? "" : error_.call);
    outcome.Set("sequence", refusal_.sequence);
    outcome.Set("reason", static_cast<const char*>(refusal_.reason));
    outcome.Set("data", Napi::Buffer<char>::Copy(Env(), data_.data(), data_.size()));
    promise_.Resolve(outcome);
  }

 private:
  void ask() {
    const NetlinkRequest request{protocol_, messages_.data(),
                                 static_cast<uint32_t>(messages_.size())};
    const NetlinkSink sink{[](void* self, const char* bytes, size_t size) {
                             auto& data = *static_cast<std::string*>(self);
                             if (size > kMaxDump - data.size()) return false;
                             data.append(bytes, size);
                             return true;
                           },
                           &data_};
    error_ =
        (dump_ ? dump_netlink(request, sink, refusal_) : send_netlink(request, refusal_)).error();
  }

  Napi::Promise::Deferred promise_;
  int protocol_;
  std::string messages_;
  int network_;
  bool dump_;
  Error error_;
  NetlinkRefusal refusal_;
  std::string data_;
};

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

Napi::Value link_index(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  ifreq request{};
  const auto none = Napi::Number::New(info.Env(), 0);
  if (name.size() >= sizeof request.ifr_name) return none;
  name.copy(request.ifr_name, name.size());
  const UniqueFd socket(
      static_cast<int>(sys::call(__NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  if (sys::call(__NR_ioctl, socket.get(), SIOCGIFFLAGS, &request) != 0) return none;
  if ((request.ifr_flags & IFF_UP) == 0) return none;
  if (sys::call(__NR_ioctl, socket.get(), SIOCGIFINDEX, &request) != 0) return none;
  return Napi::Number::New(info.Env(), request.ifr_ifindex);
}

}  // namespace caisson
