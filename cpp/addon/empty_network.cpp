#include "empty_network.h"

#include <linux/sched.h>

#include <mutex>
#include <thread>

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson {
namespace {

int make_network() {
  int made = -EAGAIN;
  // A thread of its own, which ends in that namespace.
  std::thread([&made] {
    const long moved = sys::call(__NR_unshare, CLONE_NEWNET);
    made = static_cast<int>(moved < 0 ? moved
                                      : sys::call(__NR_openat, AT_FDCWD, "/proc/thread-self/ns/net",
                                                  O_RDONLY | O_CLOEXEC));
  }).join();
  return made;
}

}  // namespace

Napi::Value empty_network(const Napi::CallbackInfo& info) {
  static std::mutex mutex;
  static int network = -1;
  const std::lock_guard lock(mutex);
  if (network < 0) network = make_network();
  return Napi::Number::New(info.Env(), network);
}

}  // namespace caisson
