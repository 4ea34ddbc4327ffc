// Turns a seccomp profile into the program that the kernel runs at every system call. Layout and
// reasons: docs/decisions/0002-seccomp-layout.md.
#pragma once

#include <linux/filter.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "../base/result.h"

namespace caisson::seccomp {

// Numbered as libseccomp's enum scmp_compare, and as lib/oci/seccomp.ts writes them.
enum class Compare : uint8_t {
  kNotEqual = 1,
  kLess,
  kLessOrEqual,
  kEqual,
  kGreaterOrEqual,
  kGreater,
  kMaskedEqual,  // (argument & value) == value_two
};

// Arguments are compared as the 64-bit unsigned numbers that the kernel hands over.
struct Condition {
  uint8_t argument = 0;  // 0 to 5
  Compare compare = Compare::kEqual;
  uint64_t value = 0;
  uint64_t value_two = 0;

  bool operator==(const Condition&) const = default;
};

struct Rule {
  std::vector<std::string> names;
  uint32_t action = 0;                // a SECCOMP_RET_* value with its data
  std::vector<Condition> conditions;  // all must hold
};

// For one system call, the first rule without conditions decides; where there is none, the first
// rule whose conditions hold; else `default_action`.
struct Profile {
  std::vector<std::string> architectures;  // libseccomp's names, such as x86_64
  uint32_t default_action = 0;
  uint32_t newer_action = 0;  // for numbers beyond the newest that a rule names
  std::vector<Rule> rules;
};

struct Filter {
  std::vector<sock_filter> program;
  std::vector<std::string> unknown;  // names that no architecture has: skipped
};

// EINVAL: an unknown architecture. E2BIG: more instructions than the kernel takes.
Result<Filter> compile(const Profile& profile);

}  // namespace caisson::seccomp
