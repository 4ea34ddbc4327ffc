// Elements of sets as the kernel takes them, in a network namespace of the test's own. Without root
// or nft(8), only what needs neither.
#include "../../cpp/resolver/set_batch.h"

#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "../../cpp/base/netlink.h"
#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

constexpr View kFour{"four", 4}, kSix{"six", 3}, kMissing{"missing", 7};
constexpr uint64_t kMinute = 60'000;

Address v4(uint8_t last) {
  const uint8_t bytes[] = {192, 0, 2, last};
  return Address::v4(bytes);
}

Address v6(uint8_t last) {
  const uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last};
  return Address::v6(bytes);
}

std::vector<char>& room() {
  static std::vector<char> room(4u << 20);
  return room;
}

int send(SetBatch& batch) {
  const size_t size = batch.finish();
  expect(size > 0, "it fits");
  NetlinkRefusal refusal;
  return send_netlink({NETLINK_NETFILTER, room().data(), static_cast<uint32_t>(size)}, refusal)
      .error()
      .number;
}

std::string output_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  std::string text;
  char part[4096];
  for (size_t got; pipe != nullptr && (got = fread(part, 1, sizeof part, pipe)) > 0;)
    text.append(part, got);
  if (pipe != nullptr) pclose(pipe);
  return text;
}

std::string list(const std::string& set) {
  return output_of("nft -n list set inet caisson " + set);
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

bool has_sets() {
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) return false;
  const std::string set = " . inet_proto . inet_service; flags interval, timeout; }\n";
  const std::string script = "add table inet caisson\nadd set inet caisson four { type ipv4_addr" +
                             set + "add set inet caisson six { type ipv6_addr" + set;
  return system(("nft '" + script + "' 2>/dev/null").c_str()) == 0;
}

// With elements that are updated, and with those that are removed and added.
void on_the_kernel(bool updates) {
  const auto add = [&](uint8_t last, const Door& door, uint64_t time) {
    SetBatch batch(room(), updates);
    batch.add(kFour, v4(last), door, time);
    batch.add(kSix, v6(last), door, time);
    return send(batch);
  };
  const Door https{6, 6, 443, 443}, all{0, 5, 0, 65535};
  expect_equal(add(1, https, kMinute), 0);
  expect_equal(add(1, all, kMinute), 0);
  expect_equal(add(2, https, 2 * kMinute), 0);
  std::string four = list("four"), six = list("six");
  expect_equal(count(four, "timeout 60s"), 2u, four);
  expect_equal(count(four, "192.0.2.1 . 6 . 443 timeout 60s"), 1u, four);
  expect_equal(count(four, "192.0.2.1 . 0-5 . 0-65535 timeout 60s"), 1u, four);
  expect_equal(count(six, "2001:db8::2 . 6 . 443 timeout 120s"), 1u, six);
  expect_equal(add(1, https, 60 * kMinute), 0, "again");
  four = list("four");
  expect_equal(count(four, "192.0.2.1 . 6 . 443 timeout 3600s expires 3"), 1u, four);
  expect_equal(count(four, " expires "), 3u, four);

  SetBatch wrong(room(), updates);
  wrong.add(kFour, v4(9), https, kMinute);
  wrong.add(kMissing, v4(9), https, kMinute);
  expect_equal(send(wrong), ENOENT, "a set that is missing");
  expect_equal(count(list("four"), "192.0.2.9"), 0u, "nothing of that has happened");

  SetBatch replace(room(), updates);
  replace.flush(kFour);
  replace.flush(kSix);
  // What would overlap with what is removed.
  replace.add(kFour, v4(1), {0, 255, 0, 65535}, kMinute);
  expect_equal(send(replace), 0);
  four = list("four");
  expect_equal(count(four, " expires "), 1u, four);
  expect_equal(count(four, "192.0.2.1 . 0-255 . 0-65535"), 1u, four);
  expect_equal(count(list("six"), " expires "), 0u);

  // Each of those that are removed first is looked for among all.
  const uint16_t ports = updates ? 128 : 4;
  SetBatch many(room(), updates);
  many.flush(kFour);
  for (uint8_t last = 0; last < 64; ++last)
    for (uint16_t port = 0; port < ports; ++port)
      many.add(kFour, v4(last), {6, 6, port, port}, kMinute);
  expect_equal(send(many), 0, "more than one message has room for");
  expect_equal(count(list("four"), " expires "), 64u * ports);
  SetBatch none(room(), updates);
  none.flush(kFour);
  expect_equal(send(none), 0);
}

}  // namespace

int main() {
  test("a batch that does not fit, or has nothing, is none", [] {
    for (size_t size = 0; size < 400; ++size) {
      std::vector<char> small(size);
      SetBatch batch(small, true);
      batch.flush(kFour);
      batch.add(kFour, v4(1), {0, 255, 0, 65535}, kMinute);
      expect(batch.finish() <= size, "within its room");
    }
    expect_equal(SetBatch(room(), true).finish(), 0u);
  });

  if (!has_sets()) return result();
  test("elements are removed and added again", [] { on_the_kernel(false); });
  if (kernel_updates_elements())
    test("the time of elements is extended", [] { on_the_kernel(true); });
  return result();
}
