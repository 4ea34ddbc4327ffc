// Texts without a libc.
#include "../../cpp/base/text.h"

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

// The number at the beginning of a text and what is left, or "none".
std::string parsed(const char* text) {
  uint64_t number = 0;
  if (!parse_number(text, number)) return "none";
  return std::to_string(number) + "|" + text;
}

}  // namespace

int main() {
  test("Text is built piece by piece", [] {
    Text<32> text;
    expect_equal(std::string(text.c_str()), std::string());
    text.add("ab").add("").add("cdef", 2).add(uint64_t{0}).add(uint64_t{42}).add("\xff");
    expect_equal(std::string(text.c_str()), std::string("abcd042\xff"));
    expect_equal(text.size(), 8u);
    expect(!text.truncated(), "not truncated");
    text.clear();
    expect_equal(text.size(), 0u);
    expect_equal(std::string(text.c_str()), std::string());
  });

  test("Text writes the largest number", [] {
    Text<21> text;
    text.add(UINT64_MAX);
    expect_equal(std::string(text.c_str()), std::string("18446744073709551615"));
    expect(!text.truncated(), "not truncated");
  });

  test("Text keeps what fits, ends with NUL and says so", [] {
    Text<4> text;
    text.add("abc");
    expect(!text.truncated(), "not truncated");
    text.add("d");
    expect(text.truncated(), "truncated");
    expect_equal(std::string(text.c_str()), std::string("abc"));
    text.clear();
    expect(!text.truncated(), "not truncated after clear");
    text.add(uint64_t{12345});
    expect(text.truncated(), "truncated");
    expect_equal(std::string(text.c_str()), std::string("123"));
  });

  test("copy_text", [] {
    char to[4] = {'x', 'x', 'x', 'x'};
    copy_text(to, "ab");
    expect_equal(std::string(to), std::string("ab"));
    copy_text(to, "abcdef");
    expect_equal(std::string(to), std::string("abc"));
    copy_text(to, nullptr);
    expect_equal(std::string(to), std::string());
  });

  test("equal, contains, length", [] {
    expect(equal("", "") && equal("a", "a"), "equal");
    expect(!equal("a", "") && !equal("", "a") && !equal("a", "ab") && !equal("ab", "a"),
           "prefixes");
    expect(!equal("a", "b"), "others");
    expect(contains("abc", 'c') && !contains("abc", 'd') && !contains("", 'a'), "contains");
    expect_equal(length(""), 0u);
    expect_equal(length("abc"), 3u);
  });

  test("parse_number", [] {
    expect_equal(parsed("0"), std::string("0|"));
    expect_equal(parsed("007x"), std::string("7|x"));
    expect_equal(parsed("12 34"), std::string("12| 34"));
    expect_equal(parsed("18446744073709551615"), std::string("18446744073709551615|"));
    for (const char* none : {"", "-1", "+1", " 1", "x", "18446744073709551616",
                             "99999999999999999999", "184467440737095516150"})
      expect_equal(parsed(none), std::string("none"), none);
  });

  return result();
}
