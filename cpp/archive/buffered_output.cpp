#include "buffered_output.h"

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson::archive {

Status Output::write_all(const uint8_t* bytes, size_t size) {
  while (size > 0) {
    const long written = sys::call(__NR_write, fd_, bytes, size);
    if (written == -EINTR) continue;
    if (written < 0) return failure(written, "write", "output");
    bytes += written;
    size -= static_cast<size_t>(written);
  }
  return {};
}

Status Output::write(const void* bytes, size_t size) {
  const auto* from = static_cast<const uint8_t*>(bytes);
  if (buffer_.size() + size > kBuffer) {
    if (Status flushed = flush(); !flushed.ok()) return flushed;
    if (size >= kBuffer) return write_all(from, size);
  }
  buffer_.insert(buffer_.end(), from, from + size);
  return {};
}

Status Output::flush() {
  const Status written = write_all(buffer_.data(), buffer_.size());
  buffer_.clear();
  return written;
}

}  // namespace caisson::archive
