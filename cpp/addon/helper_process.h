// Programs of the package that work for JavaScript, such as caisson-archive: children of this
// process, with which it talks over sockets.
#pragma once

#include <napi.h>

namespace caisson {

// startProcess(path, arguments, files) → { process, ends }, or { errno, call }. `files` are what
// the program has as its descriptors 0, 1, 2 and so on: a descriptor of this process, kNoFile or
// kSocket; `ends` are this process's ends of the sockets, and -1 for all others. A process that
// JavaScript has lost is killed.
Napi::Value start_process(const Napi::CallbackInfo& info);

constexpr int kNoFile = -1;  // of the first three: /dev/null
constexpr int kSocket = -2;

// killProcess(process): SIGKILL.
Napi::Value kill_process(const Napi::CallbackInfo& info);

// endProcess(process) → a promise of { code, signal } when it is no more. For one that has closed
// its descriptors, which it does when it ends: otherwise it is killed.
Napi::Value end_process(const Napi::CallbackInfo& info);

}  // namespace caisson
