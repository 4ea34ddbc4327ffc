// The seccomp compiler: what its programs say of system calls, and which profiles it refuses.
// (test/unit/oci/seccomp.test.ts compares it with libseccomp's and runs filters in the kernel.)
#include <errno.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include <iterator>

#include "../../cpp/seccomp/compiler.h"
#include "support/cbpf.h"
#include "support/check.h"

namespace {

using namespace caisson::seccomp;  // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

#if defined(__x86_64__)
constexpr const char* kOwn = "x86_64";
constexpr uint32_t kOwnArch = AUDIT_ARCH_X86_64;
#else
constexpr const char* kOwn = "aarch64";
constexpr uint32_t kOwnArch = AUDIT_ARCH_AARCH64;
#endif
constexpr uint32_t kAllow = SECCOMP_RET_ALLOW, kKill = SECCOMP_RET_KILL_PROCESS;
constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM, kUnknown = SECCOMP_RET_ERRNO | ENOSYS;

Profile profile(std::vector<Rule> rules) {
  return {{kOwn}, kRefuse, kUnknown, std::move(rules)};
}

class Compiled {
 public:
  explicit Compiled(const Profile& from) {
    auto compiled = compile(from);
    expect_equal(compiled.error().number, 0, "errno");
    filter_ = compiled.take();
    expect(is_valid(filter_.program), "a program that the kernel takes");
  }

  uint32_t says(long number, uint64_t first = 0, uint64_t second = 0,
                uint32_t arch = kOwnArch) const {
    return run_filter(filter_.program, {static_cast<int>(number), arch, 0, {first, second}});
  }
  const std::vector<std::string>& unknown() const { return filter_.unknown; }

 private:
  Filter filter_;
};

// Whether openat with this as its first argument meets the condition.
bool meets(Compare compare, uint64_t value, uint64_t value_two, uint64_t argument) {
  const Compiled filter(profile({{{"openat"}, kAllow, {{0, compare, value, value_two}}}}));
  return filter.says(SYS_openat, argument) == kAllow;
}

}  // namespace

