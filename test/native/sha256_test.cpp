// SHA-256 with and without the processor's instructions.
#include "../../cpp/tar/sha256.h"

#include <string>

#include "support/check.h"
#include "support/memory_source.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

std::string digest_of(const std::string& text, bool plain, size_t piece) {
  Sha256 digest;
  if (plain) digest.use_plain_code();
  for (size_t at = 0; at < text.size(); at += piece)
    digest.update(bytes_of(text.substr(at, piece)));
  std::string hex;
  for (const uint8_t byte : digest.finish()) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace

int main() {
  test("The examples of FIPS 180-4 have their digests", [] {
    for (const bool plain : {true, false}) {
      expect_equal(digest_of("", plain, 1),
                   std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
      expect_equal(digest_of("abc", plain, 3),
                   std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
      expect_equal(digest_of(std::string(1'000'000, 'a'), plain, 1000),
                   std::string("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    }
  });

  test("The processor's instructions give what plain code gives, in pieces of any size", [] {
    std::string text;
    for (size_t i = 0; i < 300; ++i)
      text += static_cast<char>(i * i % 251);
    for (size_t size = 0; size <= text.size(); ++size)
      expect_equal(digest_of(text.substr(0, size), false, 1 + size % 70),
                   digest_of(text.substr(0, size), true, 300));
  });

  return result();
}
