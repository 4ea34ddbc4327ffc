// health.json, as the supervisor writes it.
#include "../../cpp/supervisor/health_file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <memory>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

std::unique_ptr<CheckResult> result(int exit_code, const char* note, const std::string& output) {
  auto made = std::make_unique<CheckResult>();
  copy_text(made->start, "2026-01-31T23:59:58.000000001Z");
  copy_text(made->end, "2026-01-31T23:59:59.000000001Z");
  made->exit_code = exit_code;
  copy_text(made->note, note);
  made->size = static_cast<uint32_t>(output.size());
  memcpy(made->output, output.data(), output.size());
  return made;
}

std::string written(HealthStatus status, uint32_t streak, const CheckResult* const* results,
                    unsigned count) {
  const std::string directory = fresh_directory();
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  write_file(directory + "/health.json", "what was there before");
  expect(write_health(fd, status, streak, results, count).ok(), "it to be written");
  // Which the next one is written over: there is room for it on a full disk, too.
  expect_equal(read_file(directory + "/health.json.new"), std::string("what was there before"));
  close(fd);
  return read_file(directory + "/health.json");
}

constexpr const char* kTimes =
    "{\"start\":\"2026-01-31T23:59:58.000000001Z\",\"end\":\"2026-01-31T23:59:59.000000001Z\",";

}  // namespace

int main() {
  test("Before the first check the file says starting", [] {
    expect_equal(written(HealthStatus::kStarting, 0, nullptr, 0),
                 std::string("{\"status\":\"starting\",\"failingStreak\":0,\"log\":[]}\n"));
  });

  test("Results are written oldest first, each with the supervisor's remark", [] {
    const auto first = result(0, "", std::string("a\"\\\n\0\x1f\xc3\xa9", 8)),
               second = result(-1, "late", "so far"), third = result(-1, "late", "");
    first->more = true;
    const CheckResult* const all[] = {first.get(), second.get(), third.get()};
    std::string expected = "{\"status\":\"unhealthy\",\"failingStreak\":4294967295,\"log\":[";
    expected += kTimes;
    expected += "\"exitCode\":0,\"output\":\"a\\\"\\\\\\n\\u0000\\u001f\xc3\xa9...\"},";
    expected += kTimes;
    expected += "\"exitCode\":-1,\"output\":\"late: so far\"},";
    expected += kTimes;
    expected += "\"exitCode\":-1,\"output\":\"late\"}]}\n";
    expect_equal(written(HealthStatus::kUnhealthy, UINT32_MAX, all, 3), expected);
  });

  test("The largest possible file is written whole", [] {
    const auto largest = result(255, std::string(sizeof CheckResult::note - 1, '"').c_str(),
                                std::string(kMaxCheckOutput, '\x01'));
    const CheckResult* all[kMaxCheckResults];
    for (const CheckResult*& each : all)
      each = largest.get();
    const std::string text = written(HealthStatus::kHealthy, 0, all, kMaxCheckResults);
    expect(text.size() > kMaxCheckResults * 6 * kMaxCheckOutput, "all of it");
    expect_equal(text.substr(text.size() - 12), std::string("\\u0001\"}]}\n").insert(0, "1"));
  });

  test("A directory that does not exist is an error", [] {
    expect_equal(write_health(-1, HealthStatus::kHealthy, 0, nullptr, 0).error().number, 9);
  });

  return result();
}
