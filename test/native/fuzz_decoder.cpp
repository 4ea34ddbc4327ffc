// Compressed layers of a registry: whatever the bytes are, decompression ends within its limits,
// and gives the same in whatever pieces the bytes come.
#include <string>
#include <vector>

#include "support/fuzz.h"
#include "support/memory_source.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr uint64_t kMaxSize = 1 << 20;
constexpr size_t kRoom = 10'000;

struct Decoded {
  std::string bytes;
  Refusal refusal = Refusal::kNone;
};

Decoded decode(Bytes bytes, size_t piece) {
  MemoryInput input(bytes, piece);
  Decoder decoder(input, {kMaxSize, UINT64_MAX, 0});
  Decoded decoded;
  std::vector<uint8_t> room(kRoom);
  for (;;) {
    const size_t size = decoder.read(room.data(), kRoom);
    require(size <= kRoom);
    decoded.bytes.append(reinterpret_cast<const char*>(room.data()), size);
    if (size < kRoom) break;
  }
  require(decoder.compressed() <= bytes.size());
  require(decoded.bytes.size() <= kMaxSize);
  if (decoder.trouble().ok()) {
    require(decoder.compressed() == bytes.size());
    require(decoder.uncompressed() == decoded.bytes.size());
    uint8_t one = 0;
    require(decoder.read(&one, 1) == 0);
  }
  decoded.refusal = decoder.trouble().refusal;
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  const Decoded whole = decode(bytes, SIZE_MAX);
  const Decoded pieces = decode(bytes, 5);
  require(whole.refusal == pieces.refusal);
  if (whole.refusal == Refusal::kNone) require(whole.bytes == pieces.bytes);
  return 0;
}
