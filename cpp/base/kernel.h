// The kernel's constants by their names: errors, signals, wait(2), mounts, file types. They come
// from the kernel's headers, or from those of libc that need no library, so that caisson-init has
// them too.
//
// libc's come first: <linux/wait.h> makes macros of names that are enumerators in <sys/wait.h>.
// SIG* and AT_* are libc's, because <asm/signal.h> and <linux/fcntl.h> declare types of libc again.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
// clang-format off
#include <linux/close_range.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <linux/wait.h>
// clang-format on

namespace caisson {

// What the kernel's headers for programs leave out, or older ones do not have yet.
constexpr int kDetachMount = 2;              // MNT_DETACH, include/linux/fs.h
constexpr uint64_t kExitingProcess = 4;      // PF_EXITING, include/linux/sched.h
constexpr unsigned kNoExecSeal = 8;          // MFD_NOEXEC_SEAL, since Linux 6.3
constexpr unsigned kExecutableMemfd = 0x10;  // MFD_EXEC, since Linux 6.3

}  // namespace caisson
