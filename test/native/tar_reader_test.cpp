// The tar reader: numbers, times, extended headers, and what the seeds of the fuzzer contain.
#include "../../cpp/tar/tar_reader.h"

#include <string>
#include <vector>

#include "../../cpp/tar/layer_path.h"
#include "../../cpp/tar/layer_stream.h"
#include "support/check.h"
#include "support/memory_source.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

std::string number(const std::string& field) {
  const auto found = tar::parse_number(bytes_of(field));
  return found ? std::to_string(*found) : "none";
}

std::string time(const std::string& text) {
  const auto found = tar::parse_time(text);
  return found ? std::to_string(found->seconds) + "|" + std::to_string(found->nanoseconds) : "none";
}

// "kind name link size mode data" of each entry, and how it ended.
std::string list(const std::string& archive) {
  MemorySource source(bytes_of(archive), 100);
  tar::Reader reader(source, {});
  tar::Entry entry;
  std::string text;
  while (reader.next(entry)) {
    text += "hlscbdf"[static_cast<size_t>(entry.kind)];
    text += " " + entry.name + (entry.link.empty() ? "" : " -> " + entry.link);
    if (entry.size != 0) text += " " + std::to_string(entry.size);
    for (const tar::Extent& extent : entry.extents)
      text += " [" + std::to_string(extent.offset) + "+" + std::to_string(extent.size) + "]";
    for (const tar::Attribute& attribute : entry.attributes)
      text += " " + attribute.name + "=" + attribute.value;
    text += "\n";
  }
  return text + refusal_name(reader.trouble().refusal);
}

std::string seed(const std::string& name) {
  return read_file("test/native/seeds/tar/" + name);
}

std::string pax(const std::string& text) {
  tar::PaxRecords records;
  return refusal_name(tar::parse_pax(text, records).refusal);
}

std::string path(const std::string& name, PathLimits limits = {}) {
  std::string normalized;
  const Trouble trouble = normalize_path(name, limits, normalized);
  return trouble.ok() ? normalized : std::string("refused: ") + refusal_name(trouble.refusal);
}

std::string decoded(const std::string& name, bool threaded) {
  const std::string bytes = read_file("test/native/seeds/decoder/" + name);
  MemoryInput input(bytes_of(bytes), 11);
  Decoder decoder(input, {});
  LayerStream stream(decoder);
  if (threaded && stream.start_thread()) stream.release_thread();
  std::string text;
  for (;;) {
    const Bytes taken = stream.take(100);
    if (taken.empty()) break;
    text.append(reinterpret_cast<const char*>(taken.data()), taken.size());
  }
  return text + refusal_name(stream.trouble().refusal);
}

}  // namespace

