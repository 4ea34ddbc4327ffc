#include "compile_seccomp.h"

#include <string.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../base/kernel.h"
#include "../seccomp/compiler.h"
#include "elements.h"
#include "promise_work.h"

namespace caisson {
namespace {

// Far above any sensible profile; keeps a mistake from becoming an allocation of gigabytes.
constexpr uint32_t kMaxNames = 65536;

class CompileWorker : public PromiseWork {
 public:
  CompileWorker(Napi::Env env, seccomp::Profile profile)
      : PromiseWork(env, "caisson:seccomp"), profile_(std::move(profile)) {}

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

  napi_value answer(Napi::Env env) override {
    const size_t size = filter_.program.size() * sizeof(sock_filter);
    auto bytes = Napi::Uint8Array::New(env, size);
    auto unknown = Napi::Array::New(env, filter_.unknown.size());
    auto result = Napi::Object::New(env);
    if (bytes.IsEmpty() || unknown.IsEmpty() || result.IsEmpty()) return nullptr;
    memcpy(bytes.Data(), filter_.program.data(), size);
    for (uint32_t i = 0; i < filter_.unknown.size(); i++)
      unknown.Set(i, filter_.unknown[i]);
    result.Set("filter", bytes);
    result.Set("unknown", unknown);
    return result;
  }

  napi_value reason(const Napi::Error& failed) override {
    const Napi::Object error = failed.Value();
    error.Set("code", error_.number == E2BIG ? "E2BIG" : "EINVAL");
    return error;
  }

 private:
  seccomp::Profile profile_;
  seccomp::Filter filter_;
  Error error_;
};

bool read_strings(const Napi::Value& value, std::vector<std::string>& strings) {
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  if (array.Length() > kMaxNames) return false;
  bool all = true;
  const bool read = each_element(array, kMaxNames, [&](const Napi::Value& element, uint32_t) {
    all = all && element.IsString();
    if (all) strings.push_back(element.As<Napi::String>().Utf8Value());
  });
  return read && all;
}

std::optional<seccomp::Profile> profile_of(const Napi::CallbackInfo& info) {
  std::vector<std::string> architectures, names;
  if (info.Length() != 3 || !read_strings(info[0], architectures) ||
      !read_strings(info[1], names) || !info[2].IsTypedArray() ||
      info[2].As<Napi::TypedArray>().TypedArrayType() != napi_biguint64_array)
    return std::nullopt;
  const auto words = info[2].As<Napi::BigUint64Array>();
  return seccomp::read_profile(std::move(architectures), std::move(names),
                               {words.Data(), words.ElementLength()});
}

}  // namespace

Napi::Value compile_seccomp(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto profile = profile_of(info);
  if (!profile) {
    Napi::TypeError::New(env, "compileSeccomp: malformed profile").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return PromiseWork::start(std::make_unique<CompileWorker>(env, *std::move(profile)));
}

}  // namespace caisson
