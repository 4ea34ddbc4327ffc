#include "orphan.h"

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson {

void become_orphan() {
#if defined(__x86_64__)
  const long forked = sys::call(__NR_fork);
#else
  const long forked = sys::call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
#endif
  if (forked != 0) sys::exit_group(forked < 0 ? 1 : 0);
}

}  // namespace caisson
