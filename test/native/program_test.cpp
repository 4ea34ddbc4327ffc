// The decoder: every way in which a program can be malformed is refused with a reason, and what it
// lets pass says what was written.
#include "../../cpp/program/program.h"

#include <map>

#include "support/check.h"
#include "support/program_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)
using Bytes = ProgramBuilder::Bytes;

std::string refusal(Bytes& bytes, size_t size) {
  Program program;
  const char* reason = nullptr;
  if (Program::decode(bytes.data(), size, program, reason)) {
    expect(reason == nullptr, "no reason with a success");
    return "";
  }
  expect(reason != nullptr, "a reason with a refusal");
  return reason == nullptr ? "?" : reason;
}

std::string refusal(Bytes& bytes) {
  return refusal(bytes, bytes.size());
}

// A program that makes a directory on the host, at step 1.
Bytes with_directory() {
  return ProgramBuilder::startable()
      .step(Phase::kHost, Op::kDirMake, {{2}, {"some/where"}, {0755}})
      .build();
}

constexpr size_t kDirectoryStep = 1, kExecStep = 2;

uint32_t& word_at(unsigned char* at) {
  return *reinterpret_cast<uint32_t*>(at);
}

// The same program with something spoiled.
void refused(const char* reason, const std::function<void(Bytes&)>& spoil,
             const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  Bytes bytes = with_directory();
  spoil(bytes);
  expect_equal(refusal(bytes), std::string(reason), "reason", file, line);
}

}  // namespace

