// An image file with a file system in it, mounted through a loop device (loop(4)).
#pragma once

#include "../base/result.h"
#include "../base/text.h"
#include "../base/unique_fd.h"

namespace caisson {

struct LoopDevice {
  UniqueFd fd;  // read-only: kernels may refuse to mount what is open for writing
  Text<24> path;
};

// A process that attaches an image holds this lock. The loop device keeps the same open file, and
// the lock with it, until it is detached: so an image is never attached twice, which would destroy
// what is in it. EWOULDBLOCK: it is attached.
Status lock_image(int image);

// Attaches a locked image to a free loop device. The kernel detaches it when it has been closed and
// unmounted.
Result<LoopDevice> attach_image(int image);

// The loop device to which another process has attached the image. ENXIO: there is none.
Result<LoopDevice> find_attached(int image);

// A mount of the file system on a loop device, mounted nowhere yet. `options` as for mount(8), or
// null. Of a device that is mounted already, the mount shows the same file system.
Result<UniqueFd> mount_device(const LoopDevice& device, const char* type, const char* options,
                              uint64_t attributes);

}  // namespace caisson
