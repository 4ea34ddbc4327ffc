#include "check_program.h"

#include <sys/mman.h>

#include "../base/kernel.h"
#include "../base/text.h"
#include "../base/unique_fd.h"

namespace caisson {
namespace {

constexpr size_t kMaxPath = 4096;

// The rest of `text` after `beginning`, or null when it does not begin with that.
const char* after(const char* text, const char* beginning) {
  while (*beginning != '\0')
    if (*text++ != *beginning++) return nullptr;
  return text;
}

// Where `part` begins in `text`, or null.
const char* find(const char* text, const char* part) {
  for (; *text != '\0'; ++text)
    if (after(text, part) != nullptr) return text;
  return nullptr;
}

}  // namespace

CheckProgram::~CheckProgram() {
  if (memory_ != nullptr) sys::call(__NR_munmap, memory_, room_);
}

Status CheckProgram::prepare(Blob bytes, const char* id, int pid, const char* start_time) {
  room_ = bytes.size + kMaxPath + 16;
  const long memory = sys::call(__NR_mmap, nullptr, room_, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return failure(memory, "mmap");
  memory_ = reinterpret_cast<char*>(memory);
  size_ = bytes.size;
  __builtin_memcpy(memory_, bytes.data, size_);
  const char* reason = nullptr;
  if (!Program::decode(memory_, size_, program_, reason)) return Error{ENOEXEC, "decode", reason};
  for (size_t i = 0; i < program_.count(Phase::kHost); ++i) {
    Step& step = writable(program_.step(Phase::kHost, i));
    if (step.op != Op::kProcessOpen) continue;
    step.number[0] = static_cast<uint64_t>(pid);
    if (!parse_number(start_time, step.number[1])) return Error{ENOEXEC, "decode", "a start time"};
  }
  follow_cgroup(id, pid);
  if (!Program::decode(memory_, size_, program_, reason)) return Error{ENOEXEC, "decode", reason};
  return {};
}

// On cgroup v2, a cgroup that enables controllers for child cgroups accepts no process (EBUSY). The
// check goes into the cgroup that the container's first process has moved to, as an exec does
// (lib/engine/start/exec.ts).
void CheckProgram::follow_cgroup(const char* id, int pid) {
  int born = -1;
  const size_t steps = program_.count(Phase::kHost);
  for (size_t i = 0; i < steps; ++i)
    if (program_.step(Phase::kHost, i).op == Op::kClone)
      born = program_.step(Phase::kHost, i).slot[0];
  if (born < 0) return;
  Step* tree = nullptr;
  for (size_t i = 0; i < steps; ++i) {
    const Step& step = program_.step(Phase::kHost, i);
    if (step.op == Op::kTreeOpen && step.slot[0] == born) tree = &writable(step);
  }
  if (tree == nullptr) return;
  // The part of the path from the container's id on; in a systemd scope more follows the id.
  const char* own = find(program_.text(*tree, 0), id);
  if (own == nullptr) return;
  Text<32> path;
  path.add("/proc/").add(static_cast<uint64_t>(pid)).add("/cgroup");
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (!file.valid()) return;
  char lines[2 * kMaxPath];
  const long got = sys::call(__NR_read, file.get(), lines, sizeof lines - 1);
  if (got <= 0) return;
  lines[got] = '\0';
  for (char* line = lines; *line != '\0';) {
    char* end = line;
    while (*end != '\0' && *end != '\n')
      ++end;
    char* const next = *end == '\0' ? end : end + 1;
    *end = '\0';
    const char* at = after(line, "0::") == nullptr ? nullptr : find(line, own);
    line = next;
    const char* below = at == nullptr ? nullptr : after(at, own);
    if (below == nullptr || *below != '/') continue;
    append(*tree, program_.text(*tree, 0), below);
    return;
  }
}

// Appends a text for the step to the arena, which is the end of the program.
void CheckProgram::append(Step& step, const char* first, const char* second) {
  const auto size = static_cast<uint32_t>(length(first) + length(second));
  if (size >= kMaxPath) return;
  const uint32_t at = (size_ + 3) & ~3u;
  const uint32_t end = (at + 4 + size + 1 + 3) & ~3u;
  if (end > room_) return;
  char* text = memory_ + at + 4;
  __builtin_memcpy(memory_ + at, &size, sizeof size);
  __builtin_memcpy(text, first, length(first));
  __builtin_memcpy(text + length(first), second, length(second));
  auto* header = reinterpret_cast<Header*>(memory_);
  header->size = size_ = end;
  step.text[0] = at - header->arena;
}

}  // namespace caisson
