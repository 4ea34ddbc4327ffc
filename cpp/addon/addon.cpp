// The N-API surface: converts arguments, hands work to host/, nothing else. lib/native/binding.ts
// types it.
#include <napi.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../launcher/launcher.h"
#include "compile_seccomp.h"
#include "container_calls.h"
#include "empty_network.h"
#include "environment.h"
#include "helper_process.h"
#include "layouts.h"
#include "listener.h"
#include "look_along.h"
#include "netlink_call.h"
#include "read_below.h"
#include "small_files.h"
#include "tree_size.h"

namespace caisson {
namespace {

Napi::Value setup(const Napi::CallbackInfo& info) {
  Launcher::instance().set_init_path(info[0].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

// A callback that native threads carry along; it may outlive the environment.
std::shared_ptr<Napi::FunctionReference> persistent(const Napi::Value& function) {
  auto reference =
      std::make_shared<Napi::FunctionReference>(Napi::Persistent(function.As<Napi::Function>()));
  reference->SuppressDestruct();
  return reference;
}

// lockByte(fd, offset, type) → whether the byte is now ours (or, with a type of `none`, no longer):
// an open-file-description lock (fcntl(2)), `exclusive` by default, or `shared`,
// which the kernel gives back when the last copy of the descriptor is closed, however that comes
// about.
Napi::Value lock_byte(const Napi::CallbackInfo& info) {
  struct flock lock {};
  const std::string type =
      info[2].IsString() ? info[2].As<Napi::String>().Utf8Value() : "exclusive";
  lock.l_type = static_cast<short>(type == "shared" ? F_RDLCK : type == "none" ? F_UNLCK : F_WRLCK);
  lock.l_whence = SEEK_SET;
  lock.l_start = info[1].As<Napi::Number>().Int64Value();
  lock.l_len = 1;
  const int result = fcntl(info[0].As<Napi::Number>().Int32Value(), F_OFD_SETLK, &lock);
  return Napi::Boolean::New(info.Env(), result == 0);
}

// overlay takes layers as descriptors from Linux 6.13 on, of mounts that are attached nowhere from
// 6.15 on. The latter it refuses only at the very end: where the version does not say it already,
// one has to make an overlay to know, which may take milliseconds.
bool overlay_takes_descriptors() {
  utsname kernel{};
  uname(&kernel);
  char* end = kernel.release;
  const long major = strtol(kernel.release, &end, 10);
  const long minor = *end == '.' ? strtol(end + 1, nullptr, 10) : 0;
  if (major > 6 || (major == 6 && minor >= 15)) return true;
  const UniqueFd context(static_cast<int>(sys::call(__NR_fsopen, "overlay", FSOPEN_CLOEXEC)));
  if (!context.valid()) return false;
  const auto add = [&context](const UniqueFd& layer) {
    return sys::call(__NR_fsconfig, context.get(), FSCONFIG_SET_FD, "lowerdir+", nullptr,
                     layer.get()) == 0;
  };
  if (!add(UniqueFd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)))) return false;
  auto detached = make_filesystem("tmpfs", "size=64k", 0);
  if (!detached.ok() || mkdirat(detached.value().get(), "layer", 0755) != 0) return false;
  return add(UniqueFd(openat(detached.value().get(), "layer", O_PATH | O_CLOEXEC))) &&
         sys::call(__NR_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  auto facts = Napi::Object::New(info.Env());
  facts.Set("overlayByDescriptor", Napi::Boolean::New(info.Env(), overlay_takes_descriptors()));
  return facts;
}

// tearDown(teardown, callback): for containers whose owner is gone.
Napi::Value tear_down(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  const auto bytes = info[0].As<Napi::Uint8Array>();
  auto callback = persistent(info[1]);
  environment.begin_work();
  Launcher::instance().tear_down(
      ProgramBytes::copy(bytes.Data(), bytes.ByteLength()),
      [inbox = environment.inbox(), &environment, callback](TeardownOutcome outcome) {
        inbox->post([&environment, callback, outcome] {
          environment.end_work();
          if (!environment.usable()) return;
          const Napi::Env env = environment.env();
          const napi_value error =
              outcome.failed ? error_value(env, outcome.error) : Napi::Value(env.Null());
          environment.call(*callback, {&error, 1});
          callback->Reset();
        });
      });
  return info.Env().Undefined();
}

// keep(config, ids, lock, id, callback): starts a supervisor. The callback gets an error or null,
// and this end of the connection to it.
Napi::Value keep(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  const auto bytes = info[0].As<Napi::Uint8Array>();
  auto start = std::make_shared<SupervisorStart>();
  start->config = ProgramBytes::copy(bytes.Data(), bytes.ByteLength());
  if (const int ids = info[1].As<Napi::Number>().Int32Value(); ids >= 0)
    start->ids.reset(fcntl(ids, F_DUPFD_CLOEXEC, 3));
  start->lock.reset(fcntl(info[2].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3));
  start->id = info[3].As<Napi::String>().Utf8Value();
  auto callback = persistent(info[4]);
  environment.begin_work();
  Launcher::instance().start_supervisor(
      start, [inbox = environment.inbox(), &environment, callback](Result<UniqueFd> result) {
        // Shared, because functions are copied.
        auto outcome = std::make_shared<Result<UniqueFd>>(std::move(result));
        inbox->post([&environment, callback, outcome] {
          environment.end_work();
          if (!environment.usable()) return;
          const Napi::Env env = environment.env();
          std::array<napi_value, 2> arguments{env.Null(), env.Null()};
          if (outcome->ok()) {
            arguments[1] = Napi::Number::New(env, outcome->value().release());
          } else {
            Launch failed;
            failed.fail(Phase::kHost, kBeforeFirstStep, outcome->error());
            arguments[0] = error_value(env, failed.error);
          }
          environment.call(*callback, arguments);
          callback->Reset();
        });
      });
  return info.Env().Undefined();
}

Napi::Value retain(const Napi::CallbackInfo& info) {
  const auto bytes = info[0].As<Napi::Uint8Array>();
  Launcher::instance().retain(ProgramBytes::copy(bytes.Data(), bytes.ByteLength()));
  Environment::of(info.Env()).engine_opened();
  return info.Env().Undefined();
}

// release(callback): called when the cleanup helper has ended too, if this was the last engine of
// the process.
Napi::Value release(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto callback = persistent(info[0]);
  environment.begin_work();
  environment.engine_closed();
  Launcher::instance().release([inbox = environment.inbox(), &environment, callback] {
    inbox->post([&environment, callback] {
      environment.end_work();
      if (!environment.usable()) return;
      environment.call(*callback, {});
      callback->Reset();
    });
  });
  return info.Env().Undefined();
}

// hurry(): callers that wait until nothing is left are notified at once.
Napi::Value hurry(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).hurry();
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData<Environment>(new Environment(env));
  exports.Set("setup", Napi::Function::New(env, setup));
  add_container_calls(env, exports);
  exports.Set("lockByte", Napi::Function::New(env, lock_byte));
  exports.Set("beginClaim", Napi::Function::New(env, begin_claim));
  exports.Set("placeClaim", Napi::Function::New(env, place_claim));
  exports.Set("firstByte", Napi::Function::New(env, first_byte));
  exports.Set("readBelow", Napi::Function::New(env, read_below));
  exports.Set("lookAlong", Napi::Function::New(env, look_along));
  exports.Set("treeSize", Napi::Function::New(env, tree_size));
  exports.Set("startProcess", Napi::Function::New(env, start_process));
  exports.Set("killProcess", Napi::Function::New(env, kill_process));
  exports.Set("endProcess", Napi::Function::New(env, end_process));
  exports.Set("emptyNetwork", Napi::Function::New(env, empty_network));
  exports.Set("netlink", Napi::Function::New(env, netlink_call));
  exports.Set("netlinkNow", Napi::Function::New(env, netlink_now));
  exports.Set("netfilterMoment", Napi::Function::New(env, netfilter_moment));
  exports.Set("linkIndex", Napi::Function::New(env, link_index));
  exports.Set("probe", Napi::Function::New(env, probe));
  exports.Set("tearDown", Napi::Function::New(env, tear_down));
  exports.Set("keep", Napi::Function::New(env, keep));
  exports.Set("retain", Napi::Function::New(env, retain));
  exports.Set("hurry", Napi::Function::New(env, hurry));
  exports.Set("release", Napi::Function::New(env, release));
  exports.Set("compileSeccomp", Napi::Function::New(env, compile_seccomp));
#ifdef CAISSON_FAULTS
  exports.Set("layouts", Napi::Function::New(env, layouts));
  exports.Set("faults", Napi::Boolean::New(env, true));
#else
  exports.Set("faults", Napi::Boolean::New(env, false));
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(caisson, initialize)

}  // namespace caisson
