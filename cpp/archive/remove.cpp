#include "../base/kernel.h"
#include "../base/sys.h"
#include "../base/unique_fd.h"
#include "archive_commands.h"
#include "confined.h"
#include "directory_removal.h"
#include "jail.h"
#include "report.h"

namespace caisson {
namespace {

void remove_confined(const Arguments&) {
  Trouble trouble;
  if (Status loaded = load_jail_filter(); !loaded.ok()) {
    trouble = {Refusal::kSystem, loaded.error().call, loaded.error().number};
  } else {
    const UniqueFd root(static_cast<int>(
        sys::call(__NR_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    const long emptied = root.valid() ? empty_directory(root.get(), "", {}) : root.get();
    if (emptied < 0) trouble = {Refusal::kSystem, "unlinkat", static_cast<int>(-emptied)};
  }
  const bool told = Report().trouble(trouble, "").send(kJailReport);
  sys::exit_group(told ? 0 : 1);
}

}  // namespace

int remove_main(const Arguments& arguments) {
  return run_confined(arguments, remove_confined);
}

}  // namespace caisson
