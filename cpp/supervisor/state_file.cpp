#include "state_file.h"

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/text.h"
#include "../steps/start_time.h"

namespace caisson {
namespace {

constexpr const char* kState = "state.json";
constexpr const char* kNext = "state.json.new";
constexpr size_t kMaxEvent = 16u << 10;
constexpr uint64_t kBillion = 1000000000;

constexpr long kMaxEventFile = 4 << 20;  // bytes, as lib/engine/store/event-log.ts has it

bool read_link(const char* path, char (&to)[128]) {
  const long size = sys::call(__NR_readlinkat, AT_FDCWD, path, to, sizeof to - 1);
  if (size <= 0) return false;
  to[size] = '\0';
  return true;
}

// Whether the process "pid start-time boot-id" still runs; `own` is the same text of this process,
// for the boot id.
bool is_alive(const char* name, const char* own) {
  uint64_t pid = 0;
  if (!parse_number(name, pid) || *name++ != ' ' || pid == 0 || pid > INT32_MAX) return false;
  char start[24];
  read_start_time(static_cast<int>(pid), start);
  if (start[0] == '\0') return false;
  const char* expected = start;
  while (*expected != '\0' && *name == *expected)
    ++name, ++expected;
  if (*expected != '\0' || *name++ != ' ') return false;
  for (int spaces = 0; spaces < 2; ++own) {
    if (*own == '\0') return false;
    if (*own == ' ') ++spaces;
  }
  return equal(name, own);
}

// Two processes that rotate at once would rename a new file over the full one. So only the process
// that has made a link rotates, after it has looked at the size once more. A link whose process has
// ended is removed, and the next event rotates.
void rotate_events(const char* path, const char* owner) {
  Text<4096> lock, older;
  lock.add(path).add(".rotating");
  older.add(path).add(".1");
  if (lock.truncated() || older.truncated()) return;
  const long linked = sys::call(__NR_symlinkat, owner, AT_FDCWD, lock.c_str());
  if (linked == -EEXIST) {
    char other[128], again[128];
    if (read_link(lock.c_str(), other) && !is_alive(other, owner) &&
        read_link(lock.c_str(), again) && equal(other, again))
      sys::call(__NR_unlinkat, AT_FDCWD, lock.c_str(), 0);
    return;
  }
  if (linked < 0) return;
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)));
  if (file.valid() && sys::call(__NR_lseek, file.get(), 0, SEEK_END) >= kMaxEventFile)
    sys::call(__NR_renameat2, AT_FDCWD, path, AT_FDCWD, older.c_str(), 0);
  sys::call(__NR_unlinkat, AT_FDCWD, lock.c_str(), 0);
}

using StateText = Text<4096>;

StateText text_of(const StateRecord& state) {
  StateText text;
  text.add("{\"status\":\"").add(state.status);
  text.add("\",\"pid\":").add(static_cast<uint64_t>(state.pid));
  text.add(",\"startTime\":\"").add(state.start_time);
  text.add("\",\"supervisor\":\"").add(state.supervisor);
  text.add("\",\"idBase\":").add(uint64_t{state.id_base});
  text.add(",\"startedAt\":\"").add(state.started_at);
  text.add("\",\"finishedAt\":\"").add(state.finished_at);
  text.add("\",\"exitCode\":").add(static_cast<uint64_t>(state.exit_code));
  text.add(",\"oomKilled\":").add(state.oom_killed ? "true" : "false");
  add_json(text.add(",\"error\":\""), state.error);
  text.add("\",\"restartCount\":").add(uint64_t{state.restart_count});
  text.add(",\"stopped\":").add(state.stopped ? "true" : "false");
  text.add(",\"logLost\":").add(state.log_lost).add("}\n");
  return text;
}

}  // namespace

Status prepare_state(int directory) {
  static constexpr StateRecord kCreated;
  const StateText text = text_of(kCreated);
  const char* const names[] = {kState, kNext};
  for (const char* name : names) {
    const long fd = sys::call(__NR_openat, directory, name,
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -EEXIST) continue;
    if (fd < 0) return failure(fd, "openat", name);
    const UniqueFd file(static_cast<int>(fd));
    const long written = sys::call(__NR_write, file.get(), text.c_str(), text.size());
    if (written == static_cast<long>(text.size())) continue;
    sys::call(__NR_unlinkat, directory, name, 0);
    return failure(written < 0 ? written : -ENOSPC, "write", name);
  }
  return {};
}

Status write_state(int directory, const StateRecord& state) {
  const StateText text = text_of(state);
  // The state before the last is overwritten and then exchanged with the last one, so that there is
  // room also on a full disk.
  auto file = own_fd(
      sys::call(__NR_openat, directory, kNext, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600),
      "openat", kNext);
  if (!file.ok()) return file.error();
  const long written = sys::call(__NR_write, file.value().get(), text.c_str(), text.size());
  if (written < 0) return failure(written, "write", kNext);
  if (static_cast<size_t>(written) != text.size()) return Error{ENOSPC, "write", kNext};
  const long cut = sys::call(__NR_ftruncate, file.value().get(), text.size());
  if (cut < 0) return failure(cut, "ftruncate", kNext);
  const long exchanged =
      sys::call(__NR_renameat2, directory, kNext, directory, kState, RENAME_EXCHANGE);
  if (exchanged >= 0) return {};
  // This filesystem cannot exchange files: the next state needs new room.
  return check(sys::call(__NR_renameat2, directory, kNext, directory, kState, 0), "renameat2",
               kState);
}

void read_start_time(int pid, char (&to)[24]) {
  to[0] = '\0';
  Text<32> path;
  path.add("/proc/").add(static_cast<uint64_t>(pid)).add("/stat");
  const UniqueFd file(
      static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (!file.valid()) return;
  auto began = read_start_time(file.get());
  if (!began.ok()) return;
  Text<sizeof to> text;
  copy_text(to, text.add(began.value()).c_str());
}

void append_event(const char* path, const char* owner, const char* action,
                  const EventSubject& subject, const char* more) {
  const WallTime now = wall_time();
  Text<kMaxEvent> text;
  text.add("{\"type\":\"").add(subject.type).add("\",\"action\":\"").add(action);
  text.add("\",\"id\":\"").add(subject.id);
  text.add("\",\"attributes\":{").add(subject.attributes);
  if (more[0] != '\0') text.add(subject.attributes[0] == '\0' ? "" : ",").add(more);
  text.add("},\"timeNano\":\"");
  text.add(static_cast<uint64_t>(now.seconds) * kBillion + static_cast<uint64_t>(now.nanoseconds));
  text.add("\"}\n");
  if (text.truncated()) return;
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  const UniqueFd file(static_cast<int>(sys::call(__NR_openat, AT_FDCWD, path, flags, 0600)));
  if (!file.valid()) return;
  const long written = sys::call(__NR_write, file.get(), text.c_str(), text.size());
  // The disk is full. The next event must not become a part of this line.
  if (written > 0 && static_cast<size_t>(written) < text.size())
    sys::call(__NR_write, file.get(), "\n", 1);
  if (sys::call(__NR_lseek, file.get(), 0, SEEK_END) >= kMaxEventFile) rotate_events(path, owner);
}

}  // namespace caisson
