// An epoll instance (epoll(7)) whose events say which table of the process they belong to, a
// `Source`, and which entry of it.
#pragma once

#include <sys/epoll.h>

#include "kernel.h"
#include "sys.h"
#include "unique_fd.h"

namespace caisson {

template <class Source>
class EventSet {
 public:
  struct Event {
    Source source;
    uint32_t index;
    uint32_t events;
  };

  bool open() {
    fd_.reset(static_cast<int>(sys::call(__NR_epoll_create1, EPOLL_CLOEXEC)));
    return fd_.valid();
  }

  // Readable if there are events: one set can be in another one.
  int get() const { return fd_.get(); }

  // `events` 0 is nothing but the end of the other side.
  bool add(int fd, Source source, size_t index, uint32_t events) {
    return control(EPOLL_CTL_ADD, fd, source, index, events);
  }
  bool change(int fd, Source source, size_t index, uint32_t events) {
    return control(EPOLL_CTL_MOD, fd, source, index, events);
  }

  // Calls `visit` for each event; waits for at most so many milliseconds, without a limit below 0.
  template <class Visit>
  void wait(int milliseconds, Visit visit) {
    epoll_event found[kAtOnce];
    const long count =
        sys::call(__NR_epoll_pwait, fd_.get(), found, kAtOnce, milliseconds, nullptr, 0);
    for (long i = 0; i < count; ++i)
      visit(Event{static_cast<Source>(found[i].data.u64 >> 32),
                  static_cast<uint32_t>(found[i].data.u64), found[i].events});
  }

 private:
  static constexpr int kAtOnce = 64;

  bool control(int operation, int fd, Source source, size_t index, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<uint64_t>(source) << 32 | index;
    return sys::call(__NR_epoll_ctl, fd_.get(), operation, fd, &event) >= 0;
  }

  UniqueFd fd_;
};

}  // namespace caisson
