// Paths below a root: what is in it cannot lead out of it.
#include "../../cpp/steps/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

struct Place {
  const std::string directory = fresh_directory();
  const std::string root = directory + "/root";
  UniqueFd fd;

  Place() {
    mkdir(root.c_str(), 0755);
    mkdir((root + "/etc").c_str(), 0755);
    mkdir((root + "/dir").c_str(), 0755);
    write_file(root + "/etc/name", "inside");
    mkdir((directory + "/etc").c_str(), 0755);
    write_file(directory + "/etc/name", "outside");
    link("absolute", "/etc/name");
    link("relative", "etc/name");
    link("upwards", "../../../../../../etc/name");
    link("dir/upwards", "../../etc/name");
    link("up", "..");
    link("self", "self");
    link("dangling", "new/where");
    link("dangling-file", "/new/file");
    link("proc", "/proc/self/root");
    fd.reset(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  void link(const char* name, const char* target) const {
    expect_equal(symlink(target, (root + "/" + name).c_str()), 0, name);
  }

  // The content of what a path leads to, or the error's number.
  std::string read(const char* path, Follow follow = Follow::kInRoot) const {
    auto opened = open_below(fd.get(), path, O_RDONLY, follow);
    if (!opened.ok()) return std::to_string(opened.error().number);
    char bytes[64];
    const ssize_t size = ::read(opened.value().get(), bytes, sizeof bytes);
    return size < 0 ? "?" : std::string(bytes, static_cast<size_t>(size));
  }
};

std::string number(int error) {
  return std::to_string(error);
}

// Whether a descriptor is of this path, and not of one by the same name elsewhere.
void expect_at(Result<UniqueFd>& fd, const std::string& path, const char* file = __builtin_FILE(),
               int line = __builtin_LINE()) {
  expect_equal(fd.error().number, 0, path, file, line);
  struct stat is {
  }, should{};
  if (!fd.ok()) return;
  fstat(fd.value().get(), &is);
  expect_equal(lstat(path.c_str(), &should), 0, path, file, line);
  expect(is.st_ino == should.st_ino && is.st_dev == should.st_dev, "it to be " + path, file, line);
  expect_equal(fcntl(fd.value().get(), F_GETFD), FD_CLOEXEC, "flags", file, line);
}

}  // namespace

int main() {
  test("open_below stays in the root", [] {
    const Place place;
    const std::string inside = "inside";
    for (const char* path : {"etc/name", "/etc/name", "//etc/./name", "/../../etc/name", "absolute",
                             "relative", "upwards", "dir/upwards", "up/etc/name", "up/up/absolute",
                             "dir/../etc/name", "/up/../etc/name"})
      expect_equal(place.read(path), inside, path);
    expect_equal(place.read("missing"), number(ENOENT));
    expect_equal(place.read("etc/name/below"), number(ENOTDIR));
    expect_equal(place.read("self"), number(ELOOP));
    expect_equal(place.read(""), number(ENOENT));
  });

  test("open_below follows no magic link", [] {
    const UniqueFd proc(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
    auto opened = open_below(proc.get(), "self/root/etc", O_PATH);
    expect_equal(opened.error().number, ELOOP);
    expect(open_below(proc.get(), "self/status", O_RDONLY).ok(), "plain links of procfs work");
  });

  test("beneath: links that stay are followed, what leads out is an error", [] {
    const Place place;
    expect_equal(place.read("etc/name", Follow::kBeneath), std::string("inside"));
    expect_equal(place.read("relative", Follow::kBeneath), std::string("inside"));
    for (const char* path : {"/etc/name", "absolute", "upwards", "up/etc/name", "../etc/name"})
      expect_equal(place.read(path, Follow::kBeneath), number(EXDEV), path);
  });

  test("open_below without links", [] {
    const Place place;
    expect_equal(place.read("etc/name", Follow::kNoLinks), std::string("inside"));
    expect_equal(place.read("/etc/name", Follow::kNoLinks), std::string("inside"));
    for (const char* path : {"absolute", "relative", "up/etc/name", "dir/upwards"})
      expect_equal(place.read(path, Follow::kNoLinks), number(ELOOP), path);
  });

  test("open_below without a root is the caller's own path", [] {
    const Place place;
    auto opened = open_below(-1, (place.root + "/up/etc/name").c_str(), O_RDONLY);
    expect_at(opened, place.directory + "/etc/name");
  });

  test("ensure_directory makes what is missing, with its mode", [] {
    const Place place;
    umask(022);
    auto deep = ensure_directory(place.fd.get(), "/a/b/c");
    expect_at(deep, place.root + "/a/b/c");
    auto again = ensure_directory(place.fd.get(), "a//b/./c/");
    expect_at(again, place.root + "/a/b/c");
    struct stat info {};
    auto own = ensure_directory(place.fd.get(), "private/below", Follow::kInRoot, 0700);
    fstat(own.value().get(), &info);
    expect_equal(info.st_mode & 07777, 0700u, "mode");
    auto root = ensure_directory(place.fd.get(), "/");
    expect_at(root, place.root);
  });

  test("ensure_directory follows links only inside, also those that lead nowhere yet", [] {
    const Place place;
    auto through = ensure_directory(place.fd.get(), "up/up/x/y");
    expect_at(through, place.root + "/x/y");
    auto nowhere = ensure_directory(place.fd.get(), "dangling/below");
    expect_at(nowhere, place.root + "/new/where/below");
    expect(!exists(place.directory + "/x") && !exists(place.directory + "/new"), "nothing outside");
    expect_equal(ensure_directory(place.fd.get(), "self/x").error().number, ELOOP);
    expect_equal(ensure_directory(place.fd.get(), "etc/name/x").error().number, ENOTDIR);
    expect_equal(ensure_directory(place.fd.get(), "etc/name").error().number, ENOTDIR);
    expect_equal(ensure_directory(place.fd.get(), "up/z", Follow::kNoLinks).error().number, ELOOP);
  });

  test("ensure_directory refuses names that are too long", [] {
    const Place place;
    const std::string name(256, 'n');
    expect_equal(ensure_directory(place.fd.get(), name.c_str()).error().number, ENAMETOOLONG);
    std::string path;
    while (path.size() < 4096)
      path += "/directory";
    expect_equal(ensure_directory(place.fd.get(), path.c_str()).error().number, ENAMETOOLONG);
    expect(!exists(place.root + "/directory"), "nothing to be made");
  });

  test("ensure_directory at links that lead to each other", [] {
    const Place place;
    place.link("one", "other/x");
    place.link("other", "one/y");
    expect_equal(ensure_directory(place.fd.get(), "one").error().number, ELOOP);
    for (int i = 0; i < 60; ++i)
      place.link(("l" + std::to_string(i)).c_str(), ("l" + std::to_string(i + 1)).c_str());
    expect_equal(ensure_directory(place.fd.get(), "l0").error().number, ELOOP);
    // Few enough, and they end somewhere.
    auto made = ensure_directory(place.fd.get(), "l50");
    expect_at(made, place.root + "/l60");
  });

  test("ensure_file makes an empty file and its parents, and keeps what is there", [] {
    const Place place;
    auto made = ensure_file(place.fd.get(), "/new/dir/file");
    expect_at(made, place.root + "/new/dir/file");
    expect_equal(read_file(place.root + "/new/dir/file"), std::string());
    auto kept = ensure_file(place.fd.get(), "absolute");
    expect_at(kept, place.root + "/etc/name");
    expect_equal(read_file(place.root + "/etc/name"), std::string("inside"));
    auto directory = ensure_file(place.fd.get(), "dir");
    expect_at(directory, place.root + "/dir");
    auto nowhere = ensure_file(place.fd.get(), "dangling-file");
    expect_at(nowhere, place.root + "/new/file");
    expect(!exists(place.directory + "/new"), "nothing outside");
    expect(!ensure_file(place.fd.get(), "missing/").ok(), "no file by the name of a directory");
    expect(!ensure_file(place.fd.get(), "").ok(), "no file without a name");
    expect_equal(ensure_file(place.fd.get(), "self").error().number, ELOOP);
  });

  test("errors say which path was meant", [] {
    const Place place;
    auto missing = open_below(place.fd.get(), "no/such", O_PATH);
    expect_equal(std::string(missing.error().object), std::string("no/such"));
    auto through = ensure_directory(place.fd.get(), "etc/name/x");
    expect_equal(std::string(through.error().object), std::string("etc/name/x"));
  });

  return result();
}
