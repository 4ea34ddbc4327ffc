#include "profile.h"

#include <stddef.h>

#include <utility>

namespace caisson::seccomp {
namespace {

constexpr uint64_t kMaxConditions = 6, kLastArgument = 5;

// Takes one word after the other and remembers whether there were enough, and all within bounds.
class Words {
 public:
  explicit Words(std::span<const uint64_t> words) : left_(words) {}

  uint64_t take(uint64_t highest = UINT64_MAX, uint64_t lowest = 0) {
    if (left_.empty() || left_.front() > highest || left_.front() < lowest) {
      left_ = {};
      sound_ = false;
      return lowest;
    }
    const uint64_t word = left_.front();
    left_ = left_.subspan(1);
    return word;
  }

  uint32_t action() { return static_cast<uint32_t>(take(UINT32_MAX)); }
  bool more() const { return !left_.empty(); }
  bool sound() const { return sound_; }

 private:
  std::span<const uint64_t> left_;
  bool sound_ = true;
};

}  // namespace

std::optional<Profile> read_profile(std::vector<std::string> architectures,
                                    std::vector<std::string> names,
                                    std::span<const uint64_t> numbers) {
  Profile profile;
  profile.architectures = std::move(architectures);
  Words words(numbers);
  profile.default_action = words.action();
  profile.newer_action = words.action();
  size_t used = 0;
  while (words.more()) {
    Rule& rule = profile.rules.emplace_back();
    for (uint64_t n = words.take(names.size() - used); n > 0; n--)
      rule.names.push_back(std::move(names[used++]));
    rule.action = words.action();
    for (uint64_t n = words.take(kMaxConditions); n > 0; n--) {
      Condition& condition = rule.conditions.emplace_back();
      condition.argument = static_cast<uint8_t>(words.take(kLastArgument));
      condition.compare = static_cast<Compare>(words.take(
          static_cast<uint64_t>(Compare::kMaskedEqual), static_cast<uint64_t>(Compare::kNotEqual)));
      condition.value = words.take();
      condition.value_two = words.take();
    }
  }
  if (!words.sound() || used != names.size()) return std::nullopt;
  return profile;
}

}  // namespace caisson::seccomp
