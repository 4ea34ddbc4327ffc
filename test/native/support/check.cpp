#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <vector>

namespace caisson::testing {
namespace {

int failures = 0;

struct Directories {
  std::vector<std::string> paths;
  ~Directories() {
    for (const std::string& path : paths) {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  }
};

Directories& directories() {
  static Directories all;
  return all;
}

}  // namespace

void test(const char* name, const std::function<void()>& body) {
  const int before = failures;
  const auto begin = std::chrono::steady_clock::now();
  body();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  printf("%s %s (%.0f ms)\n", failures == before ? "ok  " : "FAIL", name, took.count());
}

void fail(const std::string& what, const char* file, int line) {
  ++failures;
  fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

int result() {
  if (failures > 0) fprintf(stderr, "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}

std::string fresh_directory() {
  std::string path = std::filesystem::temp_directory_path() / "caisson-native-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    perror("mkdtemp");
    exit(1);
  }
  directories().paths.push_back(path);
  return path;
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

bool exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

}  // namespace caisson::testing
