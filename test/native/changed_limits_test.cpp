// The limits that `update` changes: what is stored of them, and what is written at the next run.
#include "../../cpp/supervisor/changed_limits.h"

#include <errno.h>

#include <memory>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

// Texts as a frame has them.
std::string texts(std::initializer_list<std::string> all) {
  std::string bytes;
  for (const std::string& text : all)
    bytes += text + '\0';
  return bytes;
}

long add(ChangedLimits& limits, const std::string& bytes) {
  return limits.add(bytes.data(), bytes.size());
}

}  // namespace

int main() {
  test("Bytes that are no list of pairs are refused", [] {
    ChangedLimits limits;
    for (const std::string& bytes :
         {std::string(), std::string("path"), texts({"path"}), texts({"path", "1", "other"}),
          texts({"path"}) + "1", texts({"a", "1", "b"}) + "2"})
      expect_equal(add(limits, bytes), long{-EINVAL}, std::to_string(bytes.size()) + " bytes");
  });

  test("The last value for each file is written, and no file is created", [] {
    const std::string directory = fresh_directory();
    const std::string first = directory + "/memory.max", second = directory + "/pids.max",
                      missing = directory + "/cpu.max";
    write_file(first, "");
    write_file(second, "");
    ChangedLimits limits;
    limits.apply();
    expect_equal(read_file(first), std::string());
    expect_equal(add(limits, texts({first, "1", second, "22", missing, "max"})), 0L);
    expect_equal(add(limits, texts({first, "4096"})), 0L);
    expect_equal(add(limits, texts({second, "33", second, "44"})), 0L);
    limits.apply();
    expect_equal(read_file(first), std::string("4096"));
    expect_equal(read_file(second), std::string("44"));
    expect(!exists(missing), "no file to be made");
  });

  test("An empty value replaces an older one", [] {
    const std::string path = fresh_directory() + "/cpuset.cpus";
    write_file(path, "");
    ChangedLimits limits;
    expect_equal(add(limits, texts({path, "0-1", path, ""})), 0L);
    limits.apply();
    expect_equal(read_file(path), std::string());
  });

  test("A value that does not fit is refused, and replacing one takes no room", [] {
    auto limits = std::make_unique<ChangedLimits>();
    const std::string value(1000, '1');
    int kept = 0;
    while (add(*limits, texts({"path" + std::to_string(kept), value})) == 0)
      ++kept;
    expect_equal(kept, 16);
    expect_equal(add(*limits, texts({"another", value})), long{-E2BIG});
    for (int i = 0; i < 100; ++i)
      expect_equal(add(*limits, texts({"path7", value})), 0L);
    expect_equal(add(*limits, texts({"small", "1"})), 0L);
  });

  test("The budget follows the limit of processor time", [] {
    ChangedLimits limits;
    CpuBudget budget;
    limits.note(budget);
    expect(!budget.limited(), "no limit");
    expect_equal(add(limits, texts({"/a/memory.max", "1", "/a/cpu.max", "5000 100000"})), 0L);
    limits.note(budget);
    expect(budget.limited(), "a limit");
    expect_equal(add(limits, texts({"/a/cpu.max", "max 100000"})), 0L);
    budget.clear();
    limits.note(budget);
    expect(!budget.limited(), "no limit any more");
  });
  return result();
}
