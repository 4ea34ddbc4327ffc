// What a start on a network does with small files, while the JavaScript thread waits: each call of
// node:fs costs that thread more than the system calls themselves.
#pragma once

#include <napi.h>

namespace caisson {

// beginClaim(staged, link, owner, hint): makes the directory `staged` with the link `link` in it,
// whose text is `owner`, and then reads the file `hint`, which is made if it is missing; none if
// the path is empty (lib/network/bridge/addresses.ts). → the hint as a string; an errno: there is
// nothing staged; a negative one: of the file.
Napi::Value begin_claim(const Napi::CallbackInfo& info);

// placeClaim(staged, directory, hint, text): renames it, and writes the next hint, which may fail.
// → 0, or the errno of the first.
Napi::Value place_claim(const Napi::CallbackInfo& info);

// firstByte(path) → of a file, -1 if it cannot be read or is empty.
Napi::Value first_byte(const Napi::CallbackInfo& info);

}  // namespace caisson
