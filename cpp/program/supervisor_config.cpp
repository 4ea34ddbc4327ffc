#include "supervisor_config.h"

namespace caisson {
namespace {

constexpr size_t kMaxSize = 16u << 20;
constexpr uint32_t kTexts = static_cast<uint32_t>(SupervisorText::kCount);
constexpr uint32_t kMaxSignal = 64;

bool plain(Blob blob) {
  for (uint32_t i = 0; i < blob.size; ++i)
    if (blob.data[i] == '\0') return false;
  return true;
}

// A check is an exec: it opens the process whose container it joins.
bool check_is_good(const SupervisorConfig& config) {
  const SupervisorHeader& header = config.header();
  if (header.check_interval == 0 || header.check_timeout == 0 || header.check_start_interval == 0 ||
      header.check_retries == 0)
    return false;
  const Blob bytes = config.blob(SupervisorText::kCheck);
  Program program;
  const char* reason = nullptr;
  if (!Program::decode(bytes.data, bytes.size, program, reason) ||
      program.count(Phase::kContainer) == 0)
    return false;
  for (const int16_t slot : header.check_slots)
    if (slot < 0 || slot >= static_cast<int>(program.slots())) return false;
  size_t opened = 0;
  for (size_t i = 0; i < program.count(Phase::kHost); ++i)
    opened += program.step(Phase::kHost, i).op == Op::kProcessOpen ? 1 : 0;
  return opened == 1;
}

}  // namespace

Blob SupervisorConfig::blob(SupervisorText which) const {
  const char* record =
      reinterpret_cast<const char*>(header_) + header_->text[static_cast<uint32_t>(which)];
  uint32_t size;
  __builtin_memcpy(&size, record, sizeof size);
  return {record + 8, size};
}

bool SupervisorConfig::decode(const void* bytes, size_t size, SupervisorConfig& config) {
  const auto* header = static_cast<const SupervisorHeader*>(bytes);
  if (reinterpret_cast<uintptr_t>(bytes) % alignof(Step) != 0 || size < sizeof *header ||
      size > kMaxSize || header->magic != kSupervisorMagic || header->size != size)
    return false;
  if (header->policy >= static_cast<uint32_t>(RestartPolicy::kCount) || header->retries < 0 ||
      header->stop_signal < 1 || header->stop_signal > static_cast<int32_t>(kMaxSignal) ||
      header->log_files == 0)
    return false;
  config.header_ = header;
  for (uint32_t i = 0; i < kTexts; ++i) {
    const uint32_t at = header->text[i];
    if (at % 8 != 0 || at < sizeof *header || at > size || size - at < 9) return false;
    const Blob text = config.blob(static_cast<SupervisorText>(i));
    if (text.size > size - at - 9 || text.data[text.size] != '\0') return false;
    const bool program = i >= static_cast<uint32_t>(SupervisorText::kProgram);
    if (!program && !plain(text)) return false;
  }
  const Blob program = config.blob(SupervisorText::kProgram),
             teardown = config.blob(SupervisorText::kTeardown);
  const char* reason = nullptr;
  if (!Program::decode(program.data, program.size, config.program_, reason) ||
      !Program::decode(teardown.data, teardown.size, config.teardown_, reason) ||
      config.program_.count(Phase::kContainer) == 0)
    return false;
  for (const int16_t slot : header->slots)
    if (slot < -1 || slot >= static_cast<int>(config.program_.slots())) return false;
  return !config.has_check() || check_is_good(config);
}

}  // namespace caisson
