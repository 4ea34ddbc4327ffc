// caisson-archive: a static program that reads and writes archives for Node, after it has confined
// itself (docs/decisions/0026-images.md).
#include <string_view>

#include "../base/kernel.h"
#include "../base/signals.h"
#include "../base/sys.h"
#include "archive_commands.h"

int main(int count, char** arguments) {
  using namespace caisson;  // NOLINT(google-build-using-namespace)
  // Those of Node, or of a program around it.
  reset_signals(ignored_signals());
  constexpr uint64_t kNone = 0;
  sys::call(__NR_rt_sigprocmask, SIG_SETMASK, &kNone, nullptr, sizeof kNone);
  struct Subcommand {
    std::string_view name;
    int (*run)(const Arguments&);
  };
  constexpr Subcommand kSubcommands[] = {
      {"unpack", unpack_main}, {"remove", remove_main}, {"view", view_main}};
  for (const auto& [name, run] : kSubcommands)
    if (count > 1 && name == arguments[1])
      return run(Arguments({arguments + 2, static_cast<size_t>(count - 2)}));
  constexpr std::string_view kMessage = "caisson-archive: it is run by caisson only\n";
  sys::call(__NR_write, 2, kMessage.data(), kMessage.size());
  return 2;
}
