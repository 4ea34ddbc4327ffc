#include "listener.h"

#include <string.h>

#include <algorithm>

namespace caisson {

template <class Values>
void Listener::emit(Event event, Values values) {
  if (!listens()) return;
  const Napi::Env env = environment_.env();
  const Napi::HandleScope scope(env);
  const auto more = values(env);
  std::array<napi_value, more.size() + 1> all{Napi::Number::New(env, static_cast<double>(event))};
  std::copy(more.begin(), more.end(), all.begin() + 1);
  environment_.call(callback_, all);
}

void Listener::emit(Event event) {
  emit(event, [](Napi::Env) { return std::array<napi_value, 0>{}; });
}

void Listener::emit_number(Event event, double number) {
  emit(event, [number](Napi::Env env) {
    return std::array<napi_value, 1>{Napi::Number::New(env, number)};
  });
}

void Listener::failed(const ErrorRecord& error) {
  emit(Event::kFailed,
       [&error](Napi::Env env) { return std::array<napi_value, 1>{error_value(env, error)}; });
}

void Listener::exited(const Exit& exit, const Environment::Numbers& timestamps) {
  emit(Event::kExited, [&](Napi::Env env) {
    return std::array<napi_value, 6>{Napi::Number::New(env, exit.code),
                                     Napi::Number::New(env, exit.signal),
                                     Napi::Number::New(env, exit.oom_kills),
                                     Napi::Number::New(env, exit.bits),
                                     timestamps.array,
                                     timestamps.first};
  });
}

void Listener::data(unsigned stream, const Slab::Part& part) {
  emit(Event::kData, [stream, &part](Napi::Env env) {
    return std::array<napi_value, 4>{Napi::Number::New(env, stream), part.block,
                                     Napi::Number::New(env, static_cast<double>(part.from)),
                                     Napi::Number::New(env, static_cast<double>(part.to))};
  });
}

void Listener::abandon() {
  abandoned_ = true;
  callback_.SuppressDestruct();
}

Napi::Value error_value(Napi::Env env, const ErrorRecord& error) {
  auto value = Napi::Object::New(env);
  value.Set("phase", Napi::Number::New(env, error.phase));
  value.Set("step", Napi::Number::New(env, error.step));
  value.Set("errno", Napi::Number::New(env, error.number));
  // The record comes from memory that a child could write: bounded reads only.
  value.Set("call", Napi::String::New(env, error.call, strnlen(error.call, sizeof error.call)));
  value.Set("object",
            Napi::String::New(env, error.object, strnlen(error.object, sizeof error.object)));
  return value;
}

}  // namespace caisson
