#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace caisson::testing {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  bool whole() {
    const bool read = value("");
    space();
    return read && at_ == text_.size();
  }
  std::map<std::string, std::string> take() { return std::move(scalars_); }

 private:
  bool take(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void space() {
    while (at_ < text_.size() && strchr(" \t\r\n", text_[at_]) != nullptr && text_[at_] != '\0')
      ++at_;
  }
  static std::string below(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  bool value(const std::string& path) {
    space();
    if (at_ >= text_.size()) return false;
    if (text_[at_] == '{') return object(path);
    if (text_[at_] == '[') return array(path);
    if (text_[at_] == '"') return string(scalars_[path]);
    const size_t end = text_.find_first_of(",]} \t\r\n", at_);
    const std::string word = text_.substr(at_, end - at_);
    at_ += word.size();
    scalars_[path] = word;
    return word == "true" || word == "false" || word == "null" || number(word);
  }

  static bool number(const std::string& word) {
    const size_t digits = word.find_first_not_of("0123456789", word[0] == '-' ? 1 : 0);
    return word.find_first_of("0123456789") != std::string::npos && digits == std::string::npos;
  }

  bool object(const std::string& path) {
    take('{');
    space();
    if (take('}')) return true;
    do {
      std::string name;
      space();
      if (!string(name)) return false;
      space();
      if (!take(':') || scalars_.count(below(path, name)) > 0 || !value(below(path, name)))
        return false;
      space();
    } while (take(','));
    return take('}');
  }

  bool array(const std::string& path) {
    take('[');
    space();
    if (take(']')) return true;
    int index = 0;
    do
      if (!value(below(path, std::to_string(index++)))) return false;
    while (space(), take(','));
    return take(']');
  }

  bool string(std::string& to) {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        // As many at once as need no look.
        const size_t end = std::min(text_.find_first_of("\"\\", at_), text_.size());
        for (size_t i = at_; i < end; ++i)
          if (static_cast<unsigned char>(text_[i]) < 0x20) return false;
        to.append(text_, at_ - 1, end - at_ + 1);
        at_ = end;
      } else if (!escape(to)) {
        return false;
      }
    }
    return false;
  }

  bool escape(std::string& to) {
    constexpr const char* kFrom = "\"\\/bfnrt";
    constexpr const char* kTo = "\"\\/\b\f\n\r\t";
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (const char* found = strchr(kFrom, c); found != nullptr && c != '\0') {
      to.push_back(kTo[found - kFrom]);
      return true;
    }
    // Nothing but control characters is written in this way.
    const std::string digits = text_.substr(at_, 4);
    char* end = nullptr;
    const unsigned long code = strtoul(digits.c_str(), &end, 16);
    if (c != 'u' || digits.size() != 4 || *end != '\0' || code >= 0x20) return false;
    at_ += 4;
    to.push_back(static_cast<char>(code));
    return true;
  }

  const std::string& text_;
  size_t at_ = 0;
  std::map<std::string, std::string> scalars_;
};

}  // namespace

void require(bool holds) {
  if (!holds) abort();
}

uint8_t Script::byte() {
  if (left_ == 0) return 0;
  --left_;
  return *at_++;
}

std::string Script::text() {
  const uint8_t size = byte();
  if (size == 0xff) {
    const size_t wanted = (size_t{byte()} + 1) << 8, count = std::min(wanted, fill_);
    fill_ -= count;
    return std::string(count, static_cast<char>(byte()));
  }
  const size_t taken = size < left_ ? size : left_;
  std::string text(reinterpret_cast<const char*>(at_), taken);
  at_ += taken;
  left_ -= taken;
  return text;
}

// scripts/fuzz names a directory of its own, which it removes after a crash, too.
MemoryDirectory::MemoryDirectory() {
  const char* around = getenv("CAISSON_FUZZ_DIRECTORY");
  path_ = std::string(around == nullptr ? "/dev/shm" : around) + "/caisson-fuzz-XXXXXX";
  require(mkdtemp(path_.data()) != nullptr);
  fd_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  require(fd_ >= 0);
}

MemoryDirectory::~MemoryDirectory() {
  close(fd_);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string MemoryDirectory::read(const char* name) const {
  const int file = openat(fd_, name, O_RDONLY | O_CLOEXEC);
  require(file >= 0);
  std::string text;
  char bytes[64 << 10];
  ssize_t got = 0;
  while ((got = ::read(file, bytes, sizeof bytes)) > 0)
    text.append(bytes, static_cast<size_t>(got));
  require(got == 0);
  close(file);
  return text;
}

void MemoryDirectory::remove(const char* name) const {
  unlinkat(fd_, name, 0);
}

std::optional<std::map<std::string, std::string>> read_json(const std::string& text) {
  Reader reader(text);
  if (!reader.whole()) return std::nullopt;
  return reader.take();
}

}  // namespace caisson::testing
