// Archives of a registry: whatever the bytes are, the reader ends, and what it says of an entry
// holds together. Half of the inputs get the checksums that they should have: without them, next to
// none would be read.
#include <algorithm>
#include <string>

#include "../../cpp/tar/layer_path.h"
#include "../../cpp/tar/tar_reader.h"
#include "support/fuzz.h"
#include "support/memory_source.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

constexpr int64_t kMaxEntries = 500;

void add_checksum(uint8_t* block) {
  std::fill(block + 148, block + 156, ' ');
  unsigned sum = 0;
  for (size_t i = 0; i < tar::kBlockSize; ++i)
    sum += block[i];
  for (size_t i = 0; i < 6; ++i)
    block[148 + i] = static_cast<uint8_t>('0' + (sum >> (15 - 3 * i) & 7));
  block[154] = 0;
}

struct Summary {
  std::string text;
  Refusal refusal = Refusal::kNone;
};

Summary read_all(Bytes bytes, size_t piece) {
  MemorySource source(bytes, piece);
  tar::Reader reader(source, {kMaxEntries, INT64_MAX});
  tar::Entry entry;
  Summary summary;
  int64_t data = 0;
  while (reader.next(entry)) {
    require(entry.name.find('\0') == std::string::npos);
    require(entry.link.find('\0') == std::string::npos);
    require(entry.mode <= 07777 && entry.size >= 0);
    require(entry.uid >= 0 && entry.uid < UINT32_MAX && entry.gid >= 0 && entry.gid < UINT32_MAX);
    require(entry.modified.nanoseconds < 1'000'000'000);
    require(entry.kind == tar::Kind::kFile || (entry.size == 0 && reader.left() == 0));
    int64_t end = 0, sum = 0;
    for (const tar::Extent& extent : entry.extents) {
      require(entry.sparse && extent.size >= 0 && extent.offset >= end);
      end = extent.offset + extent.size;
      require(end <= entry.size);
      sum += extent.size;
    }
    require(reader.left() == (entry.sparse ? sum : entry.size));
    std::string path;
    if (normalize_path(entry.name, {}, path).ok()) {
      require(path.size() <= PathLimits().bytes && !path.starts_with('/') && !path.ends_with('/'));
      require(("/" + path + "/").find("/../") == std::string::npos);
      require(path.find("//") == std::string::npos);
    }
    summary.text += entry.name + '\n' + entry.link + '\n' + std::to_string(entry.size) + '\n';
    // Every other file is skipped.
    if (summary.text.size() % 2 == 0) continue;
    for (;;) {
      const Bytes taken = reader.take(1000);
      if (taken.empty()) break;
      data += static_cast<int64_t>(taken.size());
      summary.text.append(reinterpret_cast<const char*>(taken.data()), taken.size());
    }
  }
  require(data <= static_cast<int64_t>(bytes.size()));
  if (reader.trouble().ok()) reader.drain();
  summary.refusal = reader.trouble().refusal;
  return summary;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 2 != 0) return size;
  for (size_t at = 0; at + tar::kBlockSize <= size; at += tar::kBlockSize)
    if (std::equal(data + at + 257, data + at + 262, "ustar")) add_checksum(data + at);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  const Summary whole = read_all(bytes, SIZE_MAX);
  const Summary pieces = read_all(bytes, 7);
  require(whole.text == pieces.text && whole.refusal == pieces.refusal);
  return 0;
}
