#include "seccomp.h"

#include <stdint.h>
#include <string.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../base/kernel.h"
#include "environment.h"
#include "seccomp_filter.h"

namespace caisson {
namespace {

// Far above any sensible profile; keeps a mistake from becoming an allocation of gigabytes.
constexpr uint32_t kMaxNames = 65536;

class CompileWorker : public Napi::AsyncWorker {
 public:
  CompileWorker(Napi::Env env, seccomp::Profile profile)
      : Napi::AsyncWorker(env, "caisson:seccomp"),
        deferred_(Napi::Promise::Deferred::New(env)),
        profile_(std::move(profile)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    auto compiled = seccomp::compile(profile_);
    error_ = compiled.error();
    if (compiled.ok()) {
      filter_ = compiled.take();
    } else {
      SetError("seccomp profile cannot be compiled");
    }
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (!usable(env)) return;
    const size_t size = filter_.program.size() * sizeof(sock_filter);
    auto bytes = Napi::Uint8Array::New(env, size);
    auto unknown = Napi::Array::New(env, filter_.unknown.size());
    auto result = Napi::Object::New(env);
    if (env.IsExceptionPending())
      return deferred_.Reject(env.GetAndClearPendingException().Value());
    // Terminated since `usable` was asked.
    if (bytes.IsEmpty() || unknown.IsEmpty() || result.IsEmpty()) return;
    memcpy(bytes.Data(), filter_.program.data(), size);
    for (uint32_t i = 0; i < filter_.unknown.size(); i++)
      unknown.Set(i, filter_.unknown[i]);
    result.Set("filter", bytes);
    result.Set("unknown", unknown);
    deferred_.Resolve(result);
  }

  void OnError(const Napi::Error& failed) override {
    if (!usable(Env())) return;
    const Napi::Object error = failed.Value();
    error.Set("code", error_.number == E2BIG ? "E2BIG" : "EINVAL");
    deferred_.Reject(error);
  }

 private:
  Napi::Promise::Deferred deferred_;
  seccomp::Profile profile_;
  seccomp::Filter filter_;
  Error error_;
};

bool read_strings(const Napi::Value& value, std::vector<std::string>& strings) {
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  if (array.Length() > kMaxNames) return false;
  strings.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Value element = array[i];
    if (!element.IsString()) return false;
    strings.push_back(element.As<Napi::String>().Utf8Value());
  }
  return true;
}

// Takes one word after the other and remembers whether there were enough, and all within bounds.
class Words {
 public:
  Words(const uint64_t* words, size_t count) : next_(words), left_(count) {}

  uint64_t take(uint64_t highest = UINT64_MAX, uint64_t lowest = 0) {
    if (left_ == 0 || *next_ > highest || *next_ < lowest) {
      left_ = 0;
      sound_ = false;
      return lowest;
    }
    left_--;
    return *next_++;
  }

  uint32_t action() { return static_cast<uint32_t>(take(UINT32_MAX)); }
  bool more() const { return left_ > 0; }
  bool sound() const { return sound_; }

 private:
  const uint64_t* next_;
  size_t left_;
  bool sound_ = true;
};

bool read_rules(Words words, std::vector<std::string> names, seccomp::Profile& profile) {
  profile.default_action = words.action();
  profile.newer_action = words.action();
  size_t used = 0;
  while (words.more()) {
    seccomp::Rule& rule = profile.rules.emplace_back();
    for (uint64_t n = words.take(names.size() - used); n > 0; n--) {
      rule.names.push_back(std::move(names[used++]));
    }
    rule.action = words.action();
    for (uint64_t n = words.take(6); n > 0; n--) {
      seccomp::Condition& condition = rule.conditions.emplace_back();
      condition.argument = static_cast<uint8_t>(words.take(5));
      condition.compare = static_cast<seccomp::Compare>(words.take(7, 1));
      condition.value = words.take();
      condition.value_two = words.take();
    }
  }
  return words.sound() && used == names.size();
}

std::optional<seccomp::Profile> read_profile(const Napi::CallbackInfo& info) {
  seccomp::Profile profile;
  std::vector<std::string> names;
  if (info.Length() != 3 || !read_strings(info[0], profile.architectures) ||
      !read_strings(info[1], names) || !info[2].IsTypedArray() ||
      info[2].As<Napi::TypedArray>().TypedArrayType() != napi_biguint64_array) {
    return std::nullopt;
  }
  const auto array = info[2].As<Napi::BigUint64Array>();
  const Words words(array.Data(), array.ElementLength());
  if (!read_rules(words, std::move(names), profile)) return std::nullopt;
  return profile;
}

}  // namespace

Napi::Value CompileSeccomp(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto profile = read_profile(info);
  if (!profile) {
    Napi::TypeError::New(env, "compileSeccomp: malformed profile").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  // Deletes itself when it has answered.
  auto* worker = new CompileWorker(env, *std::move(profile));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace caisson
