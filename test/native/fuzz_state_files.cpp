// Whatever a health check writes or an error says: health.json and state.json are JSON of one line,
// from which the same can be read.
#include <memory>

#include "../../cpp/base/text.h"
#include "../../cpp/supervisor/health_file.h"
#include "../../cpp/supervisor/state_file.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr const char* kTime = "2026-01-31T23:59:59.000000000Z";

std::map<std::string, std::string> scalars_of(const std::string& text) {
  require(!text.empty() && text.find('\n') == text.size() - 1);
  auto scalars = read_json(text);
  require(scalars.has_value());
  return *scalars;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const MemoryDirectory directory;
  static const auto results = std::make_unique<CheckResult[]>(kMaxCheckResults);
  Script script(data, size);
  const unsigned count = script.byte() % (kMaxCheckResults + 1);
  const CheckResult* list[kMaxCheckResults];
  for (unsigned i = 0; i < count; ++i) {
    CheckResult& result = results[i];
    copy_text(result.start, kTime);
    copy_text(result.end, kTime);
    result.exit_code = static_cast<int8_t>(script.byte());
    copy_text(result.note, script.text().c_str());
    result.more = (script.byte() & 1) != 0;
    const std::string output = script.text();
    result.size = static_cast<uint32_t>(output.copy(result.output, kMaxCheckOutput));
    list[i] = &result;
  }
  require(write_health(directory.fd(), HealthStatus::kHealthy, script.byte(), list, count).ok());
  auto health = scalars_of(directory.read("health.json"));
  require(health["status"] == "healthy");
  for (unsigned i = 0; i < count; ++i) {
    const CheckResult& result = results[i];
    std::string output = result.note;
    if (!output.empty() && result.size > 0) output += ": ";
    output.append(result.output, result.size);
    if (result.more) output += "...";
    const std::string at = "log." + std::to_string(i);
    require(health[at + ".output"] == output && health[at + ".end"] == kTime);
    require(health[at + ".exitCode"] == std::to_string(result.exit_code));
  }

  StateRecord state;
  copy_text(state.error, script.text().c_str());
  state.exit_code = script.byte();
  require(write_state(directory.fd(), state).ok());
  auto read = scalars_of(directory.read("state.json"));
  require(read["error"] == state.error && read["status"] == "created");
  require(read["exitCode"] == std::to_string(state.exit_code));
  return 0;
}
