// dir.make, symlink.make, file.write, file.open
#include <fcntl.h>

#include "machine.h"
#include "resolve.h"

namespace caisson::steps {

Status dir_make(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  const int base = machine.slot(step, 0);
  const auto mode = static_cast<uint32_t>(step.number[0]);
  const bool may_exist = step.number[1] != 0;
  if (may_exist) {
    auto made = ensure_directory(base, path, Follow::kInRoot, mode);
    return made.ok() ? Status{} : Status{made.error()};
  }
  const long made = sys::call(__NR_mkdirat, base >= 0 ? base : AT_FDCWD, path, mode);
  return check(made, "mkdirat", path);
}

Status symlink_make(Machine& machine, const Step& step) {
  const int base = machine.slot(step, 0);
  const char* path = machine.text(step, 1);
  const long made =
      sys::call(__NR_symlinkat, machine.text(step, 0), base >= 0 ? base : AT_FDCWD, path);
  return check(made, "symlinkat", path);
}

Status file_write(Machine& machine, const Step& step) {
  const char* path = machine.text(step, 0);
  const Blob content = machine.blob(step, 1);
  const auto mode = static_cast<uint32_t>(step.number[0]);
  const uint64_t create = mode != 0 ? O_CREAT | O_EXCL : 0;
  const uint64_t empties = step.number[1] != 0 ? O_TRUNC : 0;
  auto file = open_below(machine.slot(step, 0), path, O_WRONLY | O_NOFOLLOW | create | empties,
                         Follow::kInRoot, mode);
  if (!file.ok()) return file.error();
  uint32_t done = 0;
  while (done < content.size) {
    const long n =
        sys::call(__NR_write, file.value().get(), content.data + done, content.size - done);
    if (n < 0) return failure(n, "write", path);
    done += static_cast<uint32_t>(n);
  }
  return {};
}

Status file_open(Machine& machine, const Step& step) {
  auto file = open_below(machine.slot(step, 1), machine.text(step, 0), step.number[0]);
  if (!file.ok()) return file.error();
  machine.fill(step, 0, file.value().release());
  return {};
}

}  // namespace caisson::steps
