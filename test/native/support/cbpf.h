// Classic BPF as the kernel checks and runs it for seccomp(2): kernel/seccomp.c, net/core/filter.c.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>

#include <vector>

namespace caisson::testing {

// Whether the kernel would take the program: known instructions, jumps that stay inside, loads that
// lie in struct seccomp_data, an end.
bool is_valid(const std::vector<sock_filter>& program);

// What a valid program says of a system call.
uint32_t run_filter(const std::vector<sock_filter>& program, const seccomp_data& call);

}  // namespace caisson::testing
