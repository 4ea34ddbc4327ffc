// The log: one record for each line, whatever the bytes are and however they are split; its
// rotation; and its behaviour on a full disk.
#include "../../cpp/supervisor/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

constexpr uint64_t kNoLimit = uint64_t{1} << 50;
constexpr size_t kPart = 16 << 10;

struct Log {
  std::string path = fresh_directory();
  UniqueFd directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::unique_ptr<LogWriter> writer = std::make_unique<LogWriter>();

  explicit Log(uint64_t size = kNoLimit, uint32_t files = 1) {
    writer->open(directory.get(), size, files);
  }
  void write(const std::string& bytes, Stream stream = Stream::kOut) const {
    writer->write(stream, bytes.data(), bytes.size());
  }
  std::string text(int number = 0) const { return read_file(file(number)); }
  std::string file(int number = 0) const {
    return path + "/json.log" + (number == 0 ? "" : "." + std::to_string(number));
  }
};

struct Record {
  std::string log, base64, stream, time;
};

// Reads the subset of JSON that a log has; anything else fails the test.
std::string string_at(const std::string& text, size_t& at) {
  std::string value;
  if (text[at] != '"') {
    fail("expected a string at " + text.substr(at, 20));
    at = text.size();
    return value;
  }
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    expect(byte >= 0x20, "no control characters in a string");
    if (byte != '\\') {
      value.push_back(text[at]);
      continue;
    }
    const char escaped = text[++at];
    switch (escaped) {
      case 'n':
        value.push_back('\n');
        break;
      case 't':
        value.push_back('\t');
        break;
      case 'r':
        value.push_back('\r');
        break;
      case '"':
      case '\\':
        value.push_back(escaped);
        break;
      case 'u':
        value.push_back(static_cast<char>(stoi(text.substr(at + 1, 4), nullptr, 16)));
        at += 4;
        break;
      default:
        fail(std::string("unknown escape ") + escaped);
    }
  }
  ++at;
  return value;
}

std::vector<Record> records(const std::string& text) {
  std::vector<Record> all;
  for (size_t at = 0; at < text.size();) {
    Record record;
    if (text[at] != '{') {
      fail("expected a record at " + text.substr(at, 20));
      break;
    }
    while (at < text.size() && text[at] != '}') {
      const std::string name = string_at(text, ++at);
      const std::string value = string_at(text, ++at);
      if (name == "log")
        record.log = value;
      else if (name == "base64")
        record.base64 = value;
      else if (name == "stream")
        record.stream = value;
      else if (name == "time")
        record.time = value;
      else
        fail("unknown member " + name);
    }
    expect(at + 1 < text.size() && text[at + 1] == '\n', "a line end after a record");
    at += 2;
    all.push_back(record);
  }
  return all;
}

std::string decode64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  expect_equal(text.size() % 4, size_t{0}, "base64 in groups");
  unsigned word = 0, bits = 0;
  for (const char digit : text) {
    if (digit == '=') break;
    word = word << 6 | static_cast<unsigned>(digits.find(digit));
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<char>(word >> bits & 0xff));
  }
  return bytes;
}

std::string all_bytes(const std::string& text) {
  std::string bytes;
  for (const Record& record : records(text))
    bytes += record.base64.empty() ? record.log : decode64(record.base64);
  return bytes;
}

std::string noise(size_t size, uint32_t seed, unsigned line_end_every = 0) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1103515245 + 12345;
    bytes.push_back(static_cast<char>(seed >> 16));
    if (line_end_every > 0 && seed >> 8 % line_end_every == 0) bytes.push_back('\n');
  }
  return bytes;
}

// Limits the size of files, which acts as a full disk with another errno (setrlimit(2)).
void limited(rlim_t bytes, const std::function<void()>& body) {
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  body();
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
}

}  // namespace

