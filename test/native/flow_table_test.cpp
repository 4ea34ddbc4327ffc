// The flows of UDP that a forwarder knows: found by their keys, in the order of their last
// datagram.
#include "../../cpp/agent/flow_table.h"

#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

FlowKey key_of(uint32_t number) {
  FlowKey key{};
  key.port = number % 3;
  key.client[3] = static_cast<uint8_t>(number);
  key.client[2] = static_cast<uint8_t>(number >> 8);
  key.client_port = static_cast<uint16_t>(number * 7);
  return key;
}

struct Room {
  explicit Room(uint32_t most)
      : flows(most), buckets(most), table(flows.data(), buckets.data(), most, 12345) {}

  std::vector<Flow> flows;
  std::vector<uint32_t> buckets;
  FlowTable table;
};

}  // namespace

int main() {
  test("a flow is found by all of its key", [] {
    Room room(8);
    const uint32_t index = room.table.add(key_of(1), 42, 100);
    expect_equal(room.table.find(key_of(1)), index);
    expect_equal(room.table[index].socket, 42);
    expect_equal(room.table[index].seen, 100U);
    for (size_t byte = 0; byte < offsetof(FlowKey, padding); ++byte) {
      FlowKey other = key_of(1);
      reinterpret_cast<unsigned char*>(&other)[byte] ^= 1;
      expect_equal(room.table.find(other), FlowTable::kNone, "byte " + std::to_string(byte));
    }
    room.table.remove(index);
    expect_equal(room.table.find(key_of(1)), FlowTable::kNone);
    expect_equal(room.table[index].socket, -1);
  });

  test("the oldest is the one without a datagram for the longest time", [] {
    Room room(4);
    expect_equal(room.table.oldest(), FlowTable::kNone);
    uint32_t flows[4];
    for (uint32_t i = 0; i < 4; ++i)
      flows[i] = room.table.add(key_of(i), static_cast<int>(i), i);
    expect(room.table.is_full(), "it to be full");
    room.table.touch(flows[0], 10);
    room.table.touch(flows[3], 11);
    room.table.touch(flows[3], 12);
    for (const uint32_t next : {1, 2, 0, 3}) {
      expect_equal(room.table.oldest(), flows[next]);
      room.table.remove(flows[next]);
    }
    expect_equal(room.table.oldest(), FlowTable::kNone);
    expect_equal(room.table.count(), 0U);
  });

  test("it has what a map has, after as many changes in any order", [] {
    std::mt19937 random(7);
    for (const uint32_t most : {1U, 2U, 64U, 512U}) {
      Room room(most);
      std::unordered_map<uint32_t, uint32_t> expected;  // number to index
      std::vector<uint32_t> order;                      // numbers, the oldest first
      for (uint64_t now = 1; now < 20'000; ++now) {
        const auto number = static_cast<uint32_t>(random() % (most * 2));
        const auto known = expected.find(number);
        expect_equal(room.table.find(key_of(number)),
                     known == expected.end() ? FlowTable::kNone : known->second);
        const auto forget = [&](uint32_t gone) {
          std::erase(order, gone);
          expected.erase(gone);
        };
        if (known != expected.end() && random() % 3 == 0) {
          room.table.remove(known->second);
          forget(number);
        } else if (known != expected.end()) {
          room.table.touch(known->second, now);
          std::erase(order, number);
          order.push_back(number);
        } else {
          if (room.table.is_full()) {
            room.table.remove(room.table.oldest());
            forget(order.front());
          }
          expected[number] = room.table.add(key_of(number), 5, now);
          order.push_back(number);
        }
        expect_equal(room.table.count(), expected.size());
        expect_equal(room.table.oldest(),
                     order.empty() ? FlowTable::kNone : expected[order.front()]);
      }
    }
  });

  return result();
}
