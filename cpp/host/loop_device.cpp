// image.mount: a file system in a file, such as the writable layer of a container with a quota.
#include "loop_device.h"

#include <linux/loop.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "host_machine.h"

namespace caisson {
namespace {

constexpr const char* kControl = "/dev/loop-control";
// Between the question for a free device and its use, another process may take that one.
constexpr int kAttempts = 64;

// How long a start waits for an image that is still attached: the mounts of a run that has ended
// are taken down by the kernel a moment later.
constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kPatience = 20000 * kMillisecond;

Text<24> device_path(uint64_t number) {
  Text<24> path;
  path.add("/dev/loop").add(number);
  return path;
}

Result<UniqueFd> open_device(const char* path, int flags) {
  return own_fd(sys::call(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC), "openat", path);
}

}  // namespace

Status lock_image(int image) {
  return check(sys::call(__NR_flock, image, LOCK_EX | LOCK_NB), "flock");
}

Result<LoopDevice> attach_image(int image) {
  auto control = open_device(kControl, O_RDWR);
  if (!control.ok()) return control.error();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const long number = sys::call(__NR_ioctl, control.value().get(), LOOP_CTL_GET_FREE);
    if (number < 0) return failure(number, "ioctl", kControl);
    LoopDevice device{{}, device_path(static_cast<uint64_t>(number))};
    auto writable = open_device(device.path.c_str(), O_RDWR);
    if (!writable.ok()) return Error{writable.error().number, "openat", "/dev/loop"};
    loop_config config{};
    config.fd = static_cast<uint32_t>(image);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    const long attached = sys::call(__NR_ioctl, writable.value().get(), LOOP_CONFIGURE, &config);
    if (attached == -EBUSY) continue;
    if (attached < 0) return failure(attached, "ioctl", "/dev/loop");
    auto reopened = open_device(device.path.c_str(), O_RDONLY);
    if (!reopened.ok()) return Error{reopened.error().number, "openat", "/dev/loop"};
    device.fd = reopened.take();
    return device;
  }
  return Error{EBUSY, "ioctl", kControl};
}

Result<LoopDevice> find_attached(int image) {
  struct stat wanted {};
  if (const long got = sys::call(__NR_fstat, image, &wanted); got < 0)
    return failure(got, "fstat", "a layer");
  // Devices have the numbers from 0 on, without gaps except for removed ones.
  constexpr uint64_t kMaxGap = 64;
  for (uint64_t number = 0, gap = 0; gap < kMaxGap; ++number) {
    LoopDevice device{{}, device_path(number)};
    auto opened = open_device(device.path.c_str(), O_RDONLY);
    if (!opened.ok()) {
      ++gap;
      continue;
    }
    gap = 0;
    loop_info64 info{};
    if (sys::call(__NR_ioctl, opened.value().get(), LOOP_GET_STATUS64, &info) < 0) continue;
    if (info.lo_inode != wanted.st_ino || info.lo_device != wanted.st_dev) continue;
    device.fd = opened.take();
    return device;
  }
  return Error{ENXIO, "ioctl", "/dev/loop"};
}

Result<UniqueFd> mount_device(const LoopDevice& device, const char* type, const char* options,
                              uint64_t attributes) {
  auto context = own_fd(sys::call(__NR_fsopen, type, FSOPEN_CLOEXEC), "fsopen", type);
  if (!context.ok()) return context;
  const int fd = context.value().get();
  const long set = sys::call(__NR_fsconfig, fd, FSCONFIG_SET_STRING, "source", device.path.c_str());
  if (set < 0) return failure(set, "fsconfig", type);
  if (options != nullptr)
    if (Status configured = configure_filesystem(fd, options, type); !configured.ok())
      return configured.error();
  return finish_filesystem(fd, attributes, type);
}

namespace steps {

// number: attributes. Slot 1 has the image, open for reading and writing; slot 2 names the user
// namespace whose ids the mount shall speak.
Status image_mount(Machine& base, const Step& step) {
  HostMachine& machine = host(base);
  const char* type = base.text(step, 0);
  const int image = base.slot(step, 1);
  const uint64_t end = sys::monotonic() + kPatience;
  for (;;) {
    Status locked = lock_image(image);
    if (locked.ok()) break;
    if (locked.error().number != EAGAIN) return locked;
    if (machine.canceller.cancels()) return Error{ECANCELED, "flock", "the layer"};
    if (sys::monotonic() > end) return Error{ETIMEDOUT, "flock", "the layer"};
    sys::sleep(kMillisecond);
  }
  auto device = attach_image(image);
  if (!device.ok()) return device.error();
  auto mount = mount_device(device.value(), type, base.text(step, 1), step.number[0]);
  if (!mount.ok()) return mount.error();
  if (const int userns = base.slot(step, 2); userns >= 0) {
    Status mapped = set_mount_attributes(mount.value().get(), 0, 0, false, 0, userns, type);
    if (!mapped.ok()) return mapped;
  }
  base.fill(step, 0, mount.value().release());
  return {};
}

}  // namespace steps
}  // namespace caisson
