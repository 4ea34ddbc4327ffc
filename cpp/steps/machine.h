// What executing a step needs: the program, the slots, and room for one path. The host phase and
// the container phase each bring a table of handlers; those that both can run are in this
// directory.
#pragma once

#include "../base/result.h"
#include "../base/text.h"
#include "../base/unique_fd.h"
#include "../program/page.h"
#include "../program/program.h"

namespace caisson {

// Whom a step asks that waits for long: true when the start is to end.
struct Canceller {
  bool (*asks)(void* self) = nullptr;
  void* self = nullptr;

  bool cancels() const { return asks != nullptr && asks(self); }
};

struct Machine {
  Machine(const Program& from, Page* shared, Canceller asks = {})
      : program(from), page(shared), canceller(asks) {
    for (int& fd : slots)
      fd = -1;
  }

  const char* text(const Step& step, int index) const { return program.text(step, index); }
  Blob blob(const Step& step, int index) const { return program.blob(step, index); }
  // The descriptor in the step's slot, or -1.
  int slot(const Step& step, int index) const {
    return step.slot[index] < 0 ? -1 : slots[step.slot[index]];
  }
  void fill(const Step& step, int index, int fd) {
    int& place = slots[step.slot[index]];
    if (place >= 0) sys::close(place);
    place = fd;
  }
  // Closes the descriptor in the step's slot.
  void empty(const Step& step, int index) {
    if (step.slot[index] >= 0) fill(step, index, -1);
  }
  // Keeps `text` for an error that outlives the caller's buffer.
  const char* keep(const char* text) {
    copy_text(detail, text);
    return detail;
  }

  const Program& program;
  Page* page;
  Canceller canceller;
  int slots[kMaxSlots];
  int agent = -1;  // in whose network namespace `netlink.request` is sent; -1: in this one
  char detail[sizeof(ErrorRecord::object)];
};

using Handler = Status (*)(Machine&, const Step&);

// The handlers of one phase, by instruction.
class Handlers {
 public:
  constexpr void set(Op op, Handler handler) { handlers_[static_cast<size_t>(op)] = handler; }
  constexpr Handler operator[](Op op) const { return handlers_[static_cast<size_t>(op)]; }

 private:
  Handler handlers_[static_cast<size_t>(Op::kCount)] = {};
};

constexpr size_t kBeforeFirstStep = 0xffffffff;  // in place of a step's index

inline void fill_record(ErrorRecord& record, Phase phase, size_t step, Error error) {
  record.phase = static_cast<uint32_t>(phase);
  record.step = static_cast<uint32_t>(step);
  record.number = error.number;
  copy_text(record.call, error.call);
  copy_text(record.object, error.object);
}

inline void record_error(Page* page, Phase phase, size_t step, Error error) {
  if (load_acquire(page->failed) != 0) return;
  fill_record(page->error, phase, step, error);
  store_release(page->failed, 1u);
}

#ifdef CAISSON_FAULTS
inline Fault fault_at(const Program& program, Phase phase, size_t step) {
  const Header& header = program.header();
  if (header.fault_phase != static_cast<uint16_t>(phase) || header.fault_step != step)
    return Fault::kNone;
  return static_cast<Fault>(header.fault_action);
}
#endif

// What executes each instruction: those that both phases can run in this room, the others in
// host/ and container/. A base slot of -1 means the host's (or the current) root.
namespace steps {
#define INSTRUCTION(op, function, ...) Status function(Machine&, const Step&);
#define NO_FUNCTION(...)
#include "../program/instructions.def"
}  // namespace steps

// The handlers of all instructions that a phase may have, and of no other: what is not named here
// need not be linked.
template <uint8_t kPhase>
constexpr Handlers handlers_of() {
  Handlers all;
#define INSTRUCTION(op, function, name, phases, ...) \
  if constexpr (((phases)&kPhase) != 0) all.set(Op::op, steps::function);
#define NO_FUNCTION(...)
#include "../program/instructions.def"
  return all;
}

}  // namespace caisson
