#include "promise_work.h"

#include "environment.h"

namespace caisson {

Napi::Value PromiseWork::start(std::unique_ptr<PromiseWork> work) {
  const Napi::Env env = work->Env();
  napi_value promise = nullptr;
  if (napi_create_promise(env, &work->deferred_, &promise) != napi_ok) return {};
  work.release()->Queue();
  return {env, promise};
}

void PromiseWork::OnOK() {
  const Napi::Env env = Env();
  if (!usable(env)) return;
  const napi_value value = answer(env);
  if (env.IsExceptionPending())
    napi_reject_deferred(env, deferred_, env.GetAndClearPendingException().Value());
  else if (value != nullptr)  // otherwise it was terminated since `usable` was asked
    napi_resolve_deferred(env, deferred_, value);
}

void PromiseWork::OnError(const Napi::Error& error) {
  if (usable(Env())) napi_reject_deferred(Env(), deferred_, reason(error));
}

}  // namespace caisson
