// remove_tree on trees that a container may leave behind, and end_process. (Cgroups:
// test/integration/teardown.test.ts.)
#include "../../cpp/steps/teardown.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "../../cpp/steps/start_time.h"
#include "support/check.h"

namespace {

using caisson::end_process;
using caisson::remove_tree;
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

void expect_removed(const std::string& path) {
  const caisson::Status status = remove_tree(path.c_str());
  expect_equal(status.error().number, 0, "errno");
  expect(!exists(path), path + " to be gone");
}

void make_directory(const std::string& path) {
  expect_equal(mkdir(path.c_str(), 0755), 0, "mkdir " + path);
}

// A chain of directories, deeper than any path may be long.
void make_chain(const std::string& top, int depth, const char* name) {
  int here = open(top.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < depth; ++i) {
    mkdirat(here, name, 0700);
    const int next = openat(here, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(here);
    here = next;
  }
  close(openat(here, ".", O_RDONLY | O_CLOEXEC));
  close(here);
}

// chattr(1); false where the filesystem has no such flags, or this process may not set them.
bool set_flag(const std::string& path, int flag) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  int flags = 0;
  const bool done = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags |= flag) != 0 &&
                    ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
  close(fd);
  return done;
}

}  // namespace

int main() {
  const std::string place = fresh_directory();

  test("what is missing is removed", [&] {
    expect(remove_tree((place + "/missing").c_str()).ok(), "no error");
    expect_equal(remove_tree((place + "/no/such").c_str()).ok(), true);
  });

  test("a file is not a tree", [&] {
    write_file(place + "/file");
    expect_equal(remove_tree((place + "/file").c_str()).error().number, ENOTDIR);
    expect(exists(place + "/file"), "the file to be there");
  });

  test("a link is neither followed nor removed", [&] {
    make_directory(place + "/target");
    write_file(place + "/target/file");
    symlink("target", (place + "/link").c_str());
    expect_equal(remove_tree((place + "/link").c_str()).ok(), false);
    expect(exists(place + "/target/file"), "the link's target to be there");
  });

  test("links inside are not followed", [&] {
    make_directory(place + "/outside");
    write_file(place + "/outside/precious");
    make_directory(place + "/links");
    make_directory(place + "/links/below");
    symlink("../outside", (place + "/links/link").c_str());
    symlink("../../outside", (place + "/links/below/link").c_str());
    symlink("/", (place + "/links/below/root").c_str());
    symlink("nowhere", (place + "/links/dangling").c_str());
    expect_removed(place + "/links");
    expect(exists(place + "/outside/precious"), "what the links led to");
  });

  test("files of every kind", [&] {
    const std::string top = place + "/kinds";
    make_directory(top);
    make_directory(top + "/deep");
    for (const std::string& where : {top, top + "/deep"}) {
      write_file(where + "/plain");
      mkfifo((where + "/fifo").c_str(), 0600);
      if (geteuid() == 0) mknod((where + "/null").c_str(), S_IFCHR | 0600, makedev(1, 3));
      sockaddr_un address{AF_UNIX, {}};
      (where + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
      const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      expect_equal(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0, "bind");
      close(fd);
      write_file(where + "/unreadable");
      chmod((where + "/unreadable").c_str(), 0);
    }
    chmod((top + "/deep").c_str(), 0);
    expect_removed(top);
  });

  test("depth 5,000", [&] {
    make_directory(place + "/deep");
    make_chain(place + "/deep", 5000, "d");
    expect_removed(place + "/deep");
  });

  test("several deep chains, with long names", [&] {
    make_directory(place + "/chains");
    const std::string name(255, 'n');
    for (const char* chain : {"a", "b", "c"}) {
      make_directory(place + "/chains/" + chain);
      make_chain(place + "/chains/" + chain, 300, name.c_str());
    }
    expect_removed(place + "/chains");
  });

  test("some of a tree at a time", [&] {
    const std::string top = place + "/slices";
    make_directory(top);
    for (int i = 0; i < 50; ++i) {
      const std::string directory = top + "/directory" + std::to_string(i);
      make_directory(directory);
      make_directory(directory + "/~1");
      write_file(directory + "/~1/file");
      write_file(top + "/file" + std::to_string(i));
    }
    caisson::TreeRemoval removal;
    caisson::Status status;
    int slices = 1;
    while (removal.some(top.c_str(), 7, status))
      ++slices;
    expect(status.ok(), "no error");
    expect(!exists(top), "the tree to be gone");
    // 200 entries; what is lifted counts, too.
    expect(slices > 200 / 7 && slices < 400, std::to_string(slices) + " slices");
    expect(!removal.some(top.c_str(), 1, status) && status.ok(), "nothing more to do");
  });

  test("1,000 files and 300 directories side by side", [&] {
    make_directory(place + "/wide");
    for (int i = 0; i < 1000; ++i)
      write_file(place + "/wide/file" + std::to_string(i));
    for (int i = 0; i < 300; ++i) {
      const std::string directory = place + "/wide/directory" + std::to_string(i);
      make_directory(directory);
      make_directory(directory + "/inner");
      write_file(directory + "/inner/file");
    }
    expect_removed(place + "/wide");
  });

  test("names like those that it uses itself", [&] {
    const std::string top = place + "/names";
    make_directory(top);
    for (int i = 1; i < 20; ++i)
      for (const std::string& where : {top, top + "/~1"}) {
        make_directory(where + "/~" + std::to_string(i));
        make_directory(where + "/~" + std::to_string(i) + "/inner");
        write_file(where + "/~" + std::to_string(i) + "/inner/file");
      }
    expect_removed(top);
  });

  test("odd names", [&] {
    const std::string top = place + "/odd";
    make_directory(top);
    for (const char* name : {"...", "..x", " ", "\n", "-rf", "*", "\xff\xfe", "~", "%s"}) {
      make_directory(top + "/" + name);
      make_directory(top + "/" + name + "/" + name);
      write_file(top + "/" + name + "/" + name + "/" + name);
    }
    expect_removed(top);
  });

  test("what was made immutable or append-only", [&] {
    const std::string top = place + "/immutable";
    make_directory(top);
    make_directory(top + "/directory");
    make_directory(top + "/directory/below");
    write_file(top + "/directory/below/file");
    write_file(top + "/directory/file");
    write_file(top + "/append");
    make_directory(top + "/empty");
    bool can = set_flag(top + "/directory/below/file", FS_IMMUTABLE_FL);
    for (const char* path : {"/directory/below", "/directory", "/empty"})
      can = can && set_flag(top + path, FS_IMMUTABLE_FL);
    can = can && set_flag(top + "/append", FS_APPEND_FL) && set_flag(top, FS_APPEND_FL);
    if (!can) printf("     (this place has no such flags)\n");
    expect_removed(top);
  });

  test("a failure leaves as little as possible", [&] {
    if (geteuid() != 0) return;
    const std::string top = place + "/mounted";
    for (const char* path : {"", "/a", "/a/point", "/b", "/b/inner"})
      make_directory(top + path);
    for (const char* path : {"/a/file", "/b/file", "/b/inner/file", "/file"})
      write_file(top + path);
    // Something mounted in it, as a stand-in for what cannot be removed.
    const std::string point = top + "/a/point";
    const std::string mount = "mount -t tmpfs none " + point;
    if (system(mount.c_str()) != 0) return;
    const caisson::Status status = remove_tree(top.c_str());
    expect_equal(status.error().number, EBUSY);
    int left = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
      expect(entry.is_directory(), entry.path().string() + " to be gone");
      ++left;
    }
    expect_equal(left, 2, "directories left");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top))
      static_cast<void>(system(("umount " + entry.path().string() + " 2>/dev/null").c_str()));
    expect_removed(top);
  });

  test("a process is ended, unless it is another one with that pid", [] {
    const pid_t child = fork();
    if (child == 0) {
      for (;;)
        pause();
    }
    const int stat =
        open(("/proc/" + std::to_string(child) + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
    const uint64_t began = caisson::read_start_time(stat).value();
    close(stat);
    expect_equal(end_process(static_cast<uint64_t>(child), began + 1).ok(), true);
    expect_equal(waitpid(child, nullptr, WNOHANG), 0, "it lives");
    expect_equal(end_process(static_cast<uint64_t>(child), began).ok(), true);
    int status = 0;
    expect_equal(waitpid(child, &status, WNOHANG), child, "it has ended");
    expect_equal(WTERMSIG(status), SIGKILL);
    expect_equal(end_process(static_cast<uint64_t>(child), began).ok(), true, "no such process");
  });

  return result();
}
