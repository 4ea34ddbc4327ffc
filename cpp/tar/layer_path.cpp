#include "layer_path.h"

namespace caisson {
namespace {

constexpr size_t kLongestComponent = 255;  // NAME_MAX

}  // namespace

Trouble normalize_path(std::string_view name, const PathLimits& limits, std::string& path) {
  path.clear();
  if (name.empty()) return {Refusal::kUnsafePath, "an empty name"};
  size_t depth = 0;
  while (!name.empty()) {
    const size_t end = name.find('/');
    const std::string_view part = name.substr(0, end);
    name.remove_prefix(end == std::string_view::npos ? name.size() : end + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return {Refusal::kUnsafePath, "a name with `..`"};
    if (part.size() > kLongestComponent)
      return {Refusal::kPathTooLong, "a name of more than 255 bytes"};
    if (++depth > limits.depth) return {Refusal::kPathTooLong, "a path that is too deep"};
    if (path.size() + 1 + part.size() > limits.bytes)
      return {Refusal::kPathTooLong, "a path that is too long"};
    if (!path.empty()) path += '/';
    path += part;
  }
  return {};
}

}  // namespace caisson
