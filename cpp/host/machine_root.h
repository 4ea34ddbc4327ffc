// Who has rights over the machine, and not over a part of it alone.
#pragma once

#include <fcntl.h>

#include "../base/text.h"
#include "../base/unique_fd.h"

namespace caisson {

// Whether the calling process is in the machine's first user namespace, which maps every id to
// itself (user_namespaces(7)); a kernel without them has no such file. The root of another one may
// do no more to what is the machine's than any user (lib/host/confinement.ts).
inline bool in_first_user_namespace() {
  const UniqueFd file(static_cast<int>(
      sys::call(__NR_openat, AT_FDCWD, "/proc/self/uid_map", O_RDONLY | O_CLOEXEC)));
  char text[64] = {};
  if (!file.valid() || sys::call(__NR_read, file.get(), text, sizeof text - 1) < 0) return true;
  return equal(text, "         0          0 4294967295\n");
}

inline bool is_machine_root() {
  return sys::call(__NR_geteuid) == 0 && in_first_user_namespace();
}

}  // namespace caisson
