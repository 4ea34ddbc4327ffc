// What a monitor is told: each way in which it can be malformed is refused.
#include "../../cpp/program/monitor_config.h"

#include "support/check.h"
#include "support/monitor_config_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)
using Bytes = ProgramBuilder::Bytes;

constexpr size_t kTexts = static_cast<size_t>(MonitorText::kCount);

bool decodes(Bytes& bytes) {
  MonitorConfig config;
  return MonitorConfig::decode(bytes.data(), bytes.size(), config);
}

MonitorHeader& header(Bytes& bytes) {
  return *reinterpret_cast<MonitorHeader*>(bytes.data());
}

void refused(const char* what, const std::function<void(MonitorHeader&)>& spoil,
             const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  Bytes bytes = monitor_config(monitor_parts());
  spoil(header(bytes));
  expect(!decodes(bytes), std::string(what) + " to be refused", file, line);
}

void text_refused(const char* what, MonitorText which, const std::string& text,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  MonitorParts parts = monitor_parts();
  parts.texts[static_cast<size_t>(which)] = text;
  Bytes bytes = monitor_config(parts);
  expect(!decodes(bytes), std::string(what) + " to be refused", file, line);
}

}  // namespace

int main() {
  test("a sound one says what was written", [] {
    const MonitorParts parts = monitor_parts();
    Bytes bytes = monitor_config(parts);
    MonitorConfig config;
    expect(MonitorConfig::decode(bytes.data(), bytes.size(), config), "it to be decoded");
    for (size_t i = 0; i < kTexts; ++i) {
      const Blob blob = config.blob(static_cast<MonitorText>(i));
      expect(std::string(blob.data, blob.size) == parts.texts[i], "text " + std::to_string(i));
      expect_equal(blob.data[blob.size], '\0');
    }
    expect_equal(config.program().count(Half::kContainer), 1u);
    expect_equal(config.teardown().count(Half::kTeardown), 0u);
    expect(!config.has(kMonitorTerminal), "no terminal");
    expect_equal(config.header().log_files, 3u);
  });

  test("texts may be empty", [] {
    MonitorParts parts = monitor_parts();
    for (size_t i = 0; i < static_cast<size_t>(MonitorText::kProgram); ++i)
      parts.texts[i] = "";
    Bytes bytes = monitor_config(parts);
    expect(decodes(bytes), "it to be decoded");
  });

  test("the header's bounds", [] {
    refused("another magic", [](MonitorHeader& h) { ++h.magic; });
    refused("another size", [](MonitorHeader& h) { ++h.size; });
    refused("an unknown policy", [](MonitorHeader& h) { h.policy = 4; });
    refused("fewer than no retries", [](MonitorHeader& h) { h.retries = -1; });
    refused("signal 0", [](MonitorHeader& h) { h.stop_signal = 0; });
    refused("signal 65", [](MonitorHeader& h) { h.stop_signal = 65; });
    refused("a negative signal", [](MonitorHeader& h) { h.stop_signal = -9; });
    refused("no log file", [](MonitorHeader& h) { h.log_files = 0; });
    for (int slot = 0; slot < 4; ++slot) {
      refused("a slot beyond the program's", [slot](MonitorHeader& h) { h.slots[slot] = 8; });
      refused("a slot below none", [slot](MonitorHeader& h) { h.slots[slot] = -2; });
    }
  });

  test("the texts' places", [] {
    for (size_t i = 0; i < kTexts; ++i) {
      refused("inside the header", [i](MonitorHeader& h) { h.text[i] = 0; });
      refused("not aligned", [i](MonitorHeader& h) { h.text[i] += 4; });
      refused("at the end", [i](MonitorHeader& h) { h.text[i] = h.size; });
      refused("beyond the end", [i](MonitorHeader& h) { h.text[i] = h.size + 8; });
      refused("far beyond", [i](MonitorHeader& h) { h.text[i] = 0xfffffff8; });
      refused("too long", [i](MonitorHeader& h) {
        auto* size = reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(&h) + h.text[i]);
        *size = h.size;
      });
      refused("as long as can be", [i](MonitorHeader& h) {
        auto* size = reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(&h) + h.text[i]);
        *size = 0xffffffff;
      });
      refused("without its end", [i](MonitorHeader& h) {
        auto* record = reinterpret_cast<char*>(&h) + h.text[i];
        const uint32_t size = *reinterpret_cast<uint32_t*>(record);
        record[8 + size] = 'x';
      });
    }
  });

  test("the texts themselves", [] {
    for (size_t i = 0; i < static_cast<size_t>(MonitorText::kProgram); ++i)
      text_refused("a NUL within", static_cast<MonitorText>(i), std::string("a\0b", 3));
    text_refused("no program", MonitorText::kProgram, "");
    text_refused("no program of ours", MonitorText::kProgram, "#!/bin/sh\n");
    Bytes plain = ProgramBuilder::plain().build();
    text_refused("a program that starts nothing", MonitorText::kProgram,
                 std::string(reinterpret_cast<const char*>(plain.data()), plain.size()));
    text_refused("no teardown", MonitorText::kTeardown, "");
  });

  test("each length that is cut off, and each place that is not aligned", [] {
    Bytes whole = monitor_config(monitor_parts());
    const uint32_t last = header(whole).text[kTexts - 1];
    const size_t needed = last + 8 + *reinterpret_cast<uint32_t*>(whole.data() + last) + 1;
    for (size_t size = 0; size < needed; ++size) {
      std::vector<unsigned char> part(whole.data(), whole.data() + size);
      Bytes cut(part);
      expect(!decodes(cut), std::to_string(size) + " bytes to be refused");
      if (size < sizeof(MonitorHeader)) continue;
      header(cut).size = static_cast<uint32_t>(size);
      expect(!decodes(cut), std::to_string(size) + " bytes, which it says, to be refused");
    }
    std::vector<unsigned char> shifted(whole.size() + alignof(Step));
    for (size_t shift = 1; shift < alignof(Step); ++shift) {
      memcpy(shifted.data() + shift, whole.data(), whole.size());
      const auto at = reinterpret_cast<uintptr_t>(shifted.data() + shift);
      if (at % alignof(Step) == 0) continue;
      MonitorConfig config;
      expect(!MonitorConfig::decode(shifted.data() + shift, whole.size(), config),
             "a crooked one to be refused");
    }
  });
  return result();
}
