#include "../base/kernel.h"
#include "../steps/regular_file.h"
#include "container_steps.h"

namespace caisson::steps {
namespace {

Status write_all(int fd, const void* bytes, size_t size) {
  const auto* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const long written = sys::call(__NR_write, fd, from, size);
    if (written == -EINTR) continue;
    if (written < 0) return failure(written, "write");
    from += written;
    size -= static_cast<size_t>(written);
  }
  return {};
}

// As many bytes as were announced, whatever becomes of the file meanwhile.
Status send_file(int to, int file, uint64_t size) {
  char part[16 << 10];
  while (size > 0) {
    const size_t wanted = size < sizeof part ? size : sizeof part;
    long got = sys::call(__NR_read, file, part, wanted);
    if (got == -EINTR) continue;
    if (got < 0) return failure(got, "read");
    if (got == 0) {
      // It has become shorter: lines of nothing.
      for (size_t i = 0; i < wanted; ++i)
        part[i] = '\n';
      got = static_cast<long>(wanted);
    }
    if (Status sent = write_all(to, part, static_cast<size_t>(got)); !sent.ok()) return sent;
    size -= static_cast<uint64_t>(got);
  }
  return {};
}

}  // namespace

// For each path 32 bits, its size or a negated errno, and then so many bytes.
Status files_send(Machine& machine, const Step& step) {
  const int to = machine.slot(step, 0);
  const Blob paths = machine.blob(step, 0);
  for (uint32_t at = 0; at < paths.size;) {
    const char* path = paths.data + at;
    at += static_cast<uint32_t>(length(path)) + 1;
    auto file = open_regular(machine.slot(step, 1), path, container(machine).own_descriptors,
                             step.number[0]);
    const int32_t head = file.ok() ? static_cast<int32_t>(file.value().size) : -file.error().number;
    if (Status sent = write_all(to, &head, sizeof head); !sent.ok()) return sent;
    if (!file.ok()) continue;
    if (Status sent = send_file(to, file.value().fd.get(), file.value().size); !sent.ok())
      return Error{sent.error().number, sent.error().call, path};
  }
  return {};
}

}  // namespace caisson::steps