int main() {
  test("A call gets the action of its rule, another one the default", [] {
    const Compiled filter(profile(
        {{{"read", "write"}, kAllow, {}}, {{"close"}, kKill, {}}, {{"mseal"}, kAllow, {}}}));
    expect_equal(filter.says(SYS_read), kAllow);
    expect_equal(filter.says(SYS_write), kAllow);
    expect_equal(filter.says(SYS_close), kKill);
    expect_equal(filter.says(SYS_fcntl), kRefuse);
  });

  test("A call that is newer than all that the profile names gets the action for those", [] {
    const Compiled filter(profile({{{"read", "mseal"}, kAllow, {}}}));
    expect_equal(filter.says(462), kAllow, "mseal");
    expect_equal(filter.says(461), kRefuse, "an older one");
    expect_equal(filter.says(463), kUnknown, "a newer one");
    expect_equal(filter.says(0x0fffffff), kUnknown, "a number that no call has");
  });

  test("The calls of another architecture end the process", [] {
    const Compiled filter(profile({{{"read"}, kAllow, {}}}));
    expect_equal(filter.says(SYS_read, 0, 0, AUDIT_ARCH_I386), kKill);
    expect_equal(filter.says(SYS_read, 0, 0, 0), kKill);
  });

  test("Conditions compare all 64 bits, without a sign", [] {
    constexpr uint64_t kValues[] = {0,           1,           0x7fffffff,  0x80000000,
                                    0xffffffff,  0x100000000, 0x100000001, ~uint64_t{0} - 1,
                                    ~uint64_t{0}};
    for (const uint64_t value : kValues)
      for (const uint64_t argument : kValues) {
        const std::string what = std::to_string(argument) + " and " + std::to_string(value);
        expect_equal(meets(Compare::kEqual, value, 0, argument), argument == value, what);
        expect_equal(meets(Compare::kNotEqual, value, 0, argument), argument != value, what);
        expect_equal(meets(Compare::kLess, value, 0, argument), argument < value, what);
        expect_equal(meets(Compare::kLessOrEqual, value, 0, argument), argument <= value, what);
        expect_equal(meets(Compare::kGreater, value, 0, argument), argument > value, what);
        expect_equal(meets(Compare::kGreaterOrEqual, value, 0, argument), argument >= value, what);
        expect_equal(meets(Compare::kMaskedEqual, value, 1, argument),
                     (argument & value) == (value & 1), what);
      }
  });

  test("All conditions of a rule must hold, and the first rule that does decides", [] {
    const Compiled filter(profile({
        {{"openat"}, kAllow, {{0, Compare::kEqual, 1, 0}, {1, Compare::kGreater, 5, 0}}},
        {{"openat"}, kKill, {{0, Compare::kEqual, 1, 0}}},
    }));
    expect_equal(filter.says(SYS_openat, 1, 6), kAllow);
    expect_equal(filter.says(SYS_openat, 1, 5), kKill);
    expect_equal(filter.says(SYS_openat, 2, 6), kRefuse);
  });

  test("A rule without conditions comes before those with some", [] {
    const Compiled filter(profile({
        {{"openat"}, kKill, {{0, Compare::kEqual, 1, 0}}},
        {{"openat"}, kAllow, {}},
    }));
    expect_equal(filter.says(SYS_openat, 1), kAllow);
  });

  test("Many values of one argument reach over more than 255 instructions", [] {
    std::vector<Rule> rules;
    for (uint64_t i = 0; i < 1500; ++i)
      rules.push_back({{"openat"}, kAllow, {{0, Compare::kEqual, i * 2, 0}}});
    const Compiled filter(profile(std::move(rules)));
    for (const uint64_t value : {0, 2, 500, 1998, 2998})
      expect_equal(filter.says(SYS_openat, value), kAllow, std::to_string(value));
    for (const uint64_t value : {1, 501, 2999, 3000})
      expect_equal(filter.says(SYS_openat, value), kRefuse, std::to_string(value));
  });

  test("Names that no architecture has are skipped and told", [] {
    const Compiled filter(profile({{{"read", "no_such_call"}, kAllow, {}}}));
    expect_equal(filter.says(SYS_read), kAllow);
    expect_equal(filter.unknown().size(), size_t{1});
    expect(filter.unknown() == std::vector<std::string>{"no_such_call"}, "its name");
  });

  test("An unknown architecture is refused", [] {
    Profile strange = profile({});
    strange.architectures = {"pdp11"};
    expect_equal(compile(strange).error().number, EINVAL);
  });

  test("A program that is too long for the kernel is refused", [] {
    std::vector<Rule> rules;
    for (uint64_t i = 0; i < 5000; ++i)
      rules.push_back({{"openat"}, kAllow, {{0, Compare::kGreater, i, 0}}});
    expect_equal(compile(profile(std::move(rules))).error().number, E2BIG);
  });

  test("A profile is read from numbers", [] {
    const uint64_t words[] = {kRefuse, kUnknown, 2, kAllow, 0, 1, kKill, 1, 3, 7, 8, 9};
    const auto read = read_profile({kOwn}, {"read", "write", "openat"}, words);
    expect(read.has_value(), "a profile");
    if (!read) return;
    expect_equal(read->default_action, kRefuse);
    expect_equal(read->newer_action, kUnknown);
    expect_equal(read->rules.size(), size_t{2});
    expect(read->rules[0].names == std::vector<std::string>{"read", "write"}, "two names");
    expect(read->rules[1].names == std::vector<std::string>{"openat"}, "one name");
    expect_equal(read->rules[1].action, kKill);
    expect(read->rules[1].conditions == std::vector<Condition>{{3, Compare::kMaskedEqual, 8, 9}},
           "its condition");
  });

  test("Numbers that are no profile are refused", [] {
    const auto refused = [](std::vector<uint64_t> words, const char* what) {
      expect(!read_profile({kOwn}, {"read"}, words), what);
    };
    refused({}, "nothing");
    refused({kAllow}, "one action");
    refused({kAllow, kAllow}, "a name that no rule takes");
    refused({kAllow, kAllow, 2, kAllow, 0}, "more names than there are");
    refused({kAllow, kAllow, 1, kAllow}, "a rule without an end");
    refused({kAllow, kAllow, 1, uint64_t{1} << 32, 0}, "an action of 33 bits");
    refused({kAllow, kAllow, 1, kAllow, 7}, "seven conditions");
    refused({kAllow, kAllow, 1, kAllow, 1, 6, 1, 0, 0}, "a seventh argument");
    refused({kAllow, kAllow, 1, kAllow, 1, 0, 0, 0, 0}, "no comparison");
    refused({kAllow, kAllow, 1, kAllow, 1, 0, 8, 0, 0}, "an unknown comparison");
    refused({kAllow, kAllow, 1, kAllow, 1, 0, 1, 0}, "a condition without an end");
  });

  return result();
}
