#include "decoder.h"

#include <string.h>

namespace caisson {
namespace {

constexpr size_t kLongestMagic = 6;
constexpr uint8_t kGzip[] = {0x1f, 0x8b};
constexpr uint8_t kZstd[] = {0x28, 0xb5, 0x2f, 0xfd};
constexpr uint8_t kZstdSkippable[] = {0x2a, 0x4d, 0x18};  // behind 0x50…0x5f
constexpr uint8_t kBzip2[] = {'B', 'Z', 'h'};
constexpr uint8_t kXz[] = {0xfd, '7', 'z', 'X', 'Z', 0};
constexpr int kGzipWindow = 15 + 16;  // with a gzip header
// 128 MiB: what `zstd --ultra -22` makes, and the most that zstd itself takes by default.
constexpr int kZstdWindow = 27;

bool starts_with(Bytes bytes, Bytes magic) {
  return bytes.size() >= magic.size() && memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

Decoder::~Decoder() {
  if (has_gzip_) inflateEnd(&gzip_);
  ZSTD_freeDStream(zstd_);
}

bool Decoder::fail(Refusal refusal, const char* detail) {
  if (trouble_.ok()) trouble_ = {refusal, detail};
  return false;
}

// Adds to what is left in the buffer. False only after a trouble.
bool Decoder::refill() {
  if (input_ended_) return true;
  if (at_ > 0) {
    memmove(buffer_, buffer_ + at_, end_ - at_);
    end_ -= at_;
    at_ = 0;
  }
  const long got = input_.read(buffer_ + end_, sizeof buffer_ - end_);
  if (got < 0) {
    trouble_ = {Refusal::kSystem, "read", static_cast<int>(-got)};
    return false;
  }
  input_ended_ = got == 0;
  compressed_ += static_cast<uint64_t>(got);
  end_ += static_cast<size_t>(got);
  return true;
}

bool Decoder::detect() {
  while (end_ < kLongestMagic && !input_ended_)
    if (!refill()) return false;
  const Bytes begin(buffer_, end_);
  if (starts_with(begin, kGzip)) return start_gzip();
  if (starts_with(begin, kZstd) ||
      (end_ >= 4 && (begin[0] & 0xf0) == 0x50 && starts_with(begin.subspan(1), kZstdSkippable)))
    return start_zstd();
  if (starts_with(begin, kXz)) return fail(Refusal::kUnsupported, "compressed with xz");
  if (starts_with(begin, kBzip2)) return fail(Refusal::kUnsupported, "compressed with bzip2");
  form_ = Form::kPlain;
  return true;
}

bool Decoder::start_gzip() {
  form_ = Form::kGzip;
  if (inflateInit2(&gzip_, kGzipWindow) != Z_OK)
    return fail(Refusal::kSystem, "no memory to decompress");
  has_gzip_ = in_member_ = true;
  return true;
}

bool Decoder::start_zstd() {
  form_ = Form::kZstd;
  zstd_ = ZSTD_createDStream();
  if (zstd_ == nullptr ||
      ZSTD_isError(ZSTD_DCtx_setParameter(zstd_, ZSTD_d_windowLogMax, kZstdWindow)) != 0)
    return fail(Refusal::kSystem, "no memory to decompress");
  return true;
}

size_t Decoder::read(uint8_t* to, size_t room) {
  if (!trouble_.ok() || (form_ == Form::kUnknown && !detect())) return 0;
  const size_t size = form_ == Form::kGzip   ? read_gzip(to, room)
                      : form_ == Form::kZstd ? read_zstd(to, room)
                                             : read_plain(to, room);
  uncompressed_ += size;
  return check_limits() ? size : 0;
}

bool Decoder::check_limits() {
  if (uncompressed_ > limits_.size)
    return fail(Refusal::kTooLarge, "the uncompressed archive is too large");
  if (uncompressed_ > limits_.ratio_from && uncompressed_ / limits_.ratio > compressed_)
    return fail(Refusal::kRatio, "it expands to too many times its size");
  return true;
}

size_t Decoder::read_plain(uint8_t* to, size_t room) {
  size_t size = 0;
  while (size < room) {
    if (at_ == end_) {
      at_ = end_ = 0;
      if (!refill() || end_ == 0) break;
    }
    const size_t part = end_ - at_ < room - size ? end_ - at_ : room - size;
    memcpy(to + size, buffer_ + at_, part);
    at_ += part;
    size += part;
  }
  return size;
}

// Behind a member of gzip: another one, or zeros up to the end. False at the end, or after a
// trouble.
bool Decoder::next_member() {
  for (;;) {
    while (end_ - at_ < sizeof kGzip && !input_ended_)
      if (!refill()) return false;
    if (at_ == end_) return false;
    if (starts_with({buffer_ + at_, end_ - at_}, kGzip)) break;
    if (buffer_[at_] != 0)
      return fail(Refusal::kInvalidCompressed, "other bytes behind the compressed data");
    ++at_;
  }
  if (inflateReset(&gzip_) != Z_OK) return fail(Refusal::kInvalidCompressed, "gzip");
  in_member_ = true;
  return true;
}

size_t Decoder::read_gzip(uint8_t* to, size_t room) {
  size_t size = 0;
  while (size < room && (in_member_ || next_member())) {
    if (at_ == end_) {
      if (!refill()) break;
      if (at_ == end_) {
        fail(Refusal::kTruncated, "the compressed data end too early");
        break;
      }
    }
    gzip_.next_in = buffer_ + at_;
    gzip_.avail_in = static_cast<unsigned>(end_ - at_);
    gzip_.next_out = to + size;
    gzip_.avail_out = static_cast<unsigned>(room - size);
    const int done = inflate(&gzip_, Z_NO_FLUSH);
    at_ = end_ - gzip_.avail_in;
    size = room - gzip_.avail_out;
    if (done == Z_STREAM_END) {
      in_member_ = false;
    } else if (done != Z_OK && done != Z_BUF_ERROR) {
      fail(Refusal::kInvalidCompressed, "the gzip data are damaged");
      break;
    }
  }
  return size;
}

size_t Decoder::read_zstd(uint8_t* to, size_t room) {
  ZSTD_outBuffer out{to, room, 0};
  while (out.pos < room) {
    if (at_ == end_) {
      if (!refill()) break;
      if (at_ == end_) {
        // The decoder may still have bytes that it had no room for.
        if (in_member_) {
          ZSTD_inBuffer none{nullptr, 0, 0};
          const size_t before = out.pos;
          const size_t rest = ZSTD_decompressStream(zstd_, &out, &none);
          if (ZSTD_isError(rest) == 0 && rest == 0) in_member_ = false;
          if (ZSTD_isError(rest) == 0 && out.pos > before) continue;
        }
        if (in_member_) fail(Refusal::kTruncated, "the compressed data end too early");
        break;
      }
    }
    ZSTD_inBuffer in{buffer_, end_, at_};
    const size_t left = ZSTD_decompressStream(zstd_, &out, &in);
    if (ZSTD_isError(left) != 0) {
      fail(Refusal::kInvalidCompressed, "the zstd data are damaged, or need too large a window");
      break;
    }
    at_ = in.pos;
    in_member_ = left != 0;
  }
  return out.pos;
}

}  // namespace caisson
