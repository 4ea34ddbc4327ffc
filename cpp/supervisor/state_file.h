// state.json, the state of a container, and the file of events (docs/lifecycle.md;
// lib/engine/store/stored.ts, event-log.ts).
#pragma once

#include "../base/result.h"
#include "clock.h"

namespace caisson {

struct StateRecord {
  const char* status = "created";
  int pid = 0;
  char start_time[24] = "";
  char supervisor[96] = "";
  uint32_t id_base = 0;
  char started_at[kTimeSize] = "";
  char finished_at[kTimeSize] = "";
  int exit_code = 0;
  bool oom_killed = false;
  char error[512] = "";
  uint32_t restart_count = 0;
  bool stopped = false;
  uint64_t log_lost = 0;
};

// Makes room for all later states. A container whose state cannot be written must not run, since
// the next command would start it a second time. Where there is no `state.json` yet, it says
// "created".
Status prepare_state(int directory);

// Replaces `state.json` in `directory`.
Status write_state(int directory, const StateRecord& state);

// Field 22 of /proc/<pid>/stat, proc_pid_stat(5); empty when there is no such process.
void read_start_time(int pid, char (&to)[24]);

// What an event is about.
struct EventSubject {
  const char* type;
  const char* id;
  const char* attributes;  // the members of a JSON object
};

// Appends one event to a file. The process whose event makes the file large rotates it
// (lib/engine/store/event-log.ts): `owner` is this process, as "pid start-time boot-id".
void append_event(const char* path, const char* owner, const char* action,
                  const EventSubject& subject, const char* more = "");

}  // namespace caisson
