// Work for a thread of libuv's pool, and the promise that it settles.
#pragma once

#include <napi.h>

#include <memory>

namespace caisson {

class PromiseWork : public Napi::AsyncWorker {
 public:
  // Queues the work, which deletes itself when it has ended, and returns its promise. In a worker
  // that is being terminated no promise can be made: then nothing is done, and the value is empty.
  // (Napi::Promise::Deferred leaves it uninitialized, and JavaScript would be given that.)
  static Napi::Value start(std::unique_ptr<PromiseWork> work);

  void OnOK() final;
  void OnError(const Napi::Error& error) final;

 protected:
  PromiseWork(Napi::Env env, const char* name) : Napi::AsyncWorker(env, name) {}

  // What the promise resolves to. Empty if it cannot be made; then it rejects with the pending
  // exception, if there is one.
  virtual napi_value answer(Napi::Env env) = 0;
  // After SetError.
  virtual napi_value reason(const Napi::Error& error) { return error.Value(); }

 private:
  napi_deferred deferred_ = nullptr;
};

}  // namespace caisson
