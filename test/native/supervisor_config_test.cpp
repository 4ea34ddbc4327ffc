// What a supervisor is told: each way in which it can be malformed is refused.
#include "../../cpp/program/supervisor_config.h"

#include <stdlib.h>

#include "support/check.h"
#include "support/supervisor_config_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)
using Bytes = ProgramBuilder::Bytes;

constexpr size_t kTexts = static_cast<size_t>(SupervisorText::kCount);

bool decodes(Bytes& bytes) {
  SupervisorConfig config;
  return SupervisorConfig::decode(bytes.data(), bytes.size(), config);
}

SupervisorHeader& header(Bytes& bytes) {
  return *reinterpret_cast<SupervisorHeader*>(bytes.data());
}

void refused(const char* what, const std::function<void(SupervisorHeader&)>& spoil,
             const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  Bytes bytes = supervisor_config(supervisor_parts());
  spoil(header(bytes));
  expect(!decodes(bytes), std::string(what) + " to be refused", file, line);
}

void text_refused(const char* what, SupervisorText which, const std::string& text,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  SupervisorParts parts = supervisor_parts();
  parts.texts[static_cast<size_t>(which)] = text;
  Bytes bytes = supervisor_config(parts);
  expect(!decodes(bytes), std::string(what) + " to be refused", file, line);
}

}  // namespace

int main() {
  test("a sound one says what was written", [] {
    const SupervisorParts parts = supervisor_parts();
    Bytes bytes = supervisor_config(parts);
    SupervisorConfig config;
    expect(SupervisorConfig::decode(bytes.data(), bytes.size(), config), "it to be decoded");
    for (size_t i = 0; i < kTexts; ++i) {
      const Blob blob = config.blob(static_cast<SupervisorText>(i));
      expect(std::string(blob.data, blob.size) == parts.texts[i], "text " + std::to_string(i));
      expect_equal(blob.data[blob.size], '\0');
    }
    expect_equal(config.program().count(Phase::kContainer), 1u);
    expect_equal(config.teardown().count(Phase::kTeardown), 0u);
    expect(!config.has(kSupervisorTerminal), "no terminal");
    expect_equal(config.header().log_files, 3u);
  });

  // One that is refused shows the fuzzer nothing. With CAISSON_RECORD=1 it is written.
  test("the seed of the fuzzer is a sound one", [] {
    const char* const path = "test/native/seeds/supervisor_config/sound";
    Bytes bytes = supervisor_config(supervisor_parts());
    const std::string sound(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (getenv("CAISSON_RECORD") != nullptr) write_file(path, sound);
    expect(read_file(path) == sound, "the seed to be as new (CAISSON_RECORD=1 writes it)");
  });

  test("texts may be empty", [] {
    SupervisorParts parts = supervisor_parts();
    for (size_t i = 0; i < static_cast<size_t>(SupervisorText::kProgram); ++i)
      parts.texts[i] = "";
    Bytes bytes = supervisor_config(parts);
    expect(decodes(bytes), "it to be decoded");
  });

  test("the header's bounds", [] {
    refused("another magic", [](SupervisorHeader& h) { ++h.magic; });
    refused("another size", [](SupervisorHeader& h) { ++h.size; });
    refused("an unknown policy", [](SupervisorHeader& h) { h.policy = 4; });
    refused("fewer than no retries", [](SupervisorHeader& h) { h.retries = -1; });
    refused("signal 0", [](SupervisorHeader& h) { h.stop_signal = 0; });
    refused("signal 65", [](SupervisorHeader& h) { h.stop_signal = 65; });
    refused("a negative signal", [](SupervisorHeader& h) { h.stop_signal = -9; });
    refused("no log file", [](SupervisorHeader& h) { h.log_files = 0; });
    for (int slot = 0; slot < 4; ++slot) {
      refused("a slot beyond the program's", [slot](SupervisorHeader& h) { h.slots[slot] = 8; });
      refused("a slot below none", [slot](SupervisorHeader& h) { h.slots[slot] = -2; });
    }
  });

  test("the texts' places", [] {
    for (size_t i = 0; i < kTexts; ++i) {
      refused("inside the header", [i](SupervisorHeader& h) { h.text[i] = 0; });
      refused("not aligned", [i](SupervisorHeader& h) { h.text[i] += 4; });
      refused("at the end", [i](SupervisorHeader& h) { h.text[i] = h.size; });
      refused("beyond the end", [i](SupervisorHeader& h) { h.text[i] = h.size + 8; });
      refused("far beyond", [i](SupervisorHeader& h) { h.text[i] = 0xfffffff8; });
      refused("too long", [i](SupervisorHeader& h) {
        auto* size = reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(&h) + h.text[i]);
        *size = h.size;
      });
      refused("as long as can be", [i](SupervisorHeader& h) {
        auto* size = reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(&h) + h.text[i]);
        *size = 0xffffffff;
      });
      refused("without its end", [i](SupervisorHeader& h) {
        auto* record = reinterpret_cast<char*>(&h) + h.text[i];
        const uint32_t size = *reinterpret_cast<uint32_t*>(record);
        record[8 + size] = 'x';
      });
    }
  });

  test("the texts themselves", [] {
    for (size_t i = 0; i < static_cast<size_t>(SupervisorText::kProgram); ++i)
      text_refused("a NUL within", static_cast<SupervisorText>(i), std::string("a\0b", 3));
    text_refused("no program", SupervisorText::kProgram, "");
    text_refused("no program of ours", SupervisorText::kProgram, "#!/bin/sh\n");
    Bytes plain = ProgramBuilder::plain().build();
    text_refused("a program that starts nothing", SupervisorText::kProgram,
                 std::string(reinterpret_cast<const char*>(plain.data()), plain.size()));
    text_refused("no teardown", SupervisorText::kTeardown, "");
  });

  test("each length that is cut off, and each place that is not aligned", [] {
    Bytes whole = supervisor_config(supervisor_parts());
    const uint32_t last = header(whole).text[kTexts - 1];
    const size_t needed = last + 8 + *reinterpret_cast<uint32_t*>(whole.data() + last) + 1;
    for (size_t size = 0; size < needed; ++size) {
      std::vector<unsigned char> part(whole.data(), whole.data() + size);
      Bytes cut(part);
      expect(!decodes(cut), std::to_string(size) + " bytes to be refused");
      if (size < sizeof(SupervisorHeader)) continue;
      header(cut).size = static_cast<uint32_t>(size);
      expect(!decodes(cut), std::to_string(size) + " bytes, which it says, to be refused");
    }
    std::vector<unsigned char> shifted(whole.size() + alignof(Step));
    for (size_t shift = 1; shift < alignof(Step); ++shift) {
      memcpy(shifted.data() + shift, whole.data(), whole.size());
      const auto at = reinterpret_cast<uintptr_t>(shifted.data() + shift);
      if (at % alignof(Step) == 0) continue;
      SupervisorConfig config;
      expect(!SupervisorConfig::decode(shifted.data() + shift, whole.size(), config),
             "a crooked one to be refused");
    }
  });
  return result();
}
