#include "compiler.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>

#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "../base/kernel.h"

namespace caisson::seccomp {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;

// One way for a conditional system call to be decided.
struct Alternative {
  uint32_t action;
  std::vector<Condition> conditions;

  bool operator==(const Alternative&) const = default;
};

// What happens to one system call, or to a range of them.
struct Verdict {
  std::optional<uint32_t> action;  // without looking at arguments
  std::vector<Alternative> alternatives;

  bool operator==(const Verdict&) const = default;
};

// From this number up to the next span's.
struct Span {
  uint32_t first;
  Verdict verdict;
};

// The system calls of one instruction-set mode, as the kernel tells them apart: x86-64 and x32
// share one.
struct Section {
  uint32_t audit_arch;
  std::vector<uint32_t> tokens;  // libseccomp's SCMP_ARCH_*
};

// --- Names and numbers ---

// Calls that are younger than the libseccomp of long-lived distributions. One number everywhere,
// since 5.1.
constexpr std::pair<std::string_view, int> kYoungCalls[] = {
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469},      {"listns", 470},
};

// 32-bit x86 reaches sockets and SysV IPC in two ways: through a multiplexer whose first argument
// says which, and, since Linux 4.3 and 5.1, directly. libseccomp names the former by -100 - n and
// -200 - n.
struct Multiplexed {
  int multiplexer;
  int selector;
  int direct;  // or -1
};

std::optional<Multiplexed> demultiplex(int number) {
  constexpr int8_t kNone = -1;
  // The direct calls, less 300, by selector.
  constexpr int8_t kSocket[] = {kNone, 59, 61, 62, 63, kNone, 67, 68, 60, kNone, kNone,
                                69,    71, 73, 66, 65, 70,    72, 64, 37, 45};
  constexpr int8_t kIpc[] = {kNone, kNone, 93,    94,  kNone, kNone, kNone, kNone, kNone,
                             kNone, kNone, 100,   101, 99,    102,   kNone, kNone, kNone,
                             kNone, kNone, kNone, 97,  98,    95,    96};
  const int selector = -number % 100;
  const auto find = [&](int multiplexer, const int8_t* direct,
                        int count) -> std::optional<Multiplexed> {
    if (selector >= count) return std::nullopt;
    return Multiplexed{multiplexer, selector, direct[selector] < 0 ? -1 : 300 + direct[selector]};
  };
  if (number <= -100 && number > -200) return find(102, kSocket, sizeof kSocket);
  if (number <= -200 && number > -300) return find(117, kIpc, sizeof kIpc);
  return std::nullopt;
}

// The number of a call; negative where this architecture does not have it, __NR_SCMP_ERROR where
// none has.
int resolve(uint32_t token, const std::string& name) {
  const int number = seccomp_syscall_resolve_name_arch(token, name.c_str());
  if (number != __NR_SCMP_ERROR) return number;
  const int base = token == SCMP_ARCH_X32 ? static_cast<int>(kX32Bit) : 0;
  for (const auto& [young, young_number] : kYoungCalls) {
    if (young == name) return base + young_number;
  }
  return number;
}

// --- From rules to spans ---

using Verdicts = std::map<uint32_t, Verdict>;

void decide(Verdicts& verdicts, const Profile& profile, int number, uint32_t action,
            const std::vector<Condition>& conditions) {
  Verdict& verdict = verdicts[static_cast<uint32_t>(number)];
  // What the default does anyway takes no part, as in the other runtimes (libseccomp refuses such
  // rules).
  if (action == profile.default_action || verdict.action) return;
  if (conditions.empty()) {
    verdict = {action, {}};
  } else {
    verdict.alternatives.push_back({action, conditions});
  }
}

