// What this machine lets this user do, found out by doing it. Whatever has an effect is done by a
// child, in namespaces that end with it. A line for each: `name errno call`, where errno is 0 for
// what works.
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/stat.h>

#include <initializer_list>

#include "../base/kernel.h"
#include "../base/mount_api.h"
#include "../base/text.h"
#include "../host/capabilities.h"
#include "../host/machine_root.h"
#include "subcommands.h"

namespace caisson {
namespace {

constexpr int kAllSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr unsigned long kNullDevice = 1u << 8 | 3;

void tell(const char* name, const Status& status) {
  const Error error = status.error();
  Text<160> line;
  line.add(name).add(" ").add(static_cast<uint64_t>(error.number)).add(" ");
  line.add(error.call == nullptr ? "-" : error.call).add("\n");
  sys::call(__NR_write, 1, line.c_str(), line.size());
}

// As fork(2): this process has one thread, and no libc that would have to know.
template <class Body>
int in_child(Body body, uint64_t flags = 0) {
  const long pid = sys::call(__NR_clone, flags | SIGCHLD);
  if (pid == 0) {
    sys::call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
    sys::exit_group(body());
  }
  int status = 0;
  if (pid < 0 || sys::call(__NR_wait4, pid, &status, 0, nullptr) != pid) return -1;
  return (status & 0x7f) == 0 ? status >> 8 & 0xff : -1;
}

Status put(const char* path, const char* text) {
  auto file = own_fd(sys::call(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), "openat", path);
  if (!file.ok()) return file.error();
  return check(sys::call(__NR_write, file.value().get(), text, length(text)), "write", path);
}

// A user namespace in which this user is root, as an unprivileged user can have it.
Status become_root() {
  const auto uid = static_cast<uint64_t>(sys::call(__NR_geteuid));
  const auto gid = static_cast<uint64_t>(sys::call(__NR_getegid));
  if (const long made = sys::call(__NR_unshare, CLONE_NEWUSER); made < 0)
    return failure(made, "unshare");
  Text<32> uids, gids;
  uids.add("0 ").add(uid).add(" 1");
  gids.add("0 ").add(gid).add(" 1");
  for (const char* const* file : (const char* const[][2]){{"/proc/self/setgroups", "deny"},
                                                          {"/proc/self/uid_map", uids.c_str()},
                                                          {"/proc/self/gid_map", gids.c_str()}})
    if (Status written = put(file[0], file[1]); !written.ok()) return written;
  return {};
}

bool may_administer() {
  if (!in_first_user_namespace()) return false;
  Capabilities capabilities;
  if (capabilities.get() < 0) return false;
  return (capabilities.data[0].effective >> CAP_SYS_ADMIN & 1) != 0;
}

void probe_users() {
  in_child([] {
    Status root = become_root();
    tell("userns", root);
    if (!root.ok()) return 1;
    // Some security modules let it be made, and then give it no power.
    Status power = check(sys::call(__NR_unshare, CLONE_NEWUTS), "unshare");
    if (power.ok()) power = check(sys::call(__NR_sethostname, "probe", 5), "sethostname");
    tell("userns.power", power);
    return 0;
  });
}

void probe_namespaces(bool privileged) {
  const struct {
    const char* name;
    uint64_t flag;
  } namespaces[] = {{"ns.mount", CLONE_NEWNS}, {"ns.uts", CLONE_NEWUTS},
                    {"ns.ipc", CLONE_NEWIPC},  {"ns.pid", CLONE_NEWPID},
                    {"ns.net", CLONE_NEWNET},  {"ns.cgroup", CLONE_NEWCGROUP}};
  in_child([&] {
    if (!privileged && !become_root().ok()) return 1;
    for (const auto& space : namespaces)
      tell(space.name, check(sys::call(__NR_unshare, space.flag), "unshare"));
    return 0;
  });
}

void probe_calls() {
  Status sealed;
  {
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    long made = sys::call(__NR_memfd_create, "caisson-probe", flags | kExecutableMemfd);
    if (made == -EINVAL) made = sys::call(__NR_memfd_create, "caisson-probe", flags);
    auto memory = own_fd(made, "memfd_create", nullptr);
    sealed = memory.ok()
                 ? check(sys::call(__NR_fcntl, memory.value().get(), F_ADD_SEALS, kAllSeals),
                         "fcntl F_ADD_SEALS")
                 : Status(memory.error());
  }
  tell("memfd", sealed);

  auto self = own_fd(sys::call(__NR_pidfd_open, sys::call(__NR_getpid), 0), "pidfd_open", nullptr);
  tell("pidfd", self.ok()
                    ? check(sys::call(__NR_pidfd_send_signal, self.value().get(), 0, nullptr, 0),
                            "pidfd_send_signal")
                    : Status(self.error()));

  // A kernel that knows the flag looks for the descriptor, and finds none.
  clone_args clone{};
  clone.flags = CLONE_INTO_CGROUP;
  clone.exit_signal = SIGCHLD;
  clone.cgroup = 0x7fffffff;
  const long cloned = sys::call(__NR_clone3, &clone, sizeof clone);
  if (cloned == 0) sys::exit_group(0);
  tell("clone.cgroup",
       cloned == -EBADF ? Status() : failure(cloned < 0 ? cloned : -EINVAL, "clone3"));

  // Loaded, not attached: "return 1".
  const bpf_insn allow[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1},
                            {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.expected_attach_type = BPF_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(allow);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<uint64_t>("Apache-2.0");
  auto filter =
      own_fd(sys::call(__NR_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes), "bpf", nullptr);
  tell("bpf.devices", filter.ok() ? Status() : Status(filter.error()));
}

void probe_seccomp() {
  const struct {
    const char* name;
    uint32_t action;
  } actions[] = {{"seccomp.kill_process", SECCOMP_RET_KILL_PROCESS},
                 {"seccomp.kill_thread", SECCOMP_RET_KILL_THREAD},
                 {"seccomp.trap", SECCOMP_RET_TRAP},
                 {"seccomp.errno", SECCOMP_RET_ERRNO},
                 {"seccomp.user_notif", SECCOMP_RET_USER_NOTIF},
                 {"seccomp.trace", SECCOMP_RET_TRACE},
                 {"seccomp.log", SECCOMP_RET_LOG},
                 {"seccomp.allow", SECCOMP_RET_ALLOW}};
  for (const auto& [name, action] : actions)
    tell(name, check(sys::call(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), "seccomp"));
  in_child([] {
    sock_filter allow{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    const sock_fprog program{1, &allow};
    sys::call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    tell("seccomp",
         check(sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp"));
    return 0;
  });
}

// A descriptor of a user namespace, or -1. Made by a child that shares this process's table.
int other_users() {
  return in_child(
      [] {
        if (!become_root().ok()) return 255;
        const long fd =
            sys::call(__NR_openat, AT_FDCWD, "/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        return fd >= 0 && fd < 255 ? static_cast<int>(fd) : 255;
      },
      CLONE_FILES);
}

Status map_ids(const char* directory, int users) {
  // With what is mounted below: of mounts that it has not made, a user namespace may copy only all.
  auto tree = clone_tree(AT_FDCWD, directory, true);
  if (!tree.ok()) return tree.error();
  return set_mount_attributes(tree.value().get(), 0, 0, false, 0, users, directory);
}

// Of a mount that is attached nowhere.
Status set_attributes() {
  auto made = make_filesystem("tmpfs", "size=64k", 0);
  if (!made.ok()) return made.error();
  return set_mount_attributes(made.value().get(), MOUNT_ATTR_RDONLY, 0, false);
}

Status try_overlay(int layers, bool descriptors, bool user_attributes) {
  auto context = own_fd(sys::call(__NR_fsopen, "overlay", FSOPEN_CLOEXEC), "fsopen", nullptr);
  if (!context.ok()) return context.error();
  const int fd = context.value().get();
  const auto option = [fd](unsigned how, const char* key, const char* value, int layer) {
    return check(sys::call(__NR_fsconfig, fd, how, key, value, layer), "fsconfig");
  };
  if (user_attributes)
    if (Status set = option(FSCONFIG_SET_FLAG, "userxattr", nullptr, 0); !set.ok()) return set;
  for (const char* const* layer : (const char* const[][3]){{"lowerdir", "lowerdir+", "lower"},
                                                           {"upperdir", "upperdir", "upper"},
                                                           {"workdir", "workdir", "work"}}) {
    if (!descriptors) {
      if (Status set = option(FSCONFIG_SET_STRING, layer[0], layer[2], 0); !set.ok()) return set;
      continue;
    }
    auto place = own_fd(sys::call(__NR_openat, layers, layer[2], O_PATH | O_DIRECTORY | O_CLOEXEC),
                        "openat", nullptr);
    if (!place.ok()) return place.error();
    if (Status set = option(FSCONFIG_SET_FD, layer[1], nullptr, place.value().get()); !set.ok())
      return set;
  }
  auto mount = finish_filesystem(fd, 0, "overlay");
  return mount.ok() ? Status() : Status(mount.error());
}

// With mount, pid and network namespaces of its own, in the second child of which this runs.
int probe_mounts(const char* data, bool privileged) {
  const int users = other_users();
  const Status no_users = failure(-EIO, "a user namespace");
  tell("mount.private",
       check(sys::call(__NR_mount, "none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount"));
  tell("idmap.data", users < 0 || users == 255 ? no_users : map_ids(data, users));
  for (const char* const* type :
       (const char* const[][2]){{"mount.proc", "proc"}, {"mount.sysfs", "sysfs"}}) {
    auto made = make_filesystem(type[1], nullptr, 0);
    tell(type[0], made.ok() ? Status() : Status(made.error()));
  }
  auto own = make_filesystem("tmpfs", "size=64k,mode=0755", 0);
  tell("mount.tmpfs", own.ok() ? Status() : Status(own.error()));
  if (!own.ok()) return 1;
  const int root = own.value().get();
  for (const char* name : {"lower", "upper", "work", "old"})
    sys::call(__NR_mkdirat, root, name, 0755);

  Status node =
      check(sys::call(__NR_mknodat, root, "null", S_IFCHR | 0666, kNullDevice), "mknodat");
  tell("mknod", node);
  if (node.ok()) {
    auto opened =
        own_fd(sys::call(__NR_openat, root, "null", O_RDWR | O_CLOEXEC), "openat", nullptr);
    tell("mknod.open", opened.ok() ? Status() : Status(opened.error()));
  }
  // Since Linux 6.6.
  auto plain = own_fd(sys::call(__NR_openat, root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                      "openat", nullptr);
  tell("tmpfs.userxattr",
       plain.ok() ? check(sys::call(__NR_fsetxattr, plain.value().get(), "user.caisson", "", 0, 0),
                          "fsetxattr")
                  : Status(plain.error()));
  tell("overlay.detached", try_overlay(root, true, !privileged));

  tell("mount.attribute", set_attributes());
  Status turned = check(
      sys::call(__NR_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
  if (turned.ok()) turned = check(sys::call(__NR_fchdir, root), "fchdir");
  if (turned.ok()) turned = check(sys::call(__NR_pivot_root, ".", "."), "pivot_root");
  if (turned.ok()) turned = check(sys::call(__NR_umount2, ".", kDetachMount), "umount2");
  tell("mount.pivot", turned);
  if (!turned.ok()) return 1;
  tell("overlay", try_overlay(root, false, !privileged));
  tell("overlay.userxattr", try_overlay(root, false, true));
  auto spaces =
      own_fd(sys::call(__NR_pidfd_open, sys::call(__NR_getpid), 0), "pidfd_open", nullptr);
  tell("setns",
       spaces.ok()
           ? check(sys::call(__NR_setns, spaces.value().get(), CLONE_NEWNS | CLONE_NEWNET), "setns")
           : Status(spaces.error()));
  return 0;
}

}  // namespace

void probe_main(const char* data) {
  const bool privileged = may_administer();
  probe_calls();
  probe_seccomp();
  probe_users();
  probe_namespaces(privileged);
  in_child([&] {
    if (!privileged && !become_root().ok()) return 1;
    const long apart = sys::call(__NR_unshare, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET);
    tell("mount.namespaces", check(apart, "unshare"));
    return apart < 0 ? 1 : in_child([&] { return probe_mounts(data, privileged); });
  });
  sys::exit_group(0);
}

}  // namespace caisson
