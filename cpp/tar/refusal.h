// Why an archive is not taken, and the bytes that a reader of it gets.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <span>

namespace caisson {

// The names of these (refusal_name) are part of what lib/image/unpack reads.
enum class Refusal : uint8_t {
  kNone,
  kTruncated,          // the stream ends within a header, a file or a compressed block
  kInvalidHeader,      // no tar header, or one with a wrong checksum, number or extension
  kInvalidCompressed,  // the compressed data are damaged
  kUnsupported,        // a compression or a kind of entry that is known and not supported
  kTooLarge,           // more bytes than the limit
  kRatio,              // the compressed data expand more than the limit
  kTooManyEntries,     // more entries, directories or extents than the limit
  kPathTooLong,        // a path, a component or a depth beyond the limit
  kUnsafePath,         // a name with `..`, or an empty one
  kUnsafeLink,         // a link to something that the archive does not have
  kInvalidWhiteout,    // a whiteout of the root, of `.` or of `..`
  kUnmappedId,         // an owner that the user namespace does not have
  kSystem,             // a system call failed; the errno is known
};

const char* refusal_name(Refusal refusal);

// What has gone wrong; `detail` is a literal.
struct Trouble {
  Refusal refusal = Refusal::kNone;
  const char* detail = "";
  int number = 0;  // an errno

  bool ok() const { return refusal == Refusal::kNone; }
};

using Bytes = std::span<const uint8_t>;

// A stream that is pulled. The bytes are valid until the next call.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // At least one byte and at most `most`; none at the end of the stream, or after a trouble.
  virtual Bytes take(size_t most) = 0;
  virtual Trouble trouble() const = 0;
};

}  // namespace caisson