int main() {
  test("a sound program says what was written", [] {
    Bytes bytes = ProgramBuilder::startable()
                      .step(Phase::kHost, Op::kDirMake, {{2}, {"some/where"}, {0755, 1}})
                      .step(Phase::kContainer, Op::kSeccompLoad,
                            {{}, {std::string("\0\1\0\2", 4)}, {~uint64_t{0}}})
                      .step(Phase::kTeardown, Op::kTreeRemove, {{}, {""}, {}})
                      .build();
    Program program;
    const char* reason = nullptr;
    expect(Program::decode(bytes.data(), bytes.size(), program, reason), "it to be decoded");
    expect_equal(program.count(Phase::kHost), 2u);
    expect_equal(program.count(Phase::kContainer), 2u);
    expect_equal(program.count(Phase::kTeardown), 1u);
    expect_equal(program.slots(), 8u);
    const Step& directory = program.step(Phase::kHost, 1);
    expect(directory.op == Op::kDirMake, "dir.make");
    expect_equal(directory.slot[0], 2);
    expect_equal(directory.slot[1], -1);
    expect_equal(std::string(program.text(directory, 0)), std::string("some/where"));
    expect(program.text(directory, 1) == nullptr, "no second text");
    expect_equal(directory.number[0], uint64_t{0755});
    expect_equal(directory.number[1], uint64_t{1});
    const Step& filter = program.step(Phase::kContainer, 0);
    expect(filter.op == Op::kSeccompLoad, "seccomp.load");
    expect_equal(program.blob(filter, 0).size, 4u);
    expect_equal(memcmp(program.blob(filter, 0).data, "\0\1\0\2\0", 5), 0, "bytes, and a NUL");
    expect_equal(filter.number[0], ~uint64_t{0});
    expect(program.step(Phase::kContainer, 1).op == Op::kExec, "exec");
    // An empty text is one that is there.
    const Step& removal = program.step(Phase::kTeardown, 0);
    expect_equal(std::string(program.text(removal, 0)), std::string());
  });

  test("a program that only undoes", [] {
    Bytes bytes = ProgramBuilder::plain()
                      .step(Phase::kTeardown, Op::kCgroupRemove, {{}, {"/x"}, {1}})
                      .build();
    expect_equal(refusal(bytes), std::string());
    Bytes empty = ProgramBuilder::plain().build();
    expect_equal(refusal(empty), std::string());
  });

  test("sizes", [] {
    Bytes bytes = with_directory();
    // Nothing may be read beyond what is there, however little that is.
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::vector<unsigned char> part(bytes.data(), bytes.data() + size);
      Bytes cut(part);
      expect_equal(refusal(cut), std::string(size < sizeof(Header) ? "the size is out of range"
                                                                   : "the size does not match"));
    }
    refused("the size does not match", [](Bytes& b) { b.header().size += 4; });
    refused("the size does not match", [](Bytes& b) { b.header().size = 0; });
    refused("the size does not match", [](Bytes& b) { b.header().size = 0xffffffff; });
    Bytes large(std::vector<unsigned char>(kMaxProgramSize + 8));
    expect_equal(refusal(large), std::string("the size is out of range"));
  });

  test("alignment", [] {
    Bytes bytes = with_directory();
    std::vector<unsigned char> room(bytes.size() + 16);
    Bytes moved(room);
    for (size_t by = 1; by < 8; ++by) {
      memcpy(moved.data() + by, bytes.data(), bytes.size());
      Program program;
      const char* reason = nullptr;
      expect(!Program::decode(moved.data() + by, bytes.size(), program, reason), "a refusal");
      expect_equal(std::string(reason), std::string("the program is not aligned"));
    }
  });

  test("the header", [] {
    const char* magic = "the magic number or version does not match";
    refused(magic, [](Bytes& b) { ++b.header().magic; });
    refused(magic, [](Bytes& b) { ++b.header().version; });
    refused(magic, [](Bytes& b) { b.header().version = 0; });
    refused("too many slots", [](Bytes& b) { b.header().slots = kMaxSlots + 1; });
    refused("a reserved field is set", [](Bytes& b) { b.header().reserved[0] = 1; });
    refused("a reserved field is set", [](Bytes& b) { b.header().reserved[1] = 1; });
    for (int phase = 0; phase < 3; ++phase) {
      refused("too many steps", [phase](Bytes& b) { b.header().steps[phase] = 0xffff; });
      refused("the arena is not where the steps end",
              [phase](Bytes& b) { ++b.header().steps[phase]; });
    }
    refused("the arena is not where the steps end", [](Bytes& b) { --b.header().steps[0]; });
    for (const uint32_t arena : {0u, 1u, 40u, 0x7fffffffu, 0x80000000u, 0xffffffffu})
      refused("the arena is not where the steps end", [=](Bytes& b) { b.header().arena = arena; });
    // As many steps as are allowed, but not there.
    refused("the arena is not where the steps end", [](Bytes& b) {
      b.header().steps[0] = kMaxHostSteps;
      b.header().arena = sizeof(Header) + (kMaxHostSteps + 1) * sizeof(Step);
    });
  });

  test("as many slots and steps as there may be", [] {
    ProgramBuilder builder = ProgramBuilder::startable();
    builder.slots(kMaxSlots);
    for (size_t i = 1; i < kMaxHostSteps; ++i)
      builder.step(Phase::kHost, Op::kFdDup, {{kMaxSlots - 1}, {}, {0}});
    for (size_t i = 1; i < kMaxContainerSteps; ++i)
      builder.step(Phase::kContainer, Op::kNnpSet);
    for (size_t i = 0; i < kMaxTeardownSteps; ++i)
      builder.step(Phase::kTeardown, Op::kTreeRemove, {{}, {"/x"}, {}});
    Bytes bytes = builder.build();
    expect_equal(refusal(bytes), std::string());
    Bytes more = builder.step(Phase::kTeardown, Op::kTreeRemove, {{}, {"/x"}, {}}).build();
    expect_equal(refusal(more), std::string("too many steps"));
  });

  test("opcodes", [] {
    refused("unknown instruction", [](Bytes& b) { b.step(kDirectoryStep).op = Op::kNone; });
    refused("unknown instruction", [](Bytes& b) { b.step(kDirectoryStep).op = Op::kCount; });
    refused("unknown instruction", [](Bytes& b) { b.step(kDirectoryStep).op = Op{0xffff}; });
    refused("a reserved field is set", [](Bytes& b) { b.step(kDirectoryStep).reserved = 1; });
    refused("a reserved field is set", [](Bytes& b) { b.step(kDirectoryStep).reserved2 = 1; });
  });

  // Each instruction with exactly what its rule asks for, and with each part of that too much or
  // too little.
  test("the rules of every instruction", [] {
    const std::string wrong_phase = "an instruction in the wrong phase";
    for (size_t op = 1; op < static_cast<size_t>(Op::kCount); ++op) {
      const Instruction& rule = kInstructions[op];
      for (const Phase phase : {Phase::kHost, Phase::kContainer, Phase::kTeardown}) {
        const bool shape = static_cast<Op>(op) == Op::kClone || static_cast<Op>(op) == Op::kExec;
        const auto build = [&](const std::function<void(StepOptions&)>& change) {
          StepOptions options{{-1, -1, -1, -1}, std::vector<std::optional<std::string>>(4), {}};
          for (unsigned i = 0; i < 4; ++i) {
            if ((rule.outputs >> i & 1) != 0) options.slots[i] = 0;
            if ((rule.texts >> i & 1) != 0) options.texts[i] = "text";
          }
          change(options);
          Bytes bytes =
              ProgramBuilder::startable().step(phase, static_cast<Op>(op), options).build();
          return refusal(bytes);
        };
        const std::string as_asked = build([](StepOptions&) {});
        const std::string where =
            std::string(rule.name) + " in phase " + std::to_string(static_cast<uint32_t>(phase));
        if ((rule.phases >> static_cast<uint32_t>(phase) & 1) == 0) {
          expect_equal(as_asked, wrong_phase, where);
          continue;
        }
        if (!shape) expect_equal(as_asked, std::string(), where);
        for (unsigned i = 0; i < 4; ++i) {
          const bool slot = ((rule.outputs | rule.inputs) >> i & 1) != 0;
          const bool must = (rule.texts >> i & 1) != 0, may = must || (rule.options >> i & 1) != 0;
          const std::string place = where + ", place " + std::to_string(i);
          const std::string with_slot = build([i](StepOptions& o) { o.slots[i] = 1; });
          if (!slot) expect_equal(with_slot, std::string("an unexpected slot"), place);
          if ((rule.outputs >> i & 1) != 0)
            expect_equal(build([i](StepOptions& o) { o.slots[i] = -1; }),
                         std::string("an output without a slot"), place);
          for (const int16_t odd :
               {int16_t{-2}, int16_t{8}, int16_t{INT16_MIN}, int16_t{INT16_MAX}})
            expect_equal(build([=](StepOptions& o) { o.slots[i] = odd; }),
                         std::string("a slot out of range"), place);
          const std::string with_text = build([i](StepOptions& o) { o.texts[i] = "more"; });
          if (!may) expect_equal(with_text, std::string("an unexpected text"), place);
          if (must)
            expect_equal(build([i](StepOptions& o) { o.texts[i].reset(); }),
                         std::string("a missing text"), place);
          if (may && (rule.blobs >> i & 1) == 0)
            expect_equal(build([i](StepOptions& o) { o.texts[i] = std::string("a\0b", 3); }),
                         std::string("a text contains NUL"), place);
          if (may && (rule.blobs >> i & 1) != 0 && !shape)
            expect_equal(build([i](StepOptions& o) { o.texts[i] = std::string("a\0b", 3); }),
                         std::string(), place);
        }
      }
    }
  });

  test("texts", [] {
    const auto text = [](Bytes& b) -> uint32_t& { return b.step(kDirectoryStep).text[0]; };
    for (const uint32_t by : {1u, 2u, 3u})
      refused("a text is not aligned", [=](Bytes& b) { text(b) += by; });
    for (const uint32_t far : {0x1000u, 0x7ffffffcu, 0x80000000u, 0xfffffffcu})
      refused("a text lies outside the arena", [=](Bytes& b) { text(b) = far; });
    // Just so that there is no room for its length and its NUL.
    refused("a text lies outside the arena",
            [&](Bytes& b) { text(b) = static_cast<uint32_t>(b.size() - b.header().arena - 4); });
    const auto length = [&](Bytes& b) -> uint32_t& { return word_at(b.arena() + text(b)); };
    for (const uint32_t size : {0x1000u, 0x7fffffffu, 0xfffffff0u, 0xfffffffbu, 0xffffffffu})
      refused("a text runs past the arena", [=](Bytes& b) { length(b) = size; });
    refused("a text does not end with NUL", [=](Bytes& b) { --length(b); });
    refused("a text does not end with NUL",
            [=](Bytes& b) { b.arena()[text(b) + 4 + length(b)] = 'x'; });
    refused("a text contains NUL", [=](Bytes& b) { b.arena()[text(b) + 6] = 0; });
    // The last text may end with the arena, byte for byte.
    Bytes exact =
        ProgramBuilder::plain().step(Phase::kTeardown, Op::kTreeRemove, {{}, {"abc"}, {}}).build();
    expect_equal(refusal(exact), std::string());
    expect_equal(exact.size() - exact.header().arena, 12u, "bytes of arena");
  });

  test("one process is started, and ends in exec", [] {
    const std::string one = "not one clone", end = "the container's phase does not end with exec";
    Bytes two = ProgramBuilder::startable().step(Phase::kHost, Op::kClone).build();
    expect_equal(refusal(two), one);
    Bytes none =
        ProgramBuilder::plain().step(Phase::kContainer, Op::kExec, {{}, {"a", "", ""}, {}}).build();
    expect_equal(refusal(none), one);
    Bytes host_only = ProgramBuilder::plain().step(Phase::kHost, Op::kFsidsSet).build();
    expect_equal(refusal(host_only), one);
    Bytes no_container = ProgramBuilder::plain().step(Phase::kHost, Op::kClone).build();
    expect_equal(refusal(no_container), end);
    Bytes no_exec = ProgramBuilder::plain()
                        .step(Phase::kHost, Op::kClone)
                        .step(Phase::kContainer, Op::kNnpSet)
                        .build();
    expect_equal(refusal(no_exec), end);
    refused(end.c_str(), [](Bytes& b) {
      b.step(kExecStep).op = Op::kNnpSet;
      for (uint32_t& text : b.step(kExecStep).text)
        text = 0;
    });
  });

  test("a process that stays outside of a container reads files and becomes no program", [] {
    const auto outside = [](Op last, const StepOptions& options) {
      return ProgramBuilder::plain()
          .step(Phase::kHost, Op::kProcessOpen, {{1}, {}, {1, 1}})
          .step(Phase::kHost, Op::kClone, {{-1, 1}, {}, {0x20000, 3}})
          .step(Phase::kContainer, last, options)
          .build();
    };
    Bytes reads = outside(Op::kFilesSend, {{2, 3}, {"/a"}, {1}});
    expect_equal(refusal(reads), std::string());
    Bytes execs = outside(Op::kExec, {{}, {"a", "", ""}, {}});
    expect_equal(refusal(execs), std::string("the container's phase does not end with exec"));
  });

  test("only who joins a container can be detached", [] {
    const auto clone = [](const StepOptions& options) {
      return ProgramBuilder::plain()
          .step(Phase::kHost, Op::kProcessOpen, {{1}, {}, {1, 1}})
          .step(Phase::kHost, Op::kClone, options)
          .step(Phase::kContainer, Op::kExec, {{}, {"a", "", ""}, {}})
          .build();
    };
    Bytes alone = clone({{}, {}, {0x20000000, 1}});
    expect_equal(refusal(alone), std::string("a container that is detached"));
    for (const uint64_t detached : {0, 1}) {
      Bytes joins = clone({{-1, 1}, {}, {0x20000000, detached}});
      expect_equal(refusal(joins), std::string());
    }
  });

  test("the instruction table", [] {
    std::map<std::string, int> names;
    for (const Instruction& rule : kInstructions) {
      expect_equal(++names[rule.name], 1, rule.name);
      expect_equal(rule.texts & rule.options, 0,
                   std::string(rule.name) + ": a text is must or may");
      expect_equal(rule.outputs & rule.inputs, 0, std::string(rule.name) + ": a slot is in or out");
      expect_equal(rule.blobs & ~(rule.texts | rule.options), 0,
                   std::string(rule.name) + ": blobs are texts");
    }
  });

  return result();
}
