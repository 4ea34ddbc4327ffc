#pragma once

#include <napi.h>

namespace caisson {

// compileSeccomp(architectures: string[], names: string[], words: BigUint64Array)
//   → Promise<{ filter: Uint8Array, unknown: string[] }>
//
// `words` is the profile in numbers: the default action, the action for calls newer than the
// profile, then for each rule how many of `names` it takes, its action, its number of conditions,
// and four words for each condition: argument, comparison, value, second value. lib/oci/seccomp.ts
// is the only writer. `filter` is an array of struct sock_filter.
//
// Throws a TypeError for what is not of that shape. The work is done off the JavaScript thread;
// rejects with `code` EINVAL (unknown architecture) or E2BIG (more than 4096 instructions).
Napi::Value CompileSeccomp(const Napi::CallbackInfo& info);

}  // namespace caisson