Verdicts collect(const Profile& profile, uint32_t token, std::vector<bool>& known) {
  Verdicts verdicts;
  size_t index = 0;
  for (const Rule& rule : profile.rules) {
    for (const std::string& name : rule.names) {
      const int number = resolve(token, name);
      if (number != __NR_SCMP_ERROR) known[index] = true;
      index++;
      if (number >= 0) {
        decide(verdicts, profile, number, rule.action, rule.conditions);
      } else if (const auto call = demultiplex(number); token == SCMP_ARCH_X86 && call) {
        if (call->direct >= 0) {
          decide(verdicts, profile, call->direct, rule.action, rule.conditions);
        }
        // A multiplexer's arguments lie in memory, out of a filter's reach.
        if (rule.conditions.empty()) {
          const auto selector = static_cast<uint64_t>(call->selector);
          decide(verdicts, profile, call->multiplexer, rule.action,
                 {{0, Compare::kEqual, selector, 0}});
        }
      }
    }
  }
  // Rules that only repeat the default leave nothing, but did say that the number is known.
  for (auto& [number, verdict] : verdicts) {
    if (!verdict.action && verdict.alternatives.empty()) verdict.action = profile.default_action;
  }
  return verdicts;
}

void push(std::vector<Span>& spans, uint32_t first, Verdict verdict) {
  if (spans.empty() || !(spans.back().verdict == verdict)) {
    spans.push_back({first, std::move(verdict)});
  }
}

void lay_out(std::vector<Span>& spans, const Profile& profile, uint32_t base, Verdicts verdicts) {
  if (verdicts.empty()) return push(spans, base, {profile.default_action, {}});
  // 32-bit Arm has private calls far above the common ones; they say nothing about what is new.
  constexpr uint32_t kPrivate = 0x0f0000;
  uint32_t newest = 0;
  for (const auto& entry : verdicts) {
    if (entry.first - base < kPrivate) newest = entry.first;
  }
  uint32_t next = base;
  const auto fill = [&](uint32_t until) {
    if (next < until && next <= newest) push(spans, next, {profile.default_action, {}});
    if (until > newest + 1) {
      push(spans, next > newest ? next : newest + 1, {profile.newer_action, {}});
    }
  };
  for (auto& [number, verdict] : verdicts) {
    if (next < number) fill(number);
    push(spans, number, std::move(verdict));
    next = number + 1;
  }
  fill(UINT32_MAX);
}

// --- From spans to instructions ---

// Writes the program from its end to its beginning, so that every jump's target is already there. A
// label is a distance from the end.
class Assembler {
 public:
  using Label = size_t;

  Label result(uint32_t action) {
    const auto known = results_.find(action);
    if (known != results_.end() && distance(known->second) <= kReach) return known->second;
    return results_[action] = append({BPF_RET | BPF_K, 0, 0, action});
  }

  Label jump(uint16_t test, uint32_t value, Label yes, Label no) {
    yes = near(yes);
    no = near(no);
    return append({static_cast<uint16_t>(BPF_JMP | test | BPF_K),
                   static_cast<uint8_t>(distance(yes)), static_cast<uint8_t>(distance(no)), value});
  }

  Label load(size_t offset, Label then) {
    fall_into(then);
    return append({BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset)});
  }

  Label mask(uint32_t bits, Label then) {
    fall_into(then);
    return append({BPF_ALU | BPF_AND | BPF_K, 0, 0, bits});
  }

  std::vector<sock_filter> take() { return {backwards_.rbegin(), backwards_.rend()}; }
  size_t size() const { return backwards_.size(); }

 private:
  // Conditional jumps reach 255 instructions; two stepping stones may come in between.
  static constexpr size_t kReach = 253;

  size_t distance(Label label) const { return backwards_.size() - label - 1; }

  Label append(sock_filter instruction) {
    backwards_.push_back(instruction);
    return backwards_.size() - 1;
  }

  Label near(Label label) {
    if (distance(label) <= kReach) return label;
    const sock_filter target = backwards_[label];
    if (target.code == (BPF_RET | BPF_K)) return result(target.k);
    return leap(label);
  }

  Label leap(Label label) {
    return append({BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(distance(label))});
  }

  void fall_into(Label label) {
    if (distance(label) != 0) leap(label);
  }

  std::vector<sock_filter> backwards_;
  std::map<uint32_t, Label> results_;
};

using Label = Assembler::Label;

constexpr uint32_t high(uint64_t value) {
  return static_cast<uint32_t>(value >> 32);
}
constexpr uint32_t low(uint64_t value) {
  return static_cast<uint32_t>(value);
}

// seccomp_data is in the machine's byte order, and ours are little-endian.
constexpr size_t low_word(uint8_t argument) {
  return offsetof(seccomp_data, args) + sizeof(uint64_t) * argument;
}
constexpr size_t high_word(uint8_t argument) {
  return low_word(argument) + sizeof(uint32_t);
}

