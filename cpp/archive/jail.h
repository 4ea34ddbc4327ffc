// What a process of caisson-archive gives up before it reads a byte of an archive.
#pragma once

#include "../base/result.h"
#include "../base/unique_fd.h"

namespace caisson {

constexpr int kJailInput = 0, kJailReport = 1, kJailRequests = 2, kJailDirectories = 3;

// Of the process that is confined; they have the numbers above afterwards, and are the only ones.
struct JailFds {
  int input = -1;        // the archive
  int report = -1;       // the caller's
  int requests = -1;     // to the process outside
  int directories = -1;  // a second archive, if there is one
};

// A detached copy of the mount of `directory`, without what is mounted below it, in which no device
// and no program of the archive can be used.
Result<UniqueFd> clone_directory(int directory);

// This process is the first one of a new pid namespace, in new network, IPC and UTS namespaces. It
// gets a mount namespace, with `mount` as its root, and keeps the capabilities that give files
// their owners and attributes. `umask` is 0 afterwards. The filter comes later: load_jail_filter.
Status enter_jail(int mount, const JailFds& fds);

// Of all threads: what unpacking needs, and no new executable memory.
Status load_jail_filter();

// The process outside keeps only what the attributes of overlayfs need.
Status confine_outside();

}  // namespace caisson
