// Whatever bytes come: SupervisorConfig::decode refuses them, or everything that they hold can be
// read.
#include <string.h>

#include <memory>

#include "../../cpp/program/supervisor_config.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size, aligned as the decoder wants it: what is read past it is noticed.
  const auto copy = std::make_unique<uint8_t[]>(size);
  if (size > 0) memcpy(copy.get(), data, size);
  // The search would hardly find what depends on the size of its own attempts.
  if (size >= sizeof(SupervisorHeader)) {
    reinterpret_cast<SupervisorHeader*>(copy.get())->size = static_cast<uint32_t>(size);
  }

  SupervisorConfig config;
  if (!SupervisorConfig::decode(copy.get(), size, config)) return 0;
  for (uint32_t i = 0; i < static_cast<uint32_t>(SupervisorText::kCount); ++i) {
    const auto which = static_cast<SupervisorText>(i);
    const Blob blob = config.blob(which);
    require(blob.data == config.text(which) && blob.data[blob.size] == '\0');
    if (which < SupervisorText::kProgram) require(strlen(blob.data) == blob.size);
    unsigned sum = 0;
    for (uint32_t at = 0; at < blob.size; ++at)
      sum += static_cast<unsigned char>(blob.data[at]);
    require(sum <= 255u * blob.size);
  }
  const SupervisorHeader& header = config.header();
  for (const int16_t slot : header.slots)
    require(slot >= -1 && slot < static_cast<int>(config.program().slots()));
  require(header.policy < static_cast<uint32_t>(RestartPolicy::kCount) && header.retries >= 0);
  require(header.log_files > 0 && header.stop_signal >= 1 && header.stop_signal <= 64);
  for (const Program* program : {&config.program(), &config.teardown()})
    for (const Phase phase : {Phase::kHost, Phase::kContainer, Phase::kTeardown})
      for (size_t i = 0; i < program->count(phase); ++i)
        static_cast<void>(program->text(program->step(phase, i), 0));
  return 0;
}
