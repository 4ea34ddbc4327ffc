#include "read_below.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../steps/regular_file.h"
#include "elements.h"
#include "merged_layers.h"
#include "promise_work.h"

namespace caisson {
namespace {

class ReadBelow : public PromiseWork {
 public:
  ReadBelow(Napi::Env env, std::vector<std::string> roots, std::string path, size_t limit)
      : PromiseWork(env, "caisson:read-below"),
        roots_(std::move(roots)),
        path_(std::move(path)),
        limit_(limit) {}

  void Execute() override { error_ = read(); }

  napi_value answer(Napi::Env env) override {
    if (error_ != 0) return Napi::Number::New(env, error_);
    return Napi::Buffer<char>::Copy(env, bytes_.data(), bytes_.size());
  }

 private:
  Result<RegularFile> find(int own) {
    if (roots_.size() > 1) return open_merged(roots_, path_, own, limit_);
    const UniqueFd root(open(roots_[0].c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) return Error{errno, "open"};
    return open_regular(root.get(), path_.c_str(), own, limit_);
  }

  int read() {
    const UniqueFd own(open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!own.valid()) return errno;
    auto file = find(own.get());
    if (!file.ok()) return file.error().number;
    bytes_.resize(file.value().size);
    size_t size = 0;
    while (size < bytes_.size()) {
      const ssize_t n = ::read(file.value().fd.get(), bytes_.data() + size, bytes_.size() - size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      if (n == 0) break;
      size += static_cast<size_t>(n);
    }
    bytes_.resize(size);
    return 0;
  }

  std::vector<std::string> roots_;
  std::string path_;
  size_t limit_;
  std::string bytes_;
  int error_ = 0;
};

}  // namespace

Napi::Value read_below(const Napi::CallbackInfo& info) {
  auto roots = strings_of(info[0]);
  if (!roots) return {};
  if (roots->empty()) {
    Napi::RangeError::New(info.Env(), "no root").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return PromiseWork::start(std::make_unique<ReadBelow>(info.Env(), *std::move(roots),
                                                        info[1].As<Napi::String>(),
                                                        info[2].As<Napi::Number>().Uint32Value()));
}

}  // namespace caisson
