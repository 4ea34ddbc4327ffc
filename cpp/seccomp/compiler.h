// Turns a seccomp profile into the program that the kernel runs at every system call. Layout and
// reasons: docs/decisions/0002-seccomp-layout.md.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "../base/result.h"
#include "profile.h"

namespace caisson::seccomp {

struct Filter {
  std::vector<sock_filter> program;
  std::vector<std::string> unknown;  // names that no architecture has: skipped
};

// EINVAL: an unknown architecture. E2BIG: more instructions than the kernel takes.
Result<Filter> compile(const Profile& profile);

}  // namespace caisson::seccomp
