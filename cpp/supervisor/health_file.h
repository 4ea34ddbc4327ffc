// health.json: what the health checks of a container have said (docs/lifecycle.md;
// lib/engine/store/stored.ts).
#pragma once

#include "../base/result.h"
#include "clock.h"

namespace caisson {

constexpr size_t kMaxCheckOutput = 4096;
constexpr unsigned kMaxCheckResults = 5;

enum class HealthStatus { kStarting, kHealthy, kUnhealthy };

// Plain memory, of which nothing is touched before there is a check.
struct CheckResult {
  char start[kTimeSize], end[kTimeSize];
  int exit_code;
  char note[640];  // what the supervisor says of it, before its output
  uint32_t size;
  bool more;  // it wrote more than is kept
  char output[kMaxCheckOutput];
};

// Replaces `health.json` in `directory`; `results` are the oldest first.
Status write_health(int directory, HealthStatus status, uint32_t failing_streak,
                    const CheckResult* const* results, unsigned count);

const char* health_name(HealthStatus status);

}  // namespace caisson