int main() {
  test("A number is octal digits, or base-256 with a sign", [] {
    expect_equal(number("0000644"), std::string("420"));
    expect_equal(number(std::string("  17 \0x", 7)), std::string("15"));
    expect_equal(number(std::string(8, '\0')), std::string("0"));
    expect_equal(number("0000648"), std::string("none"));
    expect_equal(number("-000001"), std::string("none"));
    expect_equal(number("\x80" + std::string(10, '\0') + "\x05"), std::string("5"));
    expect_equal(number(std::string(12, '\xff')), std::string("-1"));
    expect_equal(number("\x80" + std::string(3, '\0') + "\x7f" + std::string(7, '\xff')),
                 std::string("9223372036854775807"));
    expect_equal(number("\x80" + std::string(3, '\0') + "\x80" + std::string(7, '\0')),
                 std::string("none"));
    expect_equal(number("\x80\x01" + std::string(10, '\0')), std::string("none"));
    expect_equal(number("777777777777777777777777"), std::string("none"));
  });

  test("A time has nanoseconds, which count forwards also before 1970", [] {
    expect_equal(time("1.5"), std::string("1|500000000"));
    expect_equal(time("12"), std::string("12|0"));
    expect_equal(time("1.1234567899"), std::string("1|123456789"));
    expect_equal(time("-1.25"), std::string("-2|750000000"));
    expect_equal(time("-3"), std::string("-3|0"));
    expect_equal(time("1."), std::string("1|0"));
    for (const char* wrong : {"", "-", ".5", "1e3", "1.x", "99999999999999999999"})
      expect_equal(time(wrong), std::string("none"), wrong);
  });

  test("Records of an extended header are whole", [] {
    expect_equal(pax("10 path=ab\n"), std::string("invalid-header"));
    expect_equal(pax("11 path=ab\n"), std::string("none"));
    expect_equal(pax("11 path=ab\n11 path=cd\n"), std::string("none"));
    expect_equal(pax("8 path=\n"), std::string("none"));
    for (const char* wrong : {"x", "5", "5 a=b", "6 a=b\n\n", "06 a=b\n ", "7 =abc\n", "5 ab\n",
                              "99 a=b\n", " 6 a=b\n", "6 uid=\n", "9 uid=-1\n", "9 size=x\n"})
      expect_equal(pax(wrong), std::string("invalid-header"), wrong);
  });

  test("What GNU tar and Python have written is read", [] {
    expect_equal(list(seed("v7")), std::string("h d/f 3\ns d/l -> f\nnone"));
    expect_equal(list(seed("ustar")),
                 std::string("h d/f 3\nl d/h -> d/f\ns d/l -> f\nf d/p\nnone"));
    expect_equal(list(seed("pax-xattr")), std::string("h d/f 3 user.k=v\nnone"));
    const std::string n(120, 'n');
    expect_equal(list(seed("gnu-long")), "h " + n + " 2\nnone");
    expect_equal(list(seed("gnu-long-link")), "s l -> " + n + n + "\nnone");
    expect_equal(list(seed("pax-long")), "h " + n + " 2\nnone");
    for (const char* sparse : {"sparse-0.0", "sparse-0.1", "sparse-1.0", "sparse-gnu"})
      expect_equal(list(seed(sparse)), std::string("h s 500002 [499712+290] [500002+0]\nnone"),
                   sparse);
    expect_equal(list(seed("python-kinds")),
                 std::string("c c\nh big\nl l -> big\ns s -> ../x\nnone"));
    expect_equal(list(seed("python-whiteouts")),
                 std::string("h d/.wh.x\nh d/.wh..wh..opq\nh d/x 3\nnone"));
  });

  test("An archive that is cut anywhere but between entries is truncated", [] {
    const std::string whole = seed("ustar");
    for (size_t size = 0; size < whole.size() - 1024; ++size) {
      const std::string end = list(whole.substr(0, size));
      const bool between = size % tar::kBlockSize == 0 && size != tar::kBlockSize;
      expect_equal(end.ends_with(between ? "none" : "truncated"), true, std::to_string(size));
    }
  });

  test("A path is relative, and without empty, `.` and `..` components", [] {
    expect_equal(path("a/b"), std::string("a/b"));
    expect_equal(path("//a/.//b/"), std::string("a/b"));
    expect_equal(path("./"), std::string());
    expect_equal(path("/"), std::string());
    expect_equal(path("..a/b..//..."), std::string("..a/b../..."));
    for (const char* wrong : {"", "..", "a/..", "../a", "a/../b", "/.."})
      expect_equal(path(wrong), std::string("refused: unsafe-path"), wrong);
    expect_equal(path(std::string(256, 'a')), std::string("refused: path-too-long"));
    expect_equal(path("a/b/c", {.bytes = 4}), std::string("refused: path-too-long"));
    expect_equal(path("a/b/c", {.depth = 2}), std::string("refused: path-too-long"));
  });

  test("gzip with one or more members, zstd with one or more frames, and neither are decompressed",
       [] {
         const std::string ustar = seed("ustar"), v7 = seed("v7");
         for (const bool threaded : {false, true}) {
           expect_equal(decoded("plain", threaded) == v7 + "none", true, "plain");
           expect_equal(decoded("gzip", threaded) == ustar + "none", true, "gzip");
           expect_equal(decoded("gzip-members", threaded) == v7 + seed("pax-long") + "none", true,
                        "gzip-members");
           expect_equal(decoded("zstd", threaded) == ustar + "none", true, "zstd");
           expect_equal(decoded("zstd-frames", threaded) == ustar + ustar + "none", true,
                        "zstd-frames");
         }
       });

  return result();
}
