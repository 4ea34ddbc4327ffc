#include "report.h"

#include "../base/kernel.h"
#include "../base/sys.h"

namespace caisson {
namespace {

constexpr size_t kMaxLine = 8 << 20;
constexpr size_t kLongestText = 3 * 4096 + 2;

}  // namespace

void Report::begin(const char* key) {
  if (!first_) line_ += ',';
  first_ = false;
  line_ += '"';
  line_ += key;
  line_ += "\":";
}

void Report::add_text(std::string_view bytes) {
  constexpr const char* kHex = "0123456789ABCDEF";
  line_ += '"';
  for (const char one : bytes.substr(0, 4096)) {
    const auto byte = static_cast<uint8_t>(one);
    if (byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != '%') {
      line_ += one;
    } else {
      line_ += '%';
      line_ += kHex[byte >> 4];
      line_ += kHex[byte & 15];
    }
  }
  line_ += '"';
}

Report& Report::number(const char* key, uint64_t value) {
  begin(key);
  line_ += std::to_string(value);
  return *this;
}

Report& Report::text(const char* key, std::string_view bytes) {
  begin(key);
  add_text(bytes);
  return *this;
}

void Report::begin_list(const char* key) {
  begin(key);
  line_ += '[';
  first_ = true;
}

bool Report::item(std::string_view bytes) {
  if (line_.size() + kLongestText > kMaxLine) return false;
  if (!first_) line_ += ',';
  first_ = false;
  add_text(bytes);
  return true;
}

void Report::end_list() {
  line_ += ']';
  first_ = false;
}

Report& Report::trouble(const Trouble& trouble, std::string_view path) {
  text("kind", refusal_name(trouble.refusal)).text("detail", trouble.detail);
  if (trouble.number != 0) number("errno", static_cast<uint64_t>(trouble.number));
  if (!path.empty()) text("path", path);
  return *this;
}

bool Report::send(int fd) {
  line_ += "}\n";
  for (size_t at = 0; at < line_.size();) {
    const long written = sys::call(__NR_write, fd, line_.data() + at, line_.size() - at);
    if (written == -EINTR) continue;
    if (written <= 0) return false;
    at += static_cast<size_t>(written);
  }
  return true;
}

}  // namespace caisson
