// caisson-init: one static executable without a libc, run from a sealed memfd. The first argument
// names the subcommand; descriptors are passed by number.
#include <linux/prctl.h>
#include <sys/mman.h>

#include "../base/kernel.h"
#include "../base/signals.h"
#include "../container/container_steps.h"
#include "subcommands.h"

namespace caisson {
namespace {

constexpr int kUsage = 64;

int descriptor(const char* text) {
  uint64_t number = 0;
  return parse_number(text, number) && *text == '\0' && number < 1u << 30 ? static_cast<int>(number)
                                                                          : -1;
}

}  // namespace

void reset_memory_attributes(int page_fd) {
  sys::call(__NR_prctl, PR_SET_THP_DISABLE, 0, 0, 0, 0);
  uint32_t resets = 1;
  sys::call(__NR_pread64, page_fd, &resets, sizeof resets,
            __builtin_offsetof(Page, resets_coredump_filter));
  if (resets == 0) return;
  // Not there in a kernel without core dumps.
  const long filter =
      sys::call(__NR_openat, AT_FDCWD, "/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
  if (filter < 0) return;
  sys::call(__NR_write, static_cast<int>(filter), "0x33", 4);  // core(5)
  sys::close(static_cast<int>(filter));
}

Page* map_page(int page_fd, uint64_t& size) {
  struct statx info {};
  if (sys::call(__NR_statx, page_fd, "", AT_EMPTY_PATH, STATX_SIZE, &info) < 0) return nullptr;
  size = info.stx_size;
  const long memory =
      sys::call(__NR_mmap, nullptr, info.stx_size, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
  sys::close(page_fd);
  return memory < 0 && memory > -4096 ? nullptr : reinterpret_cast<Page*>(memory);
}

void init_main(int page_fd, int control, bool outlives_node, int own_descriptors) {
  // Set first of all, and again after each change of identity; `await`, `init` and `exec` notice
  // when Node's side has ended meanwhile.
  if (!outlives_node) sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  // Nobody inside may look into this process while it still holds anything of the host
  // (CVE-2016-9962).
  sys::call(__NR_prctl, PR_SET_DUMPABLE, 0);
  uint64_t size = 0;
  Page* const page = map_page(page_fd, size);
  if (page == nullptr) sys::exit_group(kUsage);
  page->start[1] = sys::monotonic();
  Program program;
  const char* reason = nullptr;
  if (page->program_size > size - kProgramOffset ||
      !Program::decode(program_of(page), page->program_size, program, reason)) {
    record_error(page, Phase::kContainer, 0, Error{ENOEXEC, "decode", reason});
    sys::exit_group(1);
  }
  // An init that ignored it would reap no process. The others are reset before `exec`.
  reset_signals(signal_bit(SIGCHLD));
  sys::call(__NR_umask, 022);
  ContainerMachine machine(program, page, size, control);
  machine.outlives_node = outlives_node;
  machine.own_descriptors = own_descriptors;
  run_container(machine);
  sys::exit_group(load_acquire(page->failed) == 0 ? 0 : 1);
}

// Called by start.cpp.
extern "C" [[noreturn]] void caisson_main(long* stack) {
  const long count = stack[0];
  auto** arguments = reinterpret_cast<char**>(stack + 1);
  if (count == 4 && equal(arguments[1], "init")) {
    const int page_fd = descriptor(arguments[2]);
    reset_memory_attributes(page_fd);
    init_main(page_fd, descriptor(arguments[3]), false);
  }
  if ((count == 8 || count == 9) && equal(arguments[1], "join")) {
    const char *joined = arguments[6], *created = arguments[7];
    const char* const more = count == 9 ? arguments[8] : "";
    const Joining joining = equal(more, "detached")  ? Joining::kClonesDetached
                            : equal(more, "outside") ? Joining::kStaysOutside
                                                     : Joining::kClones;
    uint64_t namespaces = 0, new_namespaces = 0;
    if (parse_number(joined, namespaces) && parse_number(created, new_namespaces))
      join_main(descriptor(arguments[2]), descriptor(arguments[3]), descriptor(arguments[4]),
                descriptor(arguments[5]), namespaces, new_namespaces, joining, descriptor(more));
  }
  if (count == 8 && equal(arguments[1], "supervisor"))
    supervise_main(descriptor(arguments[2]), descriptor(arguments[3]), descriptor(arguments[4]),
                   descriptor(arguments[6]));
  if (count >= 12 && equal(arguments[1], "helper")) {
    uint64_t numbers[4] = {};  // place, ready, place of the socket, number of requests
    bool valid = true;
    for (int i = 0; i < 4; ++i) {
      const char* text = arguments[6 + i];
      valid = parse_number(text, numbers[i]) && valid;
    }
    if (valid && numbers[3] < static_cast<uint64_t>(count - 11))
      helper_main({descriptor(arguments[2]),
                   descriptor(arguments[3]),
                   descriptor(arguments[4]),
                   descriptor(arguments[5]),
                   numbers[0],
                   numbers[1],
                   {arguments + 11, numbers[3], numbers[2]},
                   arguments[10],
                   arguments + 11 + numbers[3]});
  }
  if (count >= 6 && equal(arguments[1], "user-network")) {
    const char* place = arguments[4];
    uint64_t number = 0;
    if (parse_number(place, number))
      user_network_main(descriptor(arguments[2]), arguments[3], number, arguments[5],
                        arguments + 6);
  }
  if (count >= 9 && equal(arguments[1], "recover-user-network")) {
    uint64_t numbers[4];
    bool all = true;
    for (int i = 0; i < 4; ++i) {
      const char* text = arguments[4 + i];
      all = parse_number(text, numbers[i]) && all;
    }
    if (all)
      recover_user_network_main(descriptor(arguments[2]), arguments[3],
                                {numbers[0], numbers[1], numbers[2] != 0}, numbers[3], arguments[8],
                                arguments + 9);
  }
  if (count == 4 && equal(arguments[1], "network-agent")) {
    const char* holder = arguments[3];
    uint64_t pid = 0;
    if (parse_number(holder, pid)) network_agent_main(descriptor(arguments[2]), pid);
  }
  if (count == 3 && equal(arguments[1], "teardown")) tear_down_main(descriptor(arguments[2]));
  if (count == 4 && equal(arguments[1], "cleanup"))
    cleanup_main(descriptor(arguments[2]), descriptor(arguments[3]));
  if (count == 4 && equal(arguments[1], "resolver"))
    resolver_main(descriptor(arguments[2]), arguments[3]);
  if (count == 3 && equal(arguments[1], "resolve")) resolve_main(descriptor(arguments[2]));
  if (count >= 9 && equal(arguments[1], "terminal")) {
    const char *window = arguments[4], *variables = arguments[6];
    char** const environment = arguments + 7;
    uint64_t size = 0, number = 0;
    // Program and argument 0 follow the variables.
    if (parse_number(window, size) && parse_number(variables, number) &&
        number < static_cast<uint64_t>(count - 8)) {
      const char* const path = environment[number];
      environment[number] = nullptr;
      terminal_main(descriptor(arguments[2]), descriptor(arguments[3]), static_cast<uint32_t>(size),
                    {arguments[5], path, environment + number + 1, environment});
    }
  }
  if (count == 3 && equal(arguments[1], "probe")) probe_main(arguments[2]);
  sys::exit_group(kUsage);
}

}  // namespace caisson
