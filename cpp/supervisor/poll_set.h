// The descriptors that one ppoll(2) waits for.
#pragma once

#include <poll.h>
#include <stddef.h>

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson {

template <size_t N>
class PollSet {
 public:
  // Where the events of `fd` will be, for `events`. A descriptor below 0 is not added, since
  // ppoll(2) refuses more entries than the limit on open files, which may be low: the first entry
  // stands for all of these, and never has events.
  size_t add(int fd, short events) {
    if (fd < 0) return 0;
    entries_[count_] = {fd, events, 0};
    return count_++;
  }

  // Milliseconds; below 0: without a limit. True when there are events.
  bool wait(int milliseconds) {
    const timespec limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
    const long ready =
        sys::call(__NR_ppoll, entries_, count_, milliseconds < 0 ? nullptr : &limit, nullptr, 0);
    if (ready < 0 && ready != -EINTR) sys::sleep(1'000'000);  // out of memory, perhaps
    if (ready > 0) return true;
    for (size_t i = 0; i < count_; ++i)
      entries_[i].revents = 0;
    return false;
  }

  short events(size_t at) const { return entries_[at].revents; }

 private:
  pollfd entries_[1 + N] = {{-1, 0, 0}};
  size_t count_ = 1;
};

}  // namespace caisson
