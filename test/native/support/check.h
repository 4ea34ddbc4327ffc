// The little that the native tests need: named cases, expectations that say where they failed, and
// a directory to work in.
#pragma once

#include <functional>
#include <sstream>
#include <string>

namespace caisson::testing {

// Runs one case and says its name; what fails in it is counted and told, and the case goes on.
void test(const char* name, const std::function<void()>& body);

void fail(const std::string& what, const char* file = __builtin_FILE(),
          int line = __builtin_LINE());

inline void expect(bool holds, const std::string& what, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
  if (!holds) fail("expected " + what, file, line);
}

template <class Is, class Should>
void expect_equal(const Is& is, const Should& should, const std::string& what = "",
                  const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (is == should) return;
  std::ostringstream text;
  text << what << (what.empty() ? "" : ": ") << "is " << is << ", not " << should;
  fail(text.str(), file, line);
}

// What main returns.
int result();

// A fresh directory below the system's temporary one; removed at the end of the program.
std::string fresh_directory();

void write_file(const std::string& path, const std::string& content = "");
std::string read_file(const std::string& path);
bool exists(const std::string& path);  // links are not followed

}  // namespace caisson::testing
