// The resolver's directory: its socket, a lock that makes sure that there is one broker, and a file
// for each registration, from which the next broker goes on if this one is killed.
#pragma once

#include "../base/result.h"
#include "../base/text.h"
#include "../base/unique_fd.h"
#include "../steps/directory.h"
#include "registration.h"

namespace caisson {

// Identifies a process for as long as the machine runs.
struct ProcessName {
  uint32_t pid = 0;
  uint64_t start_time = 0;  // read_start_time

  bool operator==(const ProcessName&) const = default;
};

// The process of a pidfd (/proc/self/fdinfo); ESRCH if it has ended.
Result<ProcessName> name_process(int pidfd);
// A pidfd of that process, not of another one with its pid.
Result<UniqueFd> open_process(const ProcessName& name);

struct SavedRegistration {
  uint32_t magic;
  uint32_t size;  // of the registration
  ProcessName process;
  char boot[40];  // /proc/sys/kernel/random/boot_id: start times are those of one boot
  uint8_t registration[kMaxRegistration];
};

class RunDirectory {
 public:
  // Makes the directory if it is missing, takes the lock and listens. EALREADY if another broker
  // has the lock. The working directory is changed to it.
  Status open(const char* path);
  // Removes everything, so that nothing is left when the lock is given back with this process.
  void remove();

  int listener() const { return listener_.get(); }

  Status save(View id, const ProcessName& process, const uint8_t* registration, size_t size);
  void forget(View id);
  // Calls `take(saved)` with each registration of this boot. What is not sound, or not taken, is
  // removed.
  template <class Take>
  void each_saved(Take take) {
    static SavedRegistration saved;  // too large for the stack
    const UniqueFd files = open_directory(AT_FDCWD, ".");
    each_entry(files.get(), [&](const DirectoryEntry& entry) {
      if (equal(entry.name, kSocket) || equal(entry.name, kLock)) return;
      if (!load(entry.name, saved) || !take(saved))
        sys::call(__NR_unlinkat, AT_FDCWD, entry.name, 0);
    });
  }

 private:
  static constexpr const char* kSocket = "socket";
  static constexpr const char* kLock = "lock";

  Status take_lock();
  Status listen();
  static bool load(const char* name, SavedRegistration& saved);

  UniqueFd lock_, listener_;
};

}  // namespace caisson
