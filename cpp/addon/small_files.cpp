#include "small_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "../base/unique_fd.h"

namespace caisson {
namespace {

constexpr size_t kHintSize = 64;

UniqueFd open_hint(const std::string& path, int flags) {
  return UniqueFd(open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600));
}

}  // namespace

Napi::Value begin_claim(const Napi::CallbackInfo& info) {
  const std::string staged = info[0].As<Napi::String>(), link = info[1].As<Napi::String>(),
                    owner = info[2].As<Napi::String>(), path = info[3].As<Napi::String>();
  const auto failed = [&info](int number) { return Napi::Number::New(info.Env(), number); };
  if (mkdir(staged.c_str(), 0700) != 0) return failed(errno);
  if (symlink(owner.c_str(), link.c_str()) != 0) {
    const int number = errno;
    rmdir(staged.c_str());
    return failed(number);
  }
  if (path.empty()) return Napi::String::New(info.Env(), "");
  char text[kHintSize];
  const UniqueFd hint = open_hint(path, O_RDWR | O_CREAT);
  const ssize_t size = hint.valid() ? pread(hint.get(), text, sizeof text, 0) : -1;
  if (size >= 0) return Napi::String::New(info.Env(), text, static_cast<size_t>(size));
  const int number = errno;
  unlink(link.c_str());
  rmdir(staged.c_str());
  return failed(-number);
}

Napi::Value place_claim(const Napi::CallbackInfo& info) {
  const std::string staged = info[0].As<Napi::String>(), directory = info[1].As<Napi::String>(),
                    path = info[2].As<Napi::String>(), text = info[3].As<Napi::String>();
  if (rename(staged.c_str(), directory.c_str()) != 0) return Napi::Number::New(info.Env(), errno);
  if (!path.empty()) {
    const UniqueFd hint = open_hint(path, O_WRONLY);
    // The address is claimed already: a disk that is full must not make an error of it.
    if (hint.valid()) static_cast<void>(pwrite(hint.get(), text.data(), text.size(), 0) < 0);
  }
  return Napi::Number::New(info.Env(), 0);
}

Napi::Value first_byte(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  unsigned char byte = 0;
  const bool there = file.valid() && read(file.get(), &byte, 1) == 1;
  return Napi::Number::New(info.Env(), there ? byte : -1);
}

}  // namespace caisson
