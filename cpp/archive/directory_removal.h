// Removes a directory with everything in it, by descriptors: it follows no links.
#pragma once

#include <string>

namespace caisson {

// What is told of each directory that is gone: its path.
struct RemovalListener {
  void (*gone)(void* context, const std::string& path) = nullptr;
  void* context = nullptr;
};

// What is in the directory. A negated errno, or 0. `path` is for the listener.
long empty_directory(int directory, const std::string& path, const RemovalListener& listener);

// The directory `name` of `parent` too.
long remove_directory(int parent, const char* name, const std::string& path,
                      const RemovalListener& listener);

}  // namespace caisson