// (argument & bits) == value, which most conditions are.
struct Equality {
  uint8_t argument;
  uint64_t bits;
  uint64_t value;
};

std::optional<Equality> equality(const Condition& condition) {
  const auto [argument, compare, value, value_two] = condition;
  if (compare == Compare::kEqual) return Equality{argument, UINT64_MAX, value};
  if (compare == Compare::kMaskedEqual) return Equality{argument, value, value_two & value};
  return std::nullopt;
}

Label load_masked(Assembler& out, size_t offset, uint32_t bits, Label then) {
  if (bits != UINT32_MAX) then = out.mask(bits, then);
  return out.load(offset, then);
}

// Equalities that differ in the lower half of their values only: whether one of them holds. The
// argument is loaded once for all.
Label equals_any(Assembler& out, const std::vector<Equality>& equalities, Label yes, Label no) {
  const auto [argument, bits, value] = equalities[0];
  Label test = yes;
  if (low(bits) != 0) {
    test = no;
    for (size_t i = equalities.size(); i-- > 0;) {
      test = out.jump(BPF_JEQ, low(equalities[i].value), yes, test);
    }
    test = load_masked(out, low_word(argument), low(bits), test);
  }
  if (high(bits) == 0) return test;
  return load_masked(out, high_word(argument), high(bits),
                     out.jump(BPF_JEQ, high(value), test, no));
}

// `test` is BPF_JGT or BPF_JGE, on 64 bits.
Label exceeds(Assembler& out, uint16_t test, uint8_t argument, uint64_t value, Label yes,
              Label no) {
  const Label rest = out.load(low_word(argument), out.jump(test, low(value), yes, no));
  const Label same = out.jump(BPF_JEQ, high(value), rest, no);
  return out.load(high_word(argument), out.jump(BPF_JGT, high(value), yes, same));
}

Label holds(Assembler& out, const Condition& condition, Label yes, Label no) {
  const auto [argument, compare, value, value_two] = condition;
  switch (compare) {
    case Compare::kEqual:
    case Compare::kMaskedEqual:
      return equals_any(out, {*equality(condition)}, yes, no);
    case Compare::kNotEqual:
      return equals_any(out, {{argument, UINT64_MAX, value}}, no, yes);
    case Compare::kGreater:
      return exceeds(out, BPF_JGT, argument, value, yes, no);
    case Compare::kGreaterOrEqual:
      return exceeds(out, BPF_JGE, argument, value, yes, no);
    case Compare::kLess:
      return exceeds(out, BPF_JGE, argument, value, no, yes);
    case Compare::kLessOrEqual:
      return exceeds(out, BPF_JGT, argument, value, no, yes);
  }
  return no;
}

// What the alternatives that end before `end` have in common, as far as equals_any can do them
// together: the last one, and those before it that are like it. Empty where the last one is of
// another kind.
std::vector<Equality> common_equalities(const std::vector<Alternative>& all, size_t end) {
  std::vector<Equality> found;
  for (size_t i = end; i-- > 0;) {
    if (all[i].action != all[end - 1].action || all[i].conditions.size() != 1) break;
    const auto next = equality(all[i].conditions[0]);
    if (!next) break;
    if (!found.empty() && (next->argument != found[0].argument || next->bits != found[0].bits ||
                           high(next->value) != high(found[0].value))) {
      break;
    }
    found.push_back(*next);
  }
  return found;
}

Label emit_verdict(Assembler& out, const Verdict& verdict, uint32_t otherwise) {
  if (verdict.action) return out.result(*verdict.action);
  const std::vector<Alternative>& all = verdict.alternatives;
  Label no = out.result(otherwise);
  for (size_t end = all.size(); end > 0;) {
    const auto& [action, conditions] = all[end - 1];
    const std::vector<Equality> equalities = common_equalities(all, end);
    Label entry = out.result(action);
    if (equalities.empty()) {
      for (size_t c = conditions.size(); c-- > 0;)
        entry = holds(out, conditions[c], entry, no);
      end--;
    } else {
      entry = equals_any(out, equalities, entry, no);
      end -= equalities.size();
    }
    no = entry;
  }
  return no;
}

