// Whatever numbers a profile is read from: it is refused, or compiled to a program that the kernel
// takes and that comes to an end.
#include <errno.h>
#include <linux/audit.h>
#include <string.h>

#include <algorithm>
#include <iterator>

#include "../../cpp/seccomp/compiler.h"
#include "support/cbpf.h"
#include "support/fuzz.h"

using namespace caisson::seccomp;  // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr const char* kArchitectures[] = {"x86_64", "x86", "x32", "aarch64", "arm", "vax"};
constexpr const char* kNames[] = {"read",   "openat", "socket",  "shmat",
                                  "listns", "clone",  "accept4", "no_such_call"};

}  // namespace

// The first byte chooses architectures, the second one how many names there are, and each further
// one is a word, small or, with the next four bytes, large.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::vector<std::string> architectures, names;
  for (size_t i = 0; i < std::size(kArchitectures); ++i)
    if ((data[0] >> i & 1) != 0) architectures.emplace_back(kArchitectures[i]);
  for (size_t i = 0; i < data[1]; ++i)
    names.emplace_back(kNames[i % std::size(kNames)]);
  std::vector<uint64_t> words;
  for (size_t at = 2; at < size; ++at) {
    uint64_t word = data[at];
    if (word == 0xff) {
      uint32_t large = 0;
      const size_t got = std::min(size - at - 1, sizeof large);
      memcpy(&large, data + at + 1, got);
      word = uint64_t{large} << (large & 31);
      at += got;
    }
    words.push_back(word);
  }
  const auto profile = read_profile(std::move(architectures), std::move(names), words);
  if (!profile) return 0;
  auto compiled = compile(*profile);
  if (!compiled.ok()) {
    require(compiled.error().number == EINVAL || compiled.error().number == E2BIG);
    return 0;
  }
  const auto& program = compiled.value().program;
  require(is_valid(program));
  for (const uint32_t arch : {uint32_t{AUDIT_ARCH_X86_64}, uint32_t{AUDIT_ARCH_I386}})
    for (const int number : {0, 41, 102, 117, 257, 462, 0x40000029})
      run_filter(program, {number, arch, 0, {1, 2, 3, 4, 5, 6}});
  return 0;
}
