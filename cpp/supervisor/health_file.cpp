#include "health_file.h"

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/text.h"

namespace caisson {
namespace {

constexpr const char* kHealth = "health.json";
constexpr const char* kNext = "health.json.new";

// A file that is written piece by piece. The first failure is reported at the end.
class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}

  void add(const char* text) { add(text, length(text)); }
  void add(const char* bytes, size_t size) {
    for (size_t i = 0; i < size; ++i) {
      if (size_ == sizeof bytes_) flush();
      bytes_[size_++] = bytes[i];
    }
  }
  void add_number(int64_t number) {
    Text<24> digits;
    const auto bits = static_cast<uint64_t>(number);
    digits.add(number < 0 ? "-" : "").add(number < 0 ? 0 - bits : bits);
    add(digits.c_str());
  }
  // As the inside of a JSON string. Bytes above 127 are not escaped.
  void add_json(const char* bytes, size_t size) {
    constexpr const char* kHex = "0123456789abcdef";
    for (size_t i = 0; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      if (byte == '\n') {
        add("\\n");
      } else if (byte < 0x20) {
        const char escape[] = {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
        add(escape, sizeof escape);
      } else {
        if (byte == '"' || byte == '\\') add("\\");
        add(bytes + i, 1);
      }
    }
  }

  Status finish() {
    flush();
    return check(result_, "write", kNext);
  }
  uint64_t written() const { return written_; }

 private:
  void flush() {
    const long written = sys::call(__NR_write, fd_, bytes_, size_);
    if (result_ == 0 && written != static_cast<long>(size_))
      result_ = written < 0 ? written : -ENOSPC;
    written_ += size_;
    size_ = 0;
  }

  int fd_;
  long result_ = 0;
  uint64_t written_ = 0;
  size_t size_ = 0;
  char bytes_[2048];
};

void add_result(Writer& to, const CheckResult& result, bool with_output) {
  to.add("{\"start\":\"");
  to.add(result.start);
  to.add("\",\"end\":\"");
  to.add(result.end);
  to.add("\",\"exitCode\":");
  to.add_number(result.exit_code);
  to.add(",\"output\":\"");
  to.add_json(result.note, length(result.note));
  if (!with_output) {
    to.add(result.size > 0 ? "...\"}" : "\"}");
    return;
  }
  if (result.note[0] != '\0' && result.size > 0) to.add(": ");
  to.add_json(result.output, result.size);
  to.add(result.more ? "...\"}" : "\"}");
}

struct Results {
  const CheckResult* const* results;
  unsigned count;
};

Status write_next(int directory, HealthStatus status, uint32_t failing_streak, Results all,
                  bool with_output) {
  auto file = own_fd(
      sys::call(__NR_openat, directory, kNext, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600),
      "openat", kNext);
  if (!file.ok()) return file.error();
  Writer writer(file.value().get());
  writer.add("{\"status\":\"");
  writer.add(health_name(status));
  writer.add("\",\"failingStreak\":");
  writer.add_number(failing_streak);
  writer.add(",\"log\":[");
  for (unsigned i = 0; i < all.count; ++i) {
    if (i > 0) writer.add(",");
    add_result(writer, *all.results[i], with_output);
  }
  writer.add("]}\n");
  if (Status written = writer.finish(); !written.ok()) return written;
  return check(sys::call(__NR_ftruncate, file.value().get(), writer.written()), "ftruncate", kNext);
}

}  // namespace

const char* health_name(HealthStatus status) {
  switch (status) {
    case HealthStatus::kHealthy:
      return "healthy";
    case HealthStatus::kUnhealthy:
      return "unhealthy";
    default:
      return "starting";
  }
}

// On a full disk the results lose their output, and the status is still written: as with
// `state.json` (state_file.cpp), the file before the last is overwritten, and exchanged with the
// last.
Status write_health(int directory, HealthStatus status, uint32_t failing_streak,
                    const CheckResult* const* results, unsigned count) {
  const Results all{results, count};
  Status written = write_next(directory, status, failing_streak, all, true);
  const int number = written.error().number;
  if (number == ENOSPC || number == EDQUOT)
    written = write_next(directory, status, failing_streak, all, false);
  if (!written.ok()) return written;
  if (sys::call(__NR_renameat2, directory, kNext, directory, kHealth, RENAME_EXCHANGE) >= 0)
    return {};
  if (Status renamed = check(sys::call(__NR_renameat2, directory, kNext, directory, kHealth, 0),
                             "renameat2", kHealth);
      !renamed.ok())
    return renamed;
  // This was the first file. A second one makes room for the next write.
  static_cast<void>(write_next(directory, status, failing_streak, all, true));
  return {};
}

}  // namespace caisson
