// What a supervisor is told of its container: one block of memory, written by
// lib/engine/supervisor/supervisor-config.ts.
//
//   SupervisorHeader | texts, each: u32 size, u32 0, bytes, NUL, padded to 8 bytes
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "program.h"

namespace caisson {

constexpr uint32_t kSupervisorMagic = 0x314d5343;  // "CSM1"

enum SupervisorFlag : uint32_t {
  kSupervisorTerminal = 1,
  kSupervisorOpenStdin = 2,
  kSupervisorStdinOnce = 4,
  kSupervisorAutoRemove = 8,
  kSupervisorNoLog = 16,
  kSupervisorGated = 32,  // it begins when the first client says so, which moves it first
  kSupervisorOwnUserNamespace = 64,  // rootless: see init/user_namespace.h
  kSupervisorBound = 128,            // it ends with its first client
  // Rootless: its user namespace is below that of `holder_pid`, whose network it uses by an agent.
  kSupervisorSharedNetwork = 256,
};

enum class RestartPolicy : uint32_t { kNo, kOnFailure, kAlways, kUnlessStopped, kCount };

// Texts by their place in the header.
enum class SupervisorText : uint32_t {
  kId,
  kDirectory,   // the container's own, on the disk
  kNames,       // the directory of names
  kName,        // its name there
  kSockets,     // the directory for its socket, which is named by the id
  kEvents,      // the file of events
  kAttributes,  // members of an event's "attributes", as JSON, without braces
  kNetworks,    // and volumes, whose events tell of it: a line each, the id, a space and the
                // attributes
  kBootId,
  kProgram,
  kTeardown,
  kCheck,  // of the health check; pid and start time are for the supervisor to fill in; empty: none
  kCount,
};

struct SupervisorHeader {
  uint32_t magic;
  uint32_t size;
  uint32_t flags;
  uint32_t policy;
  int32_t retries;  // with on-failure; 0 is without end
  int32_t stop_signal;
  int32_t stop_timeout;  // seconds, after a signal to the supervisor; -1: without a limit
  uint32_t id_base;
  uint64_t log_size;  // bytes, after which a log file is rotated
  uint32_t log_files;
  uint32_t attach;   // what the first client is attached to: bits as in a frame
  int16_t slots[4];  // stdin, stdout, stderr, the file that counts OOM kills; -1: none
  uint32_t check_interval, check_timeout, check_start_period, check_start_interval;  // milliseconds
  uint32_t check_retries;                                      // failures in a row
  int16_t check_slots[2];                                      // its stdout and stderr
  uint32_t text[static_cast<size_t>(SupervisorText::kCount)];  // offsets
  uint32_t joined_pid;  // rootless: of the container whose user namespace it joins; 0: none
  uint32_t holder_pid;  // with kSupervisorSharedNetwork: of the process that holds the network
};
static_assert(sizeof(SupervisorHeader) == 136);

class SupervisorConfig {
 public:
  // Checks everything that is relied on; `config` refers to `bytes` afterwards.
  static bool decode(const void* bytes, size_t size, SupervisorConfig& config);

  const SupervisorHeader& header() const { return *header_; }
  bool has(SupervisorFlag flag) const { return (header_->flags & flag) != 0; }
  const char* text(SupervisorText which) const { return blob(which).data; }
  Blob blob(SupervisorText which) const;
  const Program& program() const { return program_; }
  const Program& teardown() const { return teardown_; }
  bool has_check() const { return blob(SupervisorText::kCheck).size > 0; }

 private:
  const SupervisorHeader* header_ = nullptr;
  Program program_;
  Program teardown_;
};

}  // namespace caisson
