// health.json: the results of a container's health checks (docs/lifecycle.md;
// lib/engine/store/stored.ts).
#pragma once

#include "../base/result.h"
#include "clock.h"

namespace caisson {

constexpr size_t kMaxCheckOutput = 4096;
constexpr unsigned kMaxCheckResults = 5;

enum class HealthStatus { kStarting, kHealthy, kUnhealthy };

// Plain memory: its pages are not touched before there is a check.
struct CheckResult {
  char start[kTimeSize], end[kTimeSize];
  int exit_code;
  char note[640];  // the supervisor's own remark, before the output
  uint32_t size;
  bool more;  // it wrote more than kMaxCheckOutput bytes
  char output[kMaxCheckOutput];
};

// Replaces `health.json` in `directory`; `results` are the oldest first.
Status write_health(int directory, HealthStatus status, uint32_t failing_streak,
                    const CheckResult* const* results, unsigned count);

const char* health_name(HealthStatus status);

}  // namespace caisson
