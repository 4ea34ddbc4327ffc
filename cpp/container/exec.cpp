// The last steps: the working directory and the user's program.
#include <elf.h>
#include <linux/prctl.h>
#include <sys/mman.h>

#include "../base/kernel.h"
#include "../base/signals.h"
#include "container_steps.h"

namespace caisson {
Status seal(ContainerMachine& machine) {
  if (machine.sealed) return {};
  const long closed = sys::call(__NR_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
  if (closed < 0) return failure(closed, "close_range");
  if (machine.below_init) await_confined_init(machine);
  // The host phase says which there are to reset, if it has come that far: one call instead
  // of 64. Two are always among them, as Node may have begun to handle them since the clone.
  constexpr uint64_t kNodeIgnores = signal_bit(SIGPIPE) | signal_bit(SIGXFSZ);
  reset_signals(load_acquire(machine.page->signals_known) == 0
                    ? kAllSignals
                    : machine.page->ignored_signals | kNodeIgnores);
  const uint64_t no_signals = 0;
  const long unblocked =
      sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
  if (unblocked < 0) return failure(unblocked, "rt_sigprocmask");
  machine.sealed = true;
  return {};
}

namespace {

constexpr size_t kMaxPath = 4096;

}  // namespace

Status change_directory(const char* path) {
  if (const long moved = sys::call(__NR_chdir, path); moved < 0)
    return failure(moved, "chdir", path);
  // A directory outside the root reads "(unreachable)…" (CVE-2024-21626).
  char where[kMaxPath];
  if (const long got = sys::call(__NR_getcwd, where, sizeof where); got < 0)
    return failure(got, "getcwd", path);
  if (where[0] != '/') return Error{ENOTDIR, "getcwd", path};
  return {};
}

namespace steps {
namespace {

constexpr int kMostInterpreters = 5;  // fs/exec.c, exec_binprm

// A NULL-terminated pointer array over "one\0two\0"; the last NUL may be the text's own.
char** pointers(Blob list) {
  size_t count = 1;
  for (uint32_t i = 0; i < list.size; ++i)
    count += list.data[i] == '\0';
  const long memory = sys::call(__NR_mmap, nullptr, (count + 1) * sizeof(char*),
                                PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return nullptr;
  auto** array = reinterpret_cast<char**>(memory);
  size_t n = 0;
  for (uint32_t i = 0; i < list.size; i += static_cast<uint32_t>(length(list.data + i)) + 1)
    array[n++] = const_cast<char*>(list.data + i);
  array[n] = nullptr;
  return array;
}

struct Runner {
  const char* call = nullptr;
  Text<512> path;
};

// What the kernel runs `path` by: a script's interpreter, or the loader of a dynamic program. None
// for anything else, and for what is not there.
bool find_runner(const char* path, Runner& runner) {
  const long fd = sys::call(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  UniqueFd file(static_cast<int>(fd));
  alignas(Elf64_Ehdr) char head[4096];
  const long size = sys::call(__NR_pread64, file.get(), head, sizeof head - 1, 0);
  if (size < 4) return false;
  head[size] = '\0';
  runner.path.clear();
  if (head[0] == '#' && head[1] == '!') {
    const char* at = head + 2;
    while (*at == ' ' || *at == '\t')
      ++at;
    while (*at != '\0' && *at != ' ' && *at != '\t' && *at != '\n')
      runner.path.add(at++, 1);
    runner.call = "execve interpreter";
    return true;
  }
  const auto* elf = reinterpret_cast<const Elf64_Ehdr*>(head);
  if (size < static_cast<long>(sizeof *elf) || __builtin_memcmp(head, ELFMAG, SELFMAG) != 0 ||
      elf->e_ident[EI_CLASS] != ELFCLASS64)
    return false;
  for (unsigned i = 0; i < elf->e_phnum; ++i) {
    const uint64_t at = elf->e_phoff + uint64_t{i} * sizeof(Elf64_Phdr);
    if (at > static_cast<uint64_t>(size) - sizeof(Elf64_Phdr)) break;
    Elf64_Phdr segment;
    __builtin_memcpy(&segment, head + at, sizeof segment);
    if (segment.p_type != PT_INTERP) continue;
    char loader[512];
    const uint64_t wanted = segment.p_filesz < sizeof loader ? segment.p_filesz : sizeof loader - 1;
    const long got = sys::call(__NR_pread64, file.get(), loader, wanted, segment.p_offset);
    if (got <= 0) return false;
    loader[got] = '\0';
    runner.path.add(loader);
    runner.call = "execve loader";
    return true;
  }
  return false;
}

// ENOENT for a file that exists speaks of what should run it, which may be a script itself. Says
// which is missing.
Error explain_not_found(Machine& machine, const char* path) {
  Error error{ENOENT, "execve", machine.keep(path)};
  Runner runner;
  for (int depth = 0; depth < kMostInterpreters && find_runner(machine.detail, runner); ++depth)
    error = {ENOENT, runner.call, machine.keep(runner.path.c_str())};
  return error;
}

}  // namespace

Status dir_change(Machine& machine, const Step& step) {
  return change_directory(machine.text(step, 0));
}

// Replaces caisson-init by the program: text 0 its arguments, text 1 its environment, text 2 where
// to look for a name without a slash.
Status exec(Machine& machine, const Step& step) {
  const Command& given = container(machine).command;
  const bool is_given = given.arguments.data != nullptr;
  char** arguments = pointers(is_given ? given.arguments : machine.blob(step, 0));
  char** environment = pointers(is_given ? given.environment : machine.blob(step, 1));
  if (arguments == nullptr || environment == nullptr) return failure(-ENOMEM, "mmap");
  if (arguments[0] == nullptr) return failure(-ENOENT, "execve", "");

  if (Status sealed = seal(container(machine)); !sealed.ok()) return sealed;
  // Identities have changed since pid 1 began, which clears the parent-death signal: set it again,
  // and look whether the parent died in between.
  if (!container(machine).outlives_node) {
    if (const long set = sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL); set < 0)
      return failure(set, "prctl PR_SET_PDEATHSIG");
    if (abandoned(container(machine).control)) sys::exit_group(1);
  }
  store_release(machine.page->executing, 1u);
  const char* name = arguments[0];
  if (contains(name, '/')) {
    const long result = sys::call(__NR_execve, name, arguments, environment);
    if (result == -ENOENT) return explain_not_found(machine, name);
    return failure(result, "execve", name);
  }
  // execvp(3): a file that may not be executed is remembered while the search goes on.
  Error error = failure(-ENOENT, "execve", name);
  const char* search = is_given ? given.search_path.data : machine.text(step, 2);
  if (name[0] == '\0') search = nullptr;
  while (search != nullptr) {
    const char* end = search;
    while (*end != '\0' && *end != ':')
      ++end;
    Text<kMaxPath> path;
    path.add(search, static_cast<size_t>(end - search));
    if (path.size() > 0) path.add("/");
    path.add(name);
    search = *end == ':' ? end + 1 : nullptr;
    if (path.truncated()) {
      error = failure(-ENAMETOOLONG, "execve", name);
      continue;
    }
    const long result = sys::call(__NR_execve, path.c_str(), arguments, environment);
    if (result == -ENOENT) {
      if (sys::call(__NR_faccessat, AT_FDCWD, path.c_str(), 0) == 0)
        return explain_not_found(machine, path.c_str());
    } else if (result == -EACCES) {
      error = failure(result, "execve", machine.keep(path.c_str()));
    } else if (result != -ENOTDIR) {
      return failure(result, "execve", machine.keep(path.c_str()));
    }
  }
  return error;
}

}  // namespace steps
}  // namespace caisson
