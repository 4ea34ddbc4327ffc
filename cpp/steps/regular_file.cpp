#include "regular_file.h"

#include <linux/magic.h>
#include <sys/statfs.h>

#include "../base/kernel.h"
#include "../base/text.h"
#include "resolve.h"

namespace caisson {
namespace {

// Of include/linux and fs/ of the kernel: those that linux/magic.h does not have.
constexpr unsigned kMqueueMagic = 0x19800202, kConfigMagic = 0x62656570, kFuseControl = 0x65735543,
                   kResourceControl = 0x07655821;

}  // namespace

bool is_kernel_filesystem(unsigned type) {
  switch (type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case SELINUX_MAGIC:
    case SMACK_MAGIC:
    case PSTOREFS_MAGIC:
    case BPF_FS_MAGIC:
    case EFIVARFS_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case BINFMTFS_MAGIC:
    case NSFS_MAGIC:
    case AUTOFS_SUPER_MAGIC:
    case kMqueueMagic:
    case kConfigMagic:
    case kFuseControl:
    case kResourceControl:
      return true;
    default:
      return false;
  }
}

Result<RegularFile> open_regular(int root, const char* path, int own_descriptors, uint64_t limit) {
  // Only looked at first: opening already does something to a device or a fifo.
  auto place = open_below(root, path, O_PATH);
  if (!place.ok()) return place.error();
  const int fd = place.value().get();
  struct statx info {};
  const long looked = sys::call(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &info);
  if (looked < 0) return failure(looked, "statx", path);
  struct statfs state {};
  const long found = sys::call(__NR_fstatfs, fd, &state);
  if (found < 0) return failure(found, "fstatfs", path);
  if ((info.stx_mode & S_IFMT) != S_IFREG ||
      is_kernel_filesystem(static_cast<unsigned>(state.f_type)))
    return failure(-EINVAL, "openat2", path);
  if (info.stx_size > limit) return failure(-EFBIG, "openat2", path);
  // The same inode again, for reading.
  Text<24> number;
  number.add(static_cast<uint64_t>(fd));
  const long opened =
      sys::call(__NR_openat, own_descriptors, number.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (opened < 0) return failure(opened, "openat", path);
  RegularFile file;
  file.fd.reset(static_cast<int>(opened));
  file.size = info.stx_size;
  return file;
}

}  // namespace caisson