// Calls with the same conditions (socket and socketpair) share the instructions that test them.
class SharedVerdicts {
 public:
  Label emit(Assembler& out, const Verdict& verdict, uint32_t otherwise) {
    for (const auto& [known, entry] : emitted_) {
      if (*known == verdict) return entry;
    }
    const Label entry = emit_verdict(out, verdict, otherwise);
    if (!verdict.action) emitted_.emplace_back(&verdict, entry);
    return entry;
  }

 private:
  std::vector<std::pair<const Verdict*, Label>> emitted_;
};

// A binary search. The accumulator holds the number all the way, so that the kernel can tell at
// load time, call by call, which are always allowed, and then never runs the program for those.
Label emit_search(Assembler& out, const std::vector<Span>& spans, size_t begin, size_t end,
                  uint32_t otherwise, SharedVerdicts& shared) {
  if (end - begin == 1) return shared.emit(out, spans[begin].verdict, otherwise);
  const size_t middle = begin + (end - begin) / 2;
  const Label right = emit_search(out, spans, middle, end, otherwise, shared);
  const Label left = emit_search(out, spans, begin, middle, otherwise, shared);
  return out.jump(BPF_JGE, spans[middle].first, right, left);
}

// --- The whole ---

Result<std::vector<Section>> sections_of(const Profile& profile) {
  std::vector<Section> sections;
  for (const std::string& name : profile.architectures) {
    const uint32_t token = seccomp_arch_resolve_name(name.c_str());
    if (token == 0) return Error{EINVAL, "seccomp_arch_resolve_name", "architectures"};
    const uint32_t audit_arch = token == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : token;
    Section* section = nullptr;
    for (Section& known : sections) {
      if (known.audit_arch == audit_arch) section = &known;
    }
    if (section == nullptr) section = &sections.emplace_back(Section{audit_arch, {}});
    section->tokens.push_back(token);
  }
  return sections;
}

Label emit_section(Assembler& out, const Profile& profile, const Section& section,
                   std::vector<bool>& known) {
  std::vector<Span> native;
  std::vector<Span> x32;
  for (const uint32_t token : section.tokens) {
    const bool is_x32 = token == SCMP_ARCH_X32;
    lay_out(is_x32 ? x32 : native, profile, is_x32 ? kX32Bit : 0, collect(profile, token, known));
  }
  if (native.empty()) push(native, 0, {kNoSuchCall, {}});
  if (section.audit_arch == AUDIT_ARCH_X86_64) {
    // What a kernel without x32 says, and nearly all are.
    if (x32.empty()) push(x32, kX32Bit, {kNoSuchCall, {}});
    for (Span& span : x32)
      push(native, span.first, std::move(span.verdict));
  }
  SharedVerdicts shared;
  const Label search = emit_search(out, native, 0, native.size(), profile.default_action, shared);
  return out.load(offsetof(seccomp_data, nr), search);
}

}  // namespace

Result<Filter> compile(const Profile& profile) {
  auto found = sections_of(profile);
  if (!found.ok()) return found.error();
  const std::vector<Section> sections = found.take();

  size_t name_count = 0;
  for (const Rule& rule : profile.rules)
    name_count += rule.names.size();
  std::vector<bool> known(name_count, false);

  Assembler out;
  std::vector<Label> entries;
  for (const Section& section : sections) {
    entries.push_back(emit_section(out, profile, section, known));
  }
  // Any other mode, such as int 0x80 on x86-64, has other numbers: never let its calls pass for
  // ours.
  Label next = out.result(SECCOMP_RET_KILL_PROCESS);
  for (size_t i = sections.size(); i-- > 0;) {
    next = out.jump(BPF_JEQ, sections[i].audit_arch, entries[i], next);
  }
  out.load(offsetof(seccomp_data, arch), next);
  if (out.size() > BPF_MAXINSNS) return Error{E2BIG, "seccomp", "instructions"};

  Filter filter{out.take(), {}};
  size_t index = 0;
  for (const Rule& rule : profile.rules) {
    for (const std::string& name : rule.names) {
      if (!known[index++]) filter.unknown.push_back(name);
    }
  }
  return filter;
}

}  // namespace caisson::seccomp
