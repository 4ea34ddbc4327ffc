// A seccomp profile, and how it comes from JavaScript.
#pragma once

#include <stdint.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

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

// Reads the profile that lib/oci/seccomp-encode.ts has written as numbers: the default action, the
// action for calls newer than the profile, then for each rule how many of `names` it takes, its
// action, its number of conditions, and four words for each condition: argument, comparison, value,
// second value. None for what is not of that shape.
std::optional<Profile> read_profile(std::vector<std::string> architectures,
                                    std::vector<std::string> names,
                                    std::span<const uint64_t> words);

}  // namespace caisson::seccomp
