// The calling thread's capability sets, by capget(2) and capset(2).
#pragma once

#include <linux/capability.h>

#include "../base/sys.h"

namespace caisson {

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};

  long get() { return sys::call(__NR_capget, &header, data); }
  long set() { return sys::call(__NR_capset, &header, data); }
  bool permitted(unsigned cap) const { return (data[cap / 32].permitted >> cap % 32 & 1) != 0; }
  bool inheritable(unsigned cap) const { return (data[cap / 32].inheritable >> cap % 32 & 1) != 0; }
};

}  // namespace caisson
