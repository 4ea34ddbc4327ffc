#include "helper_process.h"

#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../host/spawn.h"
#include "../launcher/launcher.h"
#include "elements.h"
#include "promise_work.h"

namespace caisson {
namespace {

constexpr size_t kStandardStreams = 3;
constexpr size_t kStack = 16 << 10;

class HelperProcess {
 public:
  explicit HelperProcess(UniqueFd pidfd) : pidfd_(std::move(pidfd)) {}
  HelperProcess(const HelperProcess&) = delete;
  HelperProcess& operator=(const HelperProcess&) = delete;
  // JavaScript does not want its end: an environment that ends does not wait for it.
  ~HelperProcess() {
    if (!pidfd_.valid()) return;
    kill();
    Launcher::instance().reap(std::move(pidfd_));
  }

  void kill() const {
    if (pidfd_.valid()) sys::call(__NR_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  }

  // What is still running has nothing left to say; the status of one that is ending is decided.
  siginfo_t end() {
    kill();
    siginfo_t info{};
    long waited;
    do
      waited = sys::call(__NR_waitid, P_PIDFD, pidfd_.get(), &info, WEXITED | __WALL, nullptr);
    while (waited == -EINTR);
    // Reaped by others, which is how a program may be that ignores SIGCHLD.
    if (waited < 0) info = {};
    return info;
  }

  // Taken out by the one call that ends it.
  UniqueFd take() { return std::move(pidfd_); }

 private:
  UniqueFd pidfd_;
};

using Handle = Napi::External<HelperProcess>;

struct Files {
  std::array<int, kMostNumbered> theirs;
  std::array<UniqueFd, kMostNumbered> opened, ours;
  size_t count = 0;
};

Status open_files(Files& files) {
  for (uint32_t i = 0; i < files.count; ++i) {
    int& theirs = files.theirs[i];
    if (theirs == kSocket) {
      int pair[2];
      const long made = sys::call(__NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
      if (made < 0) return failure(made, "socketpair");
      files.ours[i].reset(pair[0]);
      files.opened[i].reset(pair[1]);
    } else if (theirs == kNoFile && i < kStandardStreams) {
      auto null = own_fd(sys::call(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC),
                         "openat", "/dev/null");
      if (!null.ok()) return null.error();
      files.opened[i] = null.take();
    }
    if (files.opened[i].valid()) theirs = files.opened[i].get();
  }
  return {};
}

Result<UniqueFd> start(const std::string& path, const std::vector<std::string>& words,
                       const Files& files) {
  std::vector<const char*> arguments{path.c_str()};
  for (const std::string& word : words)
    arguments.push_back(word.c_str());
  arguments.push_back(nullptr);
  NewProcess process{arguments.data(), -1, {-1, -1, -1, -1, -1}, 0};
  process.path = path.c_str();
  process.numbered = {files.theirs.data(), files.count};
  alignas(16) std::array<unsigned char, kStack> stack;
  UniqueFd pidfd;
  auto pid = spawn(process, 0, -1, stack.data(), stack.size(), pidfd);
  if (!pid.ok()) return pid.error();
  return pidfd;
}

class EndProcess : public PromiseWork {
 public:
  EndProcess(Napi::Env env, UniqueFd pidfd)
      : PromiseWork(env, "caisson:end-process"), process_(std::move(pidfd)) {}

  void Execute() override {
    info_ = process_.end();
    process_.take().reset();
  }

  napi_value answer(Napi::Env env) override {
    auto exit = Napi::Object::New(env);
    const bool exited = info_.si_code == CLD_EXITED;
    exit.Set("code", exited ? info_.si_status : -1);
    exit.Set("signal", exited ? 0 : info_.si_status);
    return exit;
  }

 private:
  HelperProcess process_;
  siginfo_t info_{};
};

}  // namespace

Napi::Value start_process(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto result = Napi::Object::New(env);
  const auto words = strings_of(info[1]);
  const auto wanted = info[2].As<Napi::Array>();
  Files files;
  const bool read =
      each_element(wanted, kMostNumbered, [&files](const Napi::Value& element, uint32_t i) {
        files.theirs[i] = element.As<Napi::Number>().Int32Value();
        files.count = i + 1;
      });
  if (!words || !read) return {};
  Error error = wanted.Length() > kMostNumbered ? Error{E2BIG, "spawn"} : open_files(files).error();
  UniqueFd pidfd;
  if (error.number == 0) {
    auto started = start(info[0].As<Napi::String>().Utf8Value(), *words, files);
    error = started.error();
    pidfd = started.take();
  }
  if (error.number != 0) {
    result.Set("errno", error.number);
    result.Set("call", error.call);
    return result;
  }
  auto process = std::make_unique<HelperProcess>(std::move(pidfd));
  const auto handle =
      Handle::New(env, process.get(), [](Napi::Env, HelperProcess* lost) { delete lost; });
  // In a worker that is being terminated nothing can be made.
  if (handle.IsEmpty()) return {};
  static_cast<void>(process.release());
  auto ends = Napi::Array::New(env, files.count);
  for (uint32_t i = 0; i < files.count; ++i)
    ends.Set(i, files.ours[i].release());
  result.Set("process", handle);
  result.Set("ends", ends);
  return result;
}

Napi::Value kill_process(const Napi::CallbackInfo& info) {
  info[0].As<Handle>().Data()->kill();
  return info.Env().Undefined();
}

Napi::Value end_process(const Napi::CallbackInfo& info) {
  return PromiseWork::start(
      std::make_unique<EndProcess>(info.Env(), info[0].As<Handle>().Data()->take()));
}

}  // namespace caisson
