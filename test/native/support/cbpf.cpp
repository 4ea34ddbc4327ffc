#include "cbpf.h"

#include <stddef.h>
#include <string.h>

namespace caisson::testing {
namespace {

bool is_jump(uint16_t code) {
  return BPF_CLASS(code) == BPF_JMP && BPF_OP(code) != BPF_JA;
}

bool holds(const sock_filter& jump, uint32_t accumulator) {
  switch (BPF_OP(jump.code)) {
    case BPF_JEQ:
      return accumulator == jump.k;
    case BPF_JGT:
      return accumulator > jump.k;
    case BPF_JGE:
      return accumulator >= jump.k;
    default:
      return (accumulator & jump.k) != 0;
  }
}

}  // namespace

bool is_valid(const std::vector<sock_filter>& program) {
  if (program.empty() || program.size() > BPF_MAXINSNS) return false;
  for (size_t at = 0; at < program.size(); ++at) {
    const auto& [code, yes, no, k] = program[at];
    const size_t after = program.size() - at - 1;
    switch (code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (k % sizeof(uint32_t) != 0 || k + sizeof(uint32_t) > sizeof(seccomp_data)) return false;
        break;
      case BPF_JMP | BPF_JA:
        if (k >= after) return false;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_K:
        if (yes >= after || no >= after) return false;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
      case BPF_RET | BPF_K:
        break;
      default:
        return false;
    }
  }
  return program.back().code == (BPF_RET | BPF_K);
}

uint32_t run_filter(const std::vector<sock_filter>& program, const seccomp_data& call) {
  uint32_t accumulator = 0;
  for (size_t at = 0;; ++at) {
    const sock_filter& now = program[at];
    if (now.code == (BPF_RET | BPF_K)) return now.k;
    if (now.code == (BPF_JMP | BPF_JA))
      at += now.k;
    else if (is_jump(now.code))
      at += holds(now, accumulator) ? now.jt : now.jf;
    else if (now.code == (BPF_ALU | BPF_AND | BPF_K))
      accumulator &= now.k;
    else
      memcpy(&accumulator, reinterpret_cast<const char*>(&call) + now.k, sizeof accumulator);
  }
}

}  // namespace caisson::testing
