// Decompression of a layer: gzip, zstd or neither, which the first bytes tell.
#pragma once

#include <zlib.h>
#include <zstd.h>

#include "refusal.h"

namespace caisson {

// Where compressed bytes come from.
class RawInput {
 public:
  virtual ~RawInput() = default;
  // At most `room` bytes; 0 at the end, or a negated errno.
  virtual long read(uint8_t* to, size_t room) = 0;
};

struct DecoderLimits {
  uint64_t size = UINT64_MAX;   // of the uncompressed stream
  uint64_t ratio = UINT64_MAX;  // of the uncompressed size to the compressed one …
  uint64_t ratio_from = 0;      // … that counts from this uncompressed size on
};

class Decoder {
 public:
  Decoder(RawInput& input, DecoderLimits limits) : input_(input), limits_(limits) {}
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder();

  // Fills `to` with uncompressed bytes; fewer than `room` only at the end or after a trouble.
  size_t read(uint8_t* to, size_t room);
  const Trouble& trouble() const { return trouble_; }
  uint64_t compressed() const { return compressed_; }
  uint64_t uncompressed() const { return uncompressed_; }

 private:
  enum class Form : uint8_t { kUnknown, kPlain, kGzip, kZstd };

  bool fail(Refusal refusal, const char* detail);
  bool refill();
  bool detect();
  bool start_gzip();
  bool start_zstd();
  size_t read_plain(uint8_t* to, size_t room);
  size_t read_gzip(uint8_t* to, size_t room);
  size_t read_zstd(uint8_t* to, size_t room);
  bool next_member();
  bool check_limits();

  static constexpr size_t kInput = 128 << 10;

  RawInput& input_;
  DecoderLimits limits_;
  Trouble trouble_;
  Form form_ = Form::kUnknown;
  bool input_ended_ = false;
  bool in_member_ = false;  // of gzip, or in a frame of zstd
  uint64_t compressed_ = 0, uncompressed_ = 0;
  size_t at_ = 0, end_ = 0;  // in buffer_
  z_stream gzip_{};
  bool has_gzip_ = false;
  ZSTD_DStream* zstd_ = nullptr;
  uint8_t buffer_[kInput];
};

}  // namespace caisson
