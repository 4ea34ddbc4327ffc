// The forwarder of a rootless user's published ports (agent/forwarder.cpp) ends with its channel,
// or when it is killed. Another one takes its place then, on ports that are bound anew.
#include "../base/kernel.h"
#include "supervisor.h"

namespace caisson {
namespace {

// Between two of them, and between attempts: what kills them may do so again.
constexpr uint64_t kPause = 1'000'000'000;

}  // namespace

// While a run begins, its program has the channel.
bool Supervisor::forwarder_is_polled() const {
  return !state_.is(State::kStarting);
}

// It was killed, or it gives no answer: then its ports are free when its end of the channel is.
void Supervisor::forwarder_ended() {
  if (!workplace_.forwarder.valid()) return;
  workplace_.forwarder.reset();
  const uint64_t now = sys::monotonic(), earliest = forwarder_replaced_ + kPause;
  deadlines_.set(Deadline::kForwarder, now < earliest ? earliest : now);
}

void Supervisor::replace_forwarder() {
  if (workplace_.forwarder.valid()) return;
  forwarder_replaced_ = sys::monotonic();
  const Status replaced =
      caisson::replace_forwarder(workplace_, programs_.present().program(), programs_.coming());
  if (!replaced.ok()) {
    const int number = replaced.error().number;
    if (!ports_lost_) {
      Text<32> reason;
      reason.add("\"errno\":\"").add(static_cast<uint64_t>(number)).add("\"");
      event("ports_lost", reason.c_str());
    }
    ports_lost_ = true;
    // Without an agent there is none until the container is started again.
    const bool has_agent = number != EBADF && number != EPIPE && number != ECONNRESET;
    if (has_agent) deadlines_.set(Deadline::kForwarder, forwarder_replaced_ + kPause);
    return;
  }
  if (state_.is(State::kPausing)) pause_forwarder();
  ports_lost_ = false;
  event("ports_restored");
}

// The networks of the container that runs have changed.
void Supervisor::change_forwarder(const Program& next) {
  if (!workplace_.forwarder.valid()) return;
  redirect_forwarder(workplace_.forwarder, next);
  if (workplace_.forwarder.valid()) return;
  deadlines_.set(Deadline::kForwarder, sys::monotonic());
}

// Between two runs.
void Supervisor::pause_forwarder() {
  if (!workplace_.forwarder.valid()) return;
  caisson::pause_forwarder(workplace_.forwarder);
  if (workplace_.forwarder.valid()) return;
  deadlines_.set(Deadline::kForwarder, sys::monotonic() + kPause);
}

void Supervisor::give_up_ports() {
  deadlines_.clear(Deadline::kForwarder);
  end_forwarder(workplace_.forwarder);
}

}  // namespace caisson