int main() {
  test("Each line becomes a record", [] {
    const Log log;
    log.write("one\ntwo\n");
    log.write("to err\n", Stream::kErr);
    const auto all = records(log.text());
    expect_equal(all.size(), size_t{3});
    expect_equal(all[0].log + all[0].stream, std::string("one\nstdout"));
    expect_equal(all[1].log + all[1].stream, std::string("two\nstdout"));
    expect_equal(all[2].log + all[2].stream, std::string("to err\nstderr"));
    for (const Record& record : all) {
      expect_equal(record.time.size(), size_t{30}, record.time);
      expect(record.base64.empty(), "no base64 of text");
    }
    struct stat info {};
    stat(log.file().c_str(), &info);
    expect_equal(info.st_mode & 0777 & ~0640u, 0u, "nothing for others");
  });

  test("An unfinished line waits, for each stream separately", [] {
    const Log log;
    log.write("out ");
    log.write("err ", Stream::kErr);
    expect(log.writer->unfinished(), "something unfinished");
    expect_equal(log.text(), std::string());
    log.write("put\n");
    log.write("or\n", Stream::kErr);
    expect(!log.writer->unfinished(), "nothing unfinished");
    const auto all = records(log.text());
    expect_equal(all.size(), size_t{2});
    expect_equal(all[0].log, std::string("out put\n"));
    expect_equal(all[1].log, std::string("err or\n"));
    log.write("prompt> ");
    log.writer->flush(false);
    expect_equal(records(log.text()).back().log, std::string("prompt> "));
    expect(!log.writer->unfinished(), "nothing unfinished");
  });

  test("A long line is split into parts of 16 KiB, of which the last has the newline", [] {
    for (const size_t size : {kPart - 2, kPart - 1, kPart, kPart + 1, 2 * kPart, 5 * kPart + 7}) {
      const Log log;
      const std::string line = std::string(size, 'x') + '\n';
      log.write(line);
      const auto all = records(log.text());
      expect_equal(all.size(), (size + 1 + kPart - 1) / kPart, std::to_string(size));
      for (size_t i = 0; i < all.size(); ++i) {
        const bool last = i + 1 == all.size();
        expect(all[i].log.size() <= kPart, "a part of at most 16 KiB");
        expect_equal(all[i].log.back() == '\n', last, "a line end");
      }
      expect(all_bytes(log.text()) == line, "all of it");
    }
  });

  test("Control characters, quotes and backslashes are escaped", [] {
    const Log log;
    std::string line;
    for (int byte = 0; byte < 0x80; ++byte)
      if (byte != '\n') line.push_back(static_cast<char>(byte));
    log.write(line + "\n");
    const auto all = records(log.text());
    expect_equal(all.size(), size_t{1});
    expect(all[0].log == line + "\n", "the same characters");
    expect(all[0].base64.empty(), "no base64");
  });

  test("UTF-8 is written unchanged, and other bytes are also written as base64", [] {
    const std::pair<const char*, const char*> cases[] = {
        {"gr\xc3\xbc\xc3\x9f", ""},
        {"\xe2\x82\xac \xf0\x9d\x84\x9e \xf4\x8f\xbf\xbf \xed\x9f\xbf \xee\x80\x80", ""},
        {"\xff", "\xef\xbf\xbd"},
        {"a\x80z", "a\xef\xbf\xbdz"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                                  // overlong
        {"\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                  // overlong
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                  // a surrogate
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // beyond 10FFFF
        {"\xc3", "\xef\xbf\xbd"},  // and then the line ends
    };
    for (const auto& [bytes, replaced] : cases) {
      const Log log;
      const std::string line = std::string(bytes) + "\n";
      log.write(line);
      const auto all = records(log.text());
      expect_equal(all.size(), size_t{1});
      const std::string wanted = *replaced == '\0' ? line : std::string(replaced) + "\n";
      expect_equal(all[0].log, wanted);
      expect_equal(all[0].base64.empty(), *replaced == '\0', "base64");
      if (!all[0].base64.empty()) expect(decode64(all[0].base64) == line, "the bytes");
    }
  });

  test("No character is split at the end of a part, of a write, or at a pause", [] {
    const std::string characters = "\xe2\x82\xac\xc3\xbc\xf0\x9d\x84\x9e";
    for (size_t shift = 0; shift < 12; ++shift) {
      const Log log;
      std::string line(shift, 'x');
      while (line.size() < 3 * kPart)
        line += characters;
      for (size_t at = 0; at < line.size(); at += 1000)
        log.write(line.substr(at, 1000));
      log.writer->flush(true);
      for (const Record& record : records(log.text()))
        expect(record.base64.empty(), "text only");
      expect(all_bytes(log.text()) == line, "all of it");
    }
    const Log log;
    log.write("phase: \xe2\x82");
    log.writer->flush(false);
    expect_equal(records(log.text()).back().log, std::string("phase: "));
    expect(log.writer->unfinished(), "the rest to wait");
    log.write("\xac!\n");
    expect_equal(records(log.text()).back().log, std::string("\xe2\x82\xac!\n"));
    log.write("\xe2\x82");
    log.writer->flush(true);
    expect_equal(records(log.text()).back().log, std::string("\xef\xbf\xbd\xef\xbf\xbd"));
    expect(!log.writer->unfinished(), "nothing to wait after the end");
  });

  test("Random bytes can be read back, however they are split", [] {
    for (uint32_t seed = 1; seed < 30; ++seed) {
      const Log log;
      const std::string bytes = noise(60000, seed);
      for (size_t at = 0, step = 1; at < bytes.size(); at += step, step = step * 7 % 5003 + 1)
        log.write(bytes.substr(at, step));
      log.writer->flush(true);
      expect(all_bytes(log.text()) == bytes, "the bytes of seed " + std::to_string(seed));
    }
  });

  test("Rotation keeps whole lines in order, in the given number of files", [] {
    const Log log(8192, 3);
    std::string wanted;
    for (int i = 0; i < 1000; ++i) {
      const std::string line = "line " + std::to_string(i) + "\n";
      log.write(line);
      wanted += line;
    }
    expect(!exists(log.file(3)), "no fourth file");
    std::string all;
    for (const int number : {2, 1, 0}) {
      expect(log.text(number).size() <= 8192 + 200, "a file of the size");
      all += all_bytes(log.text(number));
    }
    expect(!all.empty() && wanted.size() > all.size() &&
               wanted.substr(wanted.size() - all.size()) == all,
           "the last lines");
  });

  test("Rotation of a single file empties it", [] {
    const Log log(4096, 1);
    for (int i = 0; i < 200; ++i)
      log.write("line " + std::to_string(i) + "\n");
    expect(!exists(log.file(1)), "no other file");
    const auto all = records(log.text());
    expect(!all.empty() && all.size() < 100, "some of the lines");
    if (!all.empty()) expect_equal(all.back().log, std::string("line 199\n"));
  });

  test("The log of the next run is appended", [] {
    const std::string path = fresh_directory();
    const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int run = 0; run < 2; ++run) {
      auto writer = std::make_unique<LogWriter>();
      writer->open(directory.get(), kNoLimit, 1);
      writer->write(Stream::kOut, "line\n", 5);
    }
    expect_equal(all_bytes(read_file(path + "/json.log")), std::string("line\nline\n"));
  });

  test("On a full disk whole records stay and lost bytes are counted, until there is room again",
       [] {
         const Log log;
         const std::string line = std::string(300, 'x') + "\n";
         size_t written = 0;
         limited(20000, [&] {
           for (int i = 0; i < 500; ++i) {
             log.write(line);
             written += line.size();
           }
         });
         expect(log.writer->lost() > 0, "something lost");
         expect_equal(log.writer->lost_reason(), EFBIG);
         const std::string kept = all_bytes(log.text());
         expect_equal(kept.size() + log.writer->lost(), written, "kept and lost together");
         expect(!kept.empty(), "something kept");
         const uint64_t lost = log.writer->lost();
         log.write("room again\n");
         expect_equal(records(log.text()).back().log, std::string("room again\n"));
         expect_equal(log.writer->lost(), lost, "no more lost");
       });

  test("A record that is larger than the buffer is removed when only a part of it fits", [] {
    const Log log;
    log.write("first\n");
    const std::string bytes(kPart - 1, '\xff');  // 64 KiB, as a record
    limited(30000, [&] { log.write(bytes + "\n"); });
    expect_equal(all_bytes(log.text()), std::string("first\n"));
    expect_equal(log.writer->lost(), uint64_t{kPart});
    log.write("last\n");
    expect_equal(all_bytes(log.text()), std::string("first\nlast\n"));
  });

  test("Whatever the size of the room, the records in the log can be read", [] {
    for (rlim_t room = 0; room < 3000; room += 37) {
      const Log log(1000, 2);
      size_t written = 0;
      limited(room, [&] {
        for (int i = 0; i < 40; ++i) {
          const std::string line = noise(static_cast<size_t>(i) * 3, 5) + "\n";
          log.write(line);
          written += line.size();
        }
        log.writer->flush(true);
      });
      const size_t kept =
          all_bytes(log.text(0)).size() + (exists(log.file(1)) ? all_bytes(log.text(1)).size() : 0);
      expect(kept + log.writer->lost() <= written, "nothing twice");
    }
  });

  test("A removed directory does not stop the writer", [] {
    Log log;
    log.write("one\n");
    unlink(log.file().c_str());
    rmdir(log.path.c_str());
    log.write("two\n");  // into a file without a name
    expect_equal(log.writer->lost(), uint64_t{0});
    log.writer->open(log.directory.get(), kNoLimit, 1);
    expect_equal(log.writer->lost_reason(), ENOENT);
  });

  test("A symbolic link in place of the log is not followed", [] {
    const std::string path = fresh_directory(), other = fresh_directory() + "/victim";
    write_file(other, "precious");
    expect_equal(symlink(other.c_str(), (path + "/json.log").c_str()), 0);
    const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto writer = std::make_unique<LogWriter>();
    writer->open(directory.get(), kNoLimit, 1);
    writer->write(Stream::kOut, "line\n", 5);
    expect_equal(read_file(other), std::string("precious"));
    expect_equal(writer->lost(), uint64_t{5});
  });

  test("Without a file nothing is written", [] {
    auto writer = std::make_unique<LogWriter>();
    writer->write(Stream::kOut, "line\nhalf", 9);
    writer->flush(true);
    expect_equal(writer->lost(), uint64_t{0});
    expect(!writer->unfinished(), "nothing unfinished");
  });
  return result();
}
