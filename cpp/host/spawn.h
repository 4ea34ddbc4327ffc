// Starting caisson-init and caisson-archive from Node without copying Node.
#pragma once

#include <span>

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

// The program's environment is empty.
struct NewProcess {
  const char* const* arguments;
  int file;          // the program: the sealed memfd with caisson-init; -1: `path` is
  int keep[5];       // the only descriptors above 2 that it gets; -1: none
  uint64_t ambient;  // capabilities to raise as ambient: without an id map exec drops all others
  bool streams = false;  // it gets the standard streams, too
  const char* path = nullptr;
  // In place of `keep` and `streams`: the descriptors that are its 0, 1, 2 and so on; -1: none.
  // They are close-on-exec here.
  std::span<const int> numbered = {};
};

// Of `numbered`.
constexpr size_t kMostNumbered = 8;

// clone3 with the address space shared until exec: costs the same at any size of Node's heap.
// `stack` is for the child's few calls. `cgroup` (or -1) is a cgroup2 directory to be born in.
Result<int> spawn(const NewProcess& process, uint64_t namespaces, int cgroup, void* stack,
                  size_t stack_size, UniqueFd& pidfd);

// caisson-init in a sealed memfd, opened read-only: what runs inside containers can neither be
// overwritten through /proc/self/exe nor is it a file that a process could replace (CVE-2019-5736).
Result<UniqueFd> load_init(const char* path);

}  // namespace caisson
