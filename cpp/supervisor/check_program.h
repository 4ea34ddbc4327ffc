// The launch program for one run of a health check: a copy in which the container's first process
// and, on cgroup v2, the cgroup of that process are filled in.
#pragma once

#include "../base/result.h"
#include "../program/program.h"

namespace caisson {

class CheckProgram {
 public:
  CheckProgram() = default;
  CheckProgram(const CheckProgram&) = delete;
  CheckProgram& operator=(const CheckProgram&) = delete;
  ~CheckProgram();

  // `bytes` were checked before (SupervisorConfig); `id` is the container's id.
  Status prepare(Blob bytes, const char* id, int pid, const char* start_time);

  const Program& program() const { return program_; }
  Blob bytes() const { return {memory_, size_}; }

 private:
  void follow_cgroup(const char* id, int pid);
  void append(Step& step, const char* first, const char* second);

  // This is not the shared page: steps after the clone read the program too.
  char* memory_ = nullptr;
  size_t room_ = 0;
  uint32_t size_ = 0;
  Program program_;
};

}  // namespace caisson
