// Whatever bytes come: Program::decode refuses them, or everything that they hold can be read.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <memory>

#include "../../cpp/program/program.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

void read_step(const Program& program, const Step& step) {
  const Instruction& rule = instruction(step.op);
  for (int i = 0; i < 4; ++i) {
    const bool output = ((rule.outputs >> i) & 1) != 0;
    require(step.slot[i] < static_cast<int>(program.slots()));
    require(step.slot[i] >= (output ? 0 : -1));

    const Blob blob = program.blob(step, i);
    const char* text = program.text(step, i);
    require(text == blob.data);
    if (((rule.texts >> i) & 1) != 0) require(text != nullptr);
    if (text == nullptr) continue;
    require(text[blob.size] == '\0');
    // As a C string it is whole.
    const size_t seen = strlen(text);
    require(((rule.blobs >> i) & 1) != 0 ? seen <= blob.size : seen == blob.size);
    unsigned sum = 0;
    for (uint32_t at = 0; at < blob.size; ++at)
      sum += static_cast<unsigned char>(blob.data[at]);
    require(sum <= 255u * blob.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size, aligned as the decoder wants it: what is read past it is noticed.
  const auto copy = std::make_unique<uint8_t[]>(size);
  if (size > 0) memcpy(copy.get(), data, size);

  Program program;
  const char* reason = nullptr;
  if (!Program::decode(copy.get(), size, program, reason)) {
    require(reason != nullptr);
    return 0;
  }
  require(reason == nullptr);
  for (const Phase phase : {Phase::kHost, Phase::kContainer, Phase::kTeardown})
    for (size_t i = 0; i < program.count(phase); ++i) {
      const Step& step = program.step(phase, i);
      require(((instruction(step.op).phases >> static_cast<uint32_t>(phase)) & 1) != 0);
      read_step(program, step);
    }
  return 0;
}
