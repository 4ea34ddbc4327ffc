#include "id_map_wait.h"

#include "kernel.h"
#include "sys.h"

namespace caisson {

bool await_id_maps(int channel, long moved) {
  const auto answer = static_cast<int32_t>(moved < 0 ? moved : sys::call(__NR_getpid));
  if (sys::call(__NR_write, channel, &answer, sizeof answer) != sizeof answer || moved < 0)
    return false;
  char mapped = 0;
  long got;
  do
    got = sys::call(__NR_read, channel, &mapped, sizeof mapped);
  while (got == -EINTR);
  return got == sizeof mapped;
}

}  // namespace caisson
