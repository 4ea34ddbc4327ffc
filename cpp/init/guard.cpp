#include <linux/prctl.h>
#include <sys/mman.h>

#include "../base/fd_message.h"
#include "../base/sys.h"
#include "../program/control.h"
#include "../steps/teardown.h"
#include "faces.h"

namespace caisson {
namespace {

constexpr int kReset = 104;
constexpr uint64_t kPause = 10'000'000;  // nanoseconds

// One container that may need undoing: its teardown program in a mapping of its own.
struct Charge {
  Charge* next;
  size_t mapped;
  uint64_t token;
  size_t size;
  // the program follows
};
static_assert(sizeof(Charge) % alignof(Step) == 0);

void* program_bytes(Charge* charge) {
  return charge + 1;
}

Charge* remember(Charge* head, uint64_t token, const void* bytes, size_t size) {
  const size_t mapped = sizeof(Charge) + size;
  const long memory = sys::call(__NR_mmap, nullptr, mapped, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return head;  // the next Engine.open() cleans instead
  auto* charge = reinterpret_cast<Charge*>(memory);
  *charge = Charge{head, mapped, token, size};
  __builtin_memcpy(program_bytes(charge), bytes, size);
  return charge;
}

Charge* forget(Charge* head, uint64_t token) {
  for (Charge** at = &head; *at != nullptr; at = &(*at)->next)
    if ((*at)->token == token) {
      Charge* gone = *at;
      *at = gone->next;
      sys::call(__NR_munmap, gone, gone->mapped);
      break;
    }
  return head;
}

void undo(Charge* charge) {
  Program program;
  const char* reason = nullptr;
  if (Program::decode(program_bytes(charge), charge->size, program, reason))
    static_cast<void>(run_teardown(program));
}

alignas(Step) unsigned char message[kMaxGuardMessage];

}  // namespace

void guard_face(int socket) {
  sys::call(__NR_setsid);
  sys::call(__NR_prctl, PR_SET_NAME, "caisson-guard");
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  // Holds nothing of Node's open but its own socket, and no directory busy.
  const long kept = sys::call(__NR_dup3, socket, 0, 0);
  if (kept < 0) sys::exit_group(1);
  sys::call(__NR_close_range, 1, ~0u, 0);
  sys::call(__NR_chdir, "/");

  Charge* charges = nullptr;
  int fds[kMaxPassedFds];
  for (;;) {
    auto received = receive_message(0, message, sizeof message, fds);
    if (!received.ok()) {
      // Out of memory, perhaps: Node lives, and so do its containers.
      if (received.error().number == kReset) break;
      sys::sleep(kPause);
      continue;
    }
    const size_t size = received.value().size;
    if (size == 0) break;
    for (size_t i = 0; i < received.value().fd_count; ++i)
      sys::close(fds[i]);
    if (size < sizeof(GuardMessage)) continue;
    GuardMessage head;
    __builtin_memcpy(&head, message, sizeof head);
    if (head.verb == GuardVerb::kAdd)
      charges = remember(charges, head.token, message + sizeof head, size - sizeof head);
    else if (head.verb == GuardVerb::kDone)
      charges = forget(charges, head.token);
  }
  for (Charge* charge = charges; charge != nullptr; charge = charge->next)
    undo(charge);
  sys::exit_group(0);
}

}  // namespace caisson
