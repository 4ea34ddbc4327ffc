#include "special_ranges.h"

namespace caisson {
namespace {

struct Range {
  uint8_t first[16];
  uint8_t bits;
};

// RFC 6890, and its registry at IANA; without ranges for documentation and benchmarks, which lead
// nowhere.
constexpr Range kV4[] = {
    {{0}, 8},           // this network, RFC 791
    {{10}, 8},          // RFC 1918
    {{100, 64}, 10},    // of providers, RFC 6598
    {{127}, 8},         // loopback, RFC 1122
    {{169, 254}, 16},   // link-local, RFC 3927, and the metadata of clouds
    {{172, 16}, 12},    // RFC 1918
    {{192, 0, 0}, 24},  // RFC 6890
    {{192, 168}, 16},   // RFC 1918
    {{224}, 4},         // multicast, RFC 5771
    {{240}, 4},         // reserved, RFC 1112, and the broadcast address
};
constexpr Range kV6[] = {
    {{0}, 96},                                         // unspecified, loopback, RFC 4291
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},  // IPv4-mapped, RFC 4291
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},        // IPv4-translated, RFC 2765
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48},        // translation, of this network, RFC 8215
    {{0x01, 0x00}, 64},                                // a black hole, RFC 6666
    {{0xfc}, 7},                                       // unique local, RFC 4193
    {{0xfe, 0x80}, 10},                                // link-local, RFC 4291
    {{0xfe, 0xc0}, 10},                                // site-local, RFC 3879
    {{0xff}, 8},                                       // multicast, RFC 4291
};

// Of which the IPv4 address inside decides.
struct Embedding {
  Range range;
  uint8_t at;
};
constexpr Embedding kEmbeddings[] = {
    {{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},  // NAT64, RFC 6052
    {{{0x20, 0x02}, 16}, 2},               // 6to4, RFC 3056
};

bool is_in(const uint8_t* address, const Range& range) {
  size_t i = 0;
  for (; i < range.bits / 8u; ++i)
    if (address[i] != range.first[i]) return false;
  const unsigned left = range.bits % 8u;
  return left == 0 || (address[i] ^ range.first[i]) >> (8 - left) == 0;
}

bool is_special_v4(const uint8_t* address) {
  for (const Range& range : kV4)
    if (is_in(address, range)) return true;
  return false;
}

}  // namespace

bool is_special(const Address& address) {
  if (address.family == 4) return is_special_v4(address.bytes);
  for (const Range& range : kV6)
    if (is_in(address.bytes, range)) return true;
  for (const Embedding& embedding : kEmbeddings)
    if (is_in(address.bytes, embedding.range)) return is_special_v4(address.bytes + embedding.at);
  return false;
}

}  // namespace caisson
