#include "confine_view.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "confinement.h"

namespace caisson::archive {
namespace {

constexpr uint32_t kAllowed[] = {
    __NR_read,
    __NR_write,
    __NR_pread64,
    __NR_pwrite64,
    __NR_close,
    __NR_openat,
    __NR_openat2,
    __NR_mkdirat,
    __NR_mknodat,
    __NR_linkat,
    __NR_symlinkat,
    __NR_unlinkat,
    __NR_renameat2,
    __NR_fchown,
    __NR_fchownat,
    __NR_fchmod,
    __NR_fchmodat,
    __NR_utimensat,
    __NR_fgetxattr,
    __NR_flistxattr,
    __NR_fsetxattr,
    __NR_ftruncate,
    __NR_lseek,
    __NR_getdents64,
    __NR_fcntl,
    __NR_statx,
    __NR_fstatfs,
    __NR_readlinkat,
    __NR_fchdir,
    __NR_ppoll,
    __NR_inotify_init1,
    __NR_inotify_add_watch,
    __NR_brk,
    __NR_munmap,
    __NR_inotify_rm_watch,
    __NR_mremap,
    __NR_madvise,
    __NR_futex,
    __NR_exit,
    __NR_exit_group,
    __NR_getrandom,
    __NR_rt_sigreturn,
    __NR_restart_syscall,
};

// What file owners, modes and attributes need.
constexpr unsigned kCapabilities[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,
                                      CAP_FSETID, CAP_MKNOD,        CAP_SETFCAP};
// trusted.overlay.opaque, too. Of the calls that this capability allows, the filter has none but
// those for attributes.
constexpr unsigned kChangesCapabilities[] = {CAP_DAC_OVERRIDE, CAP_SYS_ADMIN};
constexpr uint64_t kMemory = 512 << 20;

}  // namespace

Status confine_view(bool reads_layers) {
  if (Status limited = limit_resource(RLIMIT_CORE, 0); !limited.ok()) return limited;
  if (Status limited = limit_resource(RLIMIT_AS, kMemory); !limited.ok()) return limited;
  const std::span<const unsigned> kept_capabilities =
      reads_layers ? std::span<const unsigned>(kChangesCapabilities) : kCapabilities;
  if (Status kept = keep_capabilities(kept_capabilities); !kept.ok()) return kept;
  if (Status given = give_up_privileges(); !given.ok()) return given;
  return load_filter(kAllowed);
}

}  // namespace caisson::archive
