#pragma once

#include <napi.h>

namespace caisson {

// compileSeccomp(architectures: string[], names: string[], words: BigUint64Array)
//   → Promise<{ filter: Uint8Array, unknown: string[] }>
//
// The arguments are those of seccomp::read_profile. `filter` is an array of struct sock_filter.
//
// Throws a TypeError for what is not of that shape. The work is done off the JavaScript thread;
// rejects with `code` EINVAL (unknown architecture) or E2BIG (more than 4096 instructions).
Napi::Value compile_seccomp(const Napi::CallbackInfo& info);

}  // namespace caisson
