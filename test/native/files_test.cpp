// Steps that make and write files, on a plain directory.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "../../cpp/host/host_machine.h"
#include "support/check.h"
#include "support/program_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

// Executes one step of the host's phase below a fresh directory, whose descriptor is slot 0.
class Bench {
 public:
  const std::string directory = fresh_directory();

  Status run(Handler handler, Op op, const StepOptions& options) {
    ProgramBuilder::Bytes bytes =
        ProgramBuilder::startable().step(Phase::kHost, op, options).build();
    Program program;
    const char* reason = nullptr;
    if (!Program::decode(bytes.data(), bytes.size(), program, reason)) {
      fail(reason);
      return {};
    }
    Machine machine(program, nullptr);
    machine.slots[0] = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const Status status = handler(machine, program.step(Phase::kHost, 1));
    // The program goes, and with it what the error speaks of.
    object = status.error().object == nullptr ? "" : status.error().object;
    slots.assign(machine.slots, machine.slots + 8);
    close(machine.slots[0]);
    return status;
  }

  std::string read(const char* name) const { return read_file(directory + "/" + name); }
  std::string path(const char* name) const { return directory + "/" + name; }

  std::string object;
  std::vector<int> slots;
};

// What a file says after `cgroup.write`, which for the kernel's files is one write a line.
std::string after_write(const std::string& before, const std::string& value, bool once) {
  Bench bench;
  write_file(bench.path("file"), before);
  const Status status = bench.run(steps::cgroup_write, Op::kCgroupWrite,
                                  {{}, {bench.path("file"), value}, {once ? 1u : 0u}});
  expect_equal(status.error().number, 0);
  return bench.read("file");
}

}  // namespace

int main() {
  umask(0);

  test("dir.make", [] {
    Bench bench;
    const auto make = [&bench](const char* path, uint64_t mode, bool may_exist) {
      return bench.run(steps::dir_make, Op::kDirMake, {{0}, {path}, {mode, may_exist}})
          .error()
          .number;
    };
    expect_equal(make("a", 0700, false), 0);
    struct stat info {};
    stat(bench.path("a").c_str(), &info);
    expect_equal(info.st_mode & 07777, 0700u, "mode");
    expect_equal(make("a", 0700, false), EEXIST);
    expect_equal(bench.object, std::string("a"));
    expect_equal(make("a", 0755, true), 0);
    expect_equal(make("b/c", 0755, false), ENOENT);
    expect_equal(make("b/c", 0755, true), 0);
    expect(exists(bench.path("b/c")), "b/c");
  });

  test("symlink.make", [] {
    Bench bench;
    expect(bench.run(steps::symlink_make, Op::kSymlinkMake, {{0}, {"../to", "link"}, {}}).ok(),
           "made");
    char target[16] = {};
    expect_equal(readlink(bench.path("link").c_str(), target, sizeof target - 1), 5);
    expect_equal(std::string(target), std::string("../to"));
    const Status again = bench.run(steps::symlink_make, Op::kSymlinkMake, {{0}, {"x", "link"}, {}});
    expect_equal(again.error().number, EEXIST);
  });

  test("file.write", [] {
    Bench bench;
    const std::string content("one\0two\n", 8);
    const auto write = [&](const char* path, uint64_t mode) {
      return bench.run(steps::file_write, Op::kFileWrite, {{0}, {path, content}, {mode}})
          .error()
          .number;
    };
    expect_equal(write("new", 0640), 0);
    expect_equal(bench.read("new"), content);
    struct stat info {};
    stat(bench.path("new").c_str(), &info);
    expect_equal(info.st_mode & 07777, 0640u, "mode");
    expect_equal(write("new", 0640), EEXIST);
    expect_equal(write("new", 0), 0, "an existing file");
    expect_equal(write("missing", 0), ENOENT);
    symlink("new", bench.path("link").c_str());
    expect_equal(write("link", 0), ELOOP);
    expect_equal(bench.run(steps::file_write, Op::kFileWrite, {{0}, {"empty", ""}, {0600}}).ok(),
                 true);
    expect(exists(bench.path("empty")), "an empty file");
  });

  test("file.open fills its slot, and closes what was there", [] {
    Bench bench;
    write_file(bench.path("file"), "content");
    const Status opened =
        bench.run(steps::file_open, Op::kFileOpen, {{3, 0}, {"file"}, {O_RDONLY}});
    expect(opened.ok() && bench.slots[3] >= 0, "a descriptor");
    expect_equal(fcntl(bench.slots[3], F_GETFD), FD_CLOEXEC, "flags");
    close(bench.slots[3]);
    expect_equal(bench.run(steps::file_open, Op::kFileOpen, {{3, 0}, {"no"}, {0}}).error().number,
                 ENOENT);
    expect_equal(bench.slots[3], -1);
  });

  test("pipe.make", [] {
    Bench bench;
    const uint64_t uid = geteuid(), gid = getegid();
    expect(bench.run(steps::pipe_make, Op::kPipeMake, {{1, 2}, {}, {1, uid, gid}}).ok(), "made");
    expect_equal(write(bench.slots[1], "x", 1), 1, "the container writes");
    char byte = 0;
    expect_equal(read(bench.slots[2], &byte, 1), 1, "Node reads");
    expect_equal(read(bench.slots[2], &byte, 1), -1, "and does not wait");
    expect_equal(errno, EAGAIN);
    expect_equal(fcntl(bench.slots[1], F_GETFL) & O_NONBLOCK, 0, "the container's end waits");
    close(bench.slots[1]);
    close(bench.slots[2]);
  });

  test("cgroup.make makes a parent that is missing", [] {
    Bench bench;
    const auto make = [&bench](const std::string& path, bool may_exist) {
      return bench.run(steps::cgroup_make, Op::kCgroupMake, {{}, {path}, {may_exist}})
          .error()
          .number;
    };
    expect_equal(make(bench.path("parent/own"), false), 0);
    expect_equal(make(bench.path("parent/own"), false), EEXIST);
    expect_equal(make(bench.path("parent/own"), true), 0);
    expect_equal(make(bench.path("no/such/parent"), false), ENOENT);
  });

  test("cgroup.write", [] {
    expect_equal(after_write("", "100", false), std::string("100"));
    expect_equal(after_write("", "a 1\nb 2", false), std::string("a 1b 2"), "each line on its own");
    // Enabling controllers that are enabled waits for what is dying below.
    expect_equal(after_write("cpu io\n", "+cpu +io", true), std::string("cpu io\n"));
    expect_equal(after_write("io cpu pids\n", "+cpu +io", true), std::string("io cpu pids\n"));
    expect_equal(after_write("cpu\n", "+cpu +io", true), std::string("+cpu +io"));
    expect_equal(after_write("cpuset io\n", "+cpu", true), std::string("+cpuet io\n"), "no prefix");
    expect_equal(after_write("xcpu\n", "+cpu", true), std::string("+cpu\n"), "no suffix");
    expect_equal(after_write("\n", "+cpu", true), std::string("+cpu"));
    expect_equal(after_write("", "+cpu", true), std::string("+cpu"));
    Bench bench;
    const std::string missing = bench.path("missing");
    const Status status =
        bench.run(steps::cgroup_write, Op::kCgroupWrite, {{}, {missing, "1"}, {}});
    expect_equal(status.error().number, ENOENT);
    expect_equal(bench.object, missing);
  });

  return result();
}
