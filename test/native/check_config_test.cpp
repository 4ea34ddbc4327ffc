// The health check in a supervisor's configuration, and its launch program for one run.
#include <string.h>
#include <unistd.h>

#include <cstddef>

#include "../../cpp/program/supervisor_config.h"
#include "../../cpp/supervisor/check_program.h"
#include "support/check.h"
#include "support/program_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)
using Bytes = ProgramBuilder::Bytes;

std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string exec_program(int opened = 1) {
  auto builder = ProgramBuilder::startable();
  for (int i = 0; i < opened; ++i)
    builder.step(Phase::kHost, Op::kProcessOpen, {{1}, {}, {0, 0}});
  return text_of(builder.build());
}

// As lib/engine/supervisor/supervisor-config.ts writes it.
Bytes config(
    const std::string& check,
    const std::function<void(SupervisorHeader&)>& change = [](SupervisorHeader&) {}) {
  SupervisorHeader header{};
  header.magic = kSupervisorMagic;
  header.stop_signal = 15;
  header.log_files = 1;
  for (int16_t& slot : header.slots)
    slot = -1;
  header.check_interval = header.check_timeout = header.check_start_interval = 1;
  header.check_retries = 1;
  header.check_slots[0] = 2;
  header.check_slots[1] = 3;
  std::vector<unsigned char> bytes(sizeof header);
  for (uint32_t i = 0; i < static_cast<uint32_t>(SupervisorText::kCount); ++i) {
    const auto which = static_cast<SupervisorText>(i);
    const std::string text =
        which == SupervisorText::kProgram    ? text_of(ProgramBuilder::startable().build())
        : which == SupervisorText::kTeardown ? text_of(ProgramBuilder::plain().build())
        : which == SupervisorText::kCheck    ? check
                                             : "text";
    header.text[i] = static_cast<uint32_t>(bytes.size());
    const auto size = static_cast<uint32_t>(text.size());
    const size_t at = bytes.size();
    bytes.resize(at + 8 + (text.size() + 8) / 8 * 8);
    memcpy(&bytes[at], &size, sizeof size);
    memcpy(&bytes[at + 8], text.data(), text.size());
  }
  header.size = static_cast<uint32_t>(bytes.size());
  change(header);
  memcpy(bytes.data(), &header, sizeof header);
  return Bytes(bytes);
}

bool good(Bytes bytes) {
  SupervisorConfig decoded;
  return SupervisorConfig::decode(bytes.data(), bytes.size(), decoded);
}

}  // namespace

int main() {
  test("Without a check, its fields are not read", [] {
    expect(good(config("",
                       [](SupervisorHeader& header) {
                         header.check_interval = header.check_retries = 0;
                         header.check_slots[0] = -1;
                       })),
           "it to be taken");
  });

  test("A check must be an exec with times, and with its output in slots", [] {
    expect(good(config(exec_program())), "a sound one to be taken");
    expect(!good(config("no program")), "no program to be refused");
    expect(!good(config(text_of(ProgramBuilder::plain().build()))), "nothing to be refused");
    expect(!good(config(exec_program(0))), "a container to be refused");
    expect(!good(config(exec_program(2))), "two processes to be refused");
    const auto refused = [](const char* what,
                            const std::function<void(SupervisorHeader&)>& change) {
      expect(!good(config(exec_program(), change)), std::string(what) + " to be refused");
    };
    refused("no interval", [](SupervisorHeader& header) { header.check_interval = 0; });
    refused("no timeout", [](SupervisorHeader& header) { header.check_timeout = 0; });
    refused("no start interval", [](SupervisorHeader& header) { header.check_start_interval = 0; });
    refused("no retries", [](SupervisorHeader& header) { header.check_retries = 0; });
    refused("no stdout", [](SupervisorHeader& header) { header.check_slots[0] = -1; });
    refused("a slot that is not", [](SupervisorHeader& header) { header.check_slots[1] = 8; });
    refused("a text outside",
            [](SupervisorHeader& header) { header.text[10] = header.size & ~uint32_t{7}; });
  });

  test("A run has a copy of the program with the process filled in", [] {
    const std::string bytes = exec_program();
    const std::string before(bytes.data(), bytes.size());
    const Blob blob{bytes.data(), static_cast<uint32_t>(bytes.size())};
    CheckProgram run;
    expect(run.prepare(blob, "id", getpid(), "18446744073709551615").ok(), "it to be prepared");
    const Program& program = run.program();
    size_t opened = 0;
    for (size_t i = 0; i < program.count(Phase::kHost); ++i) {
      const Step& step = program.step(Phase::kHost, i);
      if (step.op != Op::kProcessOpen) continue;
      ++opened;
      expect_equal(step.number[0], static_cast<uint64_t>(getpid()), "pid");
      expect_equal(step.number[1], UINT64_MAX, "start time");
    }
    expect_equal(opened, 1u, "processes");
    expect_equal(run.bytes().size, blob.size, "size");
    expect(bytes == before, "the original to be as it was");

    CheckProgram wrong;
    expect_equal(wrong.prepare(blob, "id", getpid(), "").error().number, 8, "errno");
  });

  return result();
}
