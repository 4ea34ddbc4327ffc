// Names of an archive as paths below the root of a layer.
#pragma once

#include <string>
#include <string_view>

#include "refusal.h"

namespace caisson {

struct PathLimits {
  size_t bytes = 4095;  // PATH_MAX without its NUL
  size_t depth = 1024;
};

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";
constexpr std::string_view kAufsPrefix = ".wh..wh.";

// `a/b/c`, relative to the root, which is empty itself: without slashes in front and at the end,
// and without empty and `.` components. One with `..` is refused.
Trouble normalize_path(std::string_view name, const PathLimits& limits, std::string& path);

inline std::string_view parent_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

inline std::string_view base_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace caisson
