// The floor: what one container start costs when a single C program asks the kernel for all of it,
// and nothing else is done: no engine, no options, no checks of paths, no error recovery. It is
// what caisson is measured against.
//
// Each start is: new mount, uts, ipc, pid, net, user and cgroup namespaces; 65,536 mapped ids; a
// cgroup with limits in each controller; an overlay whose two layers are idmapped, the upper one on
// the disk; proc, sysfs, /dev with its nodes, devpts, shm, mqueue, the cgroup mounts; masked and
// read-only paths; pivot_root; lo up; hostname; capabilities; a seccomp filter; exec of a static
// program that exits; its exit; and afterwards (timed apart) removal of cgroups and directories.
//
// How, where there is a choice, is what was found to be fastest:
//   * The child shares memory and descriptor table with the parent until exec (CLONE_VM |
//   CLONE_FILES), like vfork but
//     running beside the parent: no page tables are copied, no stub program is executed in between
//     (20-40 µs), and what either side opens the other has. --style=fork copies the address space
//     instead, for comparison.
//   * It works in a mount namespace with five mounts, not the host's.
//   * v1 cgroups are joined by the child writing "0" into the `tasks` files, which the parent has
//   opened: that way alone the
//     kernel does not take the lock that waits for an RCU grace period. v2: CLONE_INTO_CGROUP.
//   * While the child joins cgroups and makes the network namespace (the slowest), the parent makes
//   the overlay and /dev.
//
//   floor --work DIR --lower DIR [--count N] [--spacing-ms MS] [--style vm|fork] [--no-cgroup]
//   [--no-seccomp] [--steps] floor … --serve       reads "COUNT SPACING_MS" lines from stdin, and
//   runs that many starts for each
//
// Prints one JSON line a start: start to exit, and the teardown, in microseconds. Needs root and
// Linux 6.13.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/if.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"
#include "raw.h"

#ifndef PIDFD_GET_USER_NAMESPACE
#define PIDFD_GET_USER_NAMESPACE _IO(0xFF, 9)
#endif
// glibc's sys/mount.h and linux/mount.h exclude each other.
enum {
  kReadOnly = 1,
  kNoSuid = 2,
  kNoDev = 4,
  kNoExec = 8,
  kRemount = 32,
  kBind = 4096,
  kRec = 16384,
  kPrivate = 1 << 18,
  kDetach = 2,
};
enum { kFirstId = 1800000000, kIds = 65536, kMaxHierarchies = 16, kStack = 256 << 10 };

// ---- what is asked for
// -------------------------------------------------------------------------------------------
static const char *work, *lower;
static bool with_cgroup = true, with_seccomp = true, print_steps, style_fork;

static const char* const kMasked[] = {
    "proc/kcore",       "proc/keys",        "proc/latency_stats", "proc/timer_list",
    "proc/timer_stats", "proc/sched_debug", "proc/scsi",          "proc/acpi",
    "proc/asound",      "proc/interrupts",  "sys/firmware",       "sys/devices/virtual/powercap"};
static const char* const kReadOnlyPaths[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys",
                                             "proc/sysrq-trigger"};
enum { kMaskedCount = sizeof kMasked / sizeof *kMasked };
static bool masked_is_dir[kMaskedCount], masked_exists[kMaskedCount], read_only_exists[5];

// Small files of the container's own, bound over those of the root.
static const struct {
  const char *scratch, *path, *content;
} kFiles[] = {
    {"/scratch/hosts", "etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"},
    {"/scratch/hostname", "etc/hostname", "0123456789ab\n"},
    {"/scratch/resolv.conf", "etc/resolv.conf", ""},
};
enum { kFileCount = sizeof kFiles / sizeof *kFiles };

// The 14 capabilities of the usual default.
static const uint64_t kCapabilities =
    1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FSETID | 1ull << CAP_FOWNER |
    1ull << CAP_MKNOD | 1ull << CAP_NET_RAW | 1ull << CAP_SETGID | 1ull << CAP_SETUID |
    1ull << CAP_SETFCAP | 1ull << CAP_SETPCAP | 1ull << CAP_NET_BIND_SERVICE |
    1ull << CAP_SYS_CHROOT | 1ull << CAP_KILL | 1ull << CAP_AUDIT_WRITE;
static int last_capability;

// ---- cgroups
// -----------------------------------------------------------------------------------------------------
struct hierarchy {
  bool v2, into;         // into: the child is cloned right into it
  char controllers[64];  // the mount option, such as "cpu,cpuacct"
  char mount[200];
  int top;     // the mount point
  int parent;  // <mount>/caisson-floor-<pid>
  int dir;     // the container's own, while it is being started
  int tasks;
};
static struct hierarchy hierarchies[kMaxHierarchies];
static int hierarchy_count;

struct limit {
  const char *controller, *file, *value;
};
static const struct limit kLimits1[] = {
    {"memory", "memory.limit_in_bytes", "67108864"},
    {"memory", "memory.memsw.limit_in_bytes", "134217728"},
    {"cpu", "cpu.shares", "512"},
    {"devices", "devices.deny", "a"},
    {"devices", "devices.allow", "c *:* m"},
    {"devices", "devices.allow", "b *:* m"},
    {"devices", "devices.allow", "c 1:3 rwm"},
    {"devices", "devices.allow", "c 1:5 rwm"},
    {"devices", "devices.allow", "c 1:7 rwm"},
    {"devices", "devices.allow", "c 1:8 rwm"},
    {"devices", "devices.allow", "c 1:9 rwm"},
    {"devices", "devices.allow", "c 5:0 rwm"},
    {"devices", "devices.allow", "c 5:1 rwm"},
    {"devices", "devices.allow", "c 5:2 rwm"},
    {"devices", "devices.allow", "c 136:* rwm"},
};
static const struct limit kLimits2[] = {{"memory", "memory.max", "67108864"},
                                        {"cpu", "cpu.weight", "20"}};

// ---- failing and cleaning
// ----------------------------------------------------------------------------------------
static int null_device = -1;
static int work_parent = -1, work_dir = -1;  // DIR, DIR/caisson-floor-<pid>
static char run_name[64];
static pid_t owner;

static void remove_tree(int at, const char* name) {
  const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) {
    char buffer[4096];
    for (;;) {
      const long n = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
      if (n <= 0) break;
      for (long i = 0; i < n;) {
        const char* const entry = buffer + i + 19;
        if (strcmp(entry, ".") != 0 && strcmp(entry, "..") != 0) remove_tree(fd, entry);
        i += *(const unsigned short*)(buffer + i + 16);
      }
    }
    close(fd);
  }
  if (unlinkat(at, name, AT_REMOVEDIR) != 0) unlinkat(at, name, 0);
}

// A cgroup's files cannot be removed, only its directory; the last process of it may still be on
// its way out.
static int remove_cgroup(int at, const char* name) {
  for (int i = 0; i < 2000; i++) {
    if (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    if (errno != EBUSY) return -1;
    usleep(i < 20 ? 20 : 1000);
  }
  return -1;
}

// `top`: a hierarchy's mount point; `name`: a run's directory there.
static void remove_cgroup_run(int top, const char* name) {
  const int run = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (run < 0) return;
  for (int i = 0; i < 64; i++) {
    char child[16];
    snprintf(child, sizeof child, "c%d", i);
    if (faccessat(run, child, F_OK, 0) == 0) remove_cgroup(run, child);
  }
  close(run);
  remove_cgroup(top, name);
}

static void clean(void) {
  if (getpid() != owner) return;
  for (int i = 0; i < hierarchy_count; i++)
    remove_cgroup_run(hierarchies[i].top, run_name);
  if (work_dir >= 0) remove_tree(work_parent, run_name);
}

static pid_t child_pid;
static int child_pidfd = -1;

static void end_child(void) {
  if (child_pid <= 0) return;
  syscall(SYS_pidfd_send_signal, child_pidfd, SIGKILL, NULL, 0);
  siginfo_t info;
  waitid(P_PIDFD, (id_t)child_pidfd, &info, WEXITED | __WALL);
  child_pid = 0;
}

_Noreturn static void die(const char* format, ...) {
  const int error = errno;
  va_list arguments;
  va_start(arguments, format);
  fputs("floor: ", stderr);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  if (error != 0) fprintf(stderr, ": %s", strerror(error));
  fputc('\n', stderr);
  end_child();
  exit(1);
}

static void on_signal(int number) {
  end_child();
  clean();
  _exit(128 + number);
}

// A killed run cannot clean; the next one does.
static void clean_dead_runs(const char* directory) {
  const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  char buffer[32768];
  const long n = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
  for (long i = 0; i < n; i += *(const unsigned short*)(buffer + i + 16)) {
    const char* const name = buffer + i + 19;
    int pid = 0;
    if (sscanf(name, "caisson-floor-%d", &pid) != 1 || pid <= 0 || kill(pid, 0) == 0) continue;
    if (strncmp(directory, "/sys/fs/cgroup", 14) == 0)
      remove_cgroup_run(fd, name);
    else
      remove_tree(fd, name);
  }
  close(fd);
}

// ---- small things
// ------------------------------------------------------------------------------------------------
static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

enum { kSteps = 12 };
static const char* const kStepNames[kSteps] = {"directories", "cgroups", "pipes", "clone",
                                               "ids",         "overlay", "dev",   "rest"};
static uint64_t marks[kSteps];
static int mark_count;
static void mark(void) {
  if (print_steps && mark_count < kSteps) marks[mark_count++] = now();
}

static bool write_at(int at, const char* file, const char* value) {
  const int fd = openat(at, file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, value, strlen(value)) >= 0;
  const int error = errno;
  close(fd);
  errno = error;
  return done;
}

static bool has_word(const char* list, const char* word) {
  const size_t length = strlen(word);
  for (const char* at = list; (at = strstr(at, word)) != NULL; at += length) {
    if ((at == list || at[-1] == ',' || at[-1] == ' ') &&
        (at[length] == '\0' || at[length] == ',' || at[length] == ' '))
      return true;
  }
  return false;
}

// ---- the two phases of a start
// -----------------------------------------------------------------------------------
struct shared {
  _Atomic uint32_t ids_ready, root_ready, scratch_ready;
  const char* failed;  // what the child could not do
  long error;
  int stdout_fd, stderr_fd, null_fd, root_fd, scratch_fd;
  uint64_t child_marks[16];
  int child_mark_count;
};
static struct shared* shared;
static char* stack;

static const char* const kChildStepNames[] = {
    "begin",     "join", "network", "await ids", "ids",   "bound", "await root",
    "proc, sys", "dev",  "cgroup",  "mask",      "pivot", "filter"};
static void child_mark(void) {
  if (print_steps) shared->child_marks[shared->child_mark_count++] = now();
}

static struct sock_filter filter[1024];
static struct sock_fprog filter_program = {.filter = filter};
static const int kNull = 0;

static void await(_Atomic uint32_t* word) {
  // The other side is at work on another processor and will not be long: sleeping and being woken
  // costs more.
  for (int i = 0; i < 2000; i++) {
    if (atomic_load_explicit(word, memory_order_acquire) != 0) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  while (atomic_load_explicit(word, memory_order_acquire) == 0)
    RAW4(SYS_futex, word, FUTEX_WAIT, 0, kNull);
}

static void post(_Atomic uint32_t* word) {
  atomic_store_explicit(word, 1, memory_order_release);
  RAW3(SYS_futex, word, FUTEX_WAKE, 1);
}

_Noreturn static void child_failed(const char* what, long error) {
  shared->failed = what;
  shared->error = -error;
  for (;;)
    RAW1(SYS_exit_group, 127);
}

#define TRY(what, call)                                 \
  do {                                                  \
    const long try_result = (call);                     \
    if (try_result < 0) child_failed(what, try_result); \
  } while (0)

static long mount_(const char* source, const char* target, const char* type, unsigned long flags,
                   const char* data) {
  return RAW5(SYS_mount, source, target, type, flags, data);
}

static void child_mounts(void) {
  TRY("attach root",
      RAW5(SYS_move_mount, shared->root_fd, "", AT_FDCWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH));
  TRY("chdir", RAW1(SYS_chdir, "/mnt"));
  TRY("proc", mount_("proc", "proc", "proc", kNoSuid | kNoDev | kNoExec, NULL));
  TRY("sysfs", mount_("sysfs", "sys", "sysfs", kReadOnly | kNoSuid | kNoDev | kNoExec, NULL));
  child_mark();
  await(&shared->scratch_ready);
  TRY("close_range", RAW3(SYS_close_range, 3, ~0u, 6 /* UNSHARE | CLOEXEC */));
  TRY("scratch",
      RAW5(SYS_move_mount, shared->scratch_fd, "", AT_FDCWD, "/scratch", MOVE_MOUNT_F_EMPTY_PATH));
  TRY("dev", mount_("/scratch/dev", "dev", NULL, kBind, NULL));
  TRY("devpts", mount_("devpts", "dev/pts", "devpts", kNoSuid | kNoExec,
                       "newinstance,ptmxmode=0666,mode=0620,gid=5"));
  TRY("shm",
      mount_("shm", "dev/shm", "tmpfs", kNoSuid | kNoDev | kNoExec, "mode=1777,size=67108864"));
  TRY("mqueue", mount_("mqueue", "dev/mqueue", "mqueue", kNoSuid | kNoDev | kNoExec, NULL));

  child_mark();
  if (with_cgroup && hierarchy_count > 0) {
    const unsigned long flags = kReadOnly | kNoSuid | kNoDev | kNoExec;
    if (hierarchy_count == 1 && hierarchies[0].v2) {
      TRY("cgroup2", mount_("cgroup", "sys/fs/cgroup", "cgroup2", flags, NULL));
    } else {
      TRY("cgroup tmpfs",
          mount_("tmpfs", "sys/fs/cgroup", "tmpfs", kNoSuid | kNoDev | kNoExec, "mode=755"));
      char path[80] = "sys/fs/cgroup/";
      for (int i = 0; i < hierarchy_count; i++) {
        char* end = path + sizeof "sys/fs/cgroup/" - 1;
        const char* from = hierarchies[i].v2 ? "unified" : hierarchies[i].controllers;
        while ((*end++ = *from++) != '\0') {
        }
        TRY("cgroup mkdir", RAW3(SYS_mkdirat, AT_FDCWD, path, 0755));
        if (hierarchies[i].v2)
          TRY("cgroup2", mount_("cgroup", path, "cgroup2", flags, NULL));
        else
          TRY("cgroup", mount_("cgroup", path, "cgroup", flags, hierarchies[i].controllers));
      }
      TRY("cgroup read-only", mount_(NULL, "sys/fs/cgroup", NULL, kRemount | kBind | flags, NULL));
    }
  }

  child_mark();
  for (int i = 0; i < kFileCount; i++)
    TRY(kFiles[i].path, mount_(kFiles[i].scratch, kFiles[i].path, NULL, kBind, NULL));

  // One empty read-only directory hides all directories, the container's own /dev/null all files.
  const char* empty = NULL;
  for (int i = 0; i < kMaskedCount; i++) {
    if (!masked_exists[i]) continue;
    if (!masked_is_dir[i]) {
      TRY("mask", mount_("dev/null", kMasked[i], NULL, kBind, NULL));
    } else if (empty == NULL) {
      empty = kMasked[i];
      TRY("mask tmpfs",
          mount_("tmpfs", empty, "tmpfs", kReadOnly | kNoSuid | kNoDev | kNoExec, "size=0"));
    } else {
      TRY("mask bind", mount_(empty, kMasked[i], NULL, kBind, NULL));
    }
  }
  for (int i = 0; i < 5; i++) {
    if (!read_only_exists[i]) continue;
    TRY("read-only bind", mount_(kReadOnlyPaths[i], kReadOnlyPaths[i], NULL, kBind | kRec, NULL));
    TRY("read-only", mount_(NULL, kReadOnlyPaths[i], NULL,
                            kRemount | kBind | kReadOnly | kNoSuid | kNoDev | kNoExec, NULL));
  }

  child_mark();
  TRY("pivot_root", RAW2(SYS_pivot_root, ".", "."));
  TRY("detach the old root", RAW2(SYS_umount2, ".", kDetach));
  TRY("chdir /", RAW1(SYS_chdir, "/"));
  child_mark();
}

static void child_network(void) {
  const long fd = RAW3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  TRY("socket", fd);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  TRY("lo up", RAW3(SYS_ioctl, fd, 0x8914 /* SIOCSIFFLAGS */, &request));
  RAW1(SYS_close, fd);
}

static void child(void* unused) {
  (void)unused;
  TRY("death signal", RAW2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL));
  child_mark();
  if (with_cgroup) {
    for (int i = 0; i < hierarchy_count; i++) {
      if (!hierarchies[i].into) TRY("join", RAW3(SYS_write, hierarchies[i].tasks, "0", 1));
    }
  }
  child_mark();
  // The cgroup namespace's root is where its maker is, so only now; the rest, because here it takes
  // time beside the parent's and not before it.
  TRY("namespaces", RAW1(SYS_unshare, CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET |
                                          (with_cgroup ? CLONE_NEWCGROUP : 0)));
  child_network();
  TRY("hostname", RAW2(SYS_sethostname, "0123456789ab", 12));
  TRY("setsid", RAW0(SYS_setsid));

  child_mark();
  await(&shared->ids_ready);
  child_mark();
  TRY("setgroups", RAW2(SYS_setgroups, 0, NULL));
  TRY("setresgid", RAW3(SYS_setresgid, 0, 0, 0));
  TRY("setresuid", RAW3(SYS_setresuid, 0, 0, 0));

  child_mark();
  for (int i = 0; i <= last_capability; i++) {
    if ((kCapabilities >> i & 1) == 0) TRY("bounding set", RAW2(SYS_prctl, PR_CAPBSET_DROP, i));
  }
  child_mark();
  await(&shared->root_ready);
  child_mark();
  child_mounts();
  RAW1(SYS_umask, 022);

  TRY("stdin", RAW3(SYS_dup3, shared->null_fd, 0, 0));
  TRY("stdout", RAW3(SYS_dup3, shared->stdout_fd, 1, 0));
  TRY("stderr", RAW3(SYS_dup3, shared->stderr_fd, 2, 0));
  if (with_seccomp) TRY("seccomp", RAW3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter_program));
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const struct __user_cap_data_struct data[2] = {
      {(uint32_t)kCapabilities, (uint32_t)kCapabilities, 0},
      {(uint32_t)(kCapabilities >> 32), (uint32_t)(kCapabilities >> 32), 0}};
  TRY("capset", RAW2(SYS_capset, &header, data));

  child_mark();
  static char* const arguments[] = {(char*)"/true", NULL};
  static char* const environment[] = {(char*)"PATH=/bin", (char*)"HOSTNAME=0123456789ab", NULL};
  TRY("exec /true", RAW3(SYS_execve, "/true", arguments, environment));
}

static int check(const char* what, long result) {
  if (result >= 0) return (int)result;
  errno = (int)-result;
  die("%s", what);
}

static int make_overlay(int user_namespace, int directory) {
  struct mount_attr idmap = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace};
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  const int low = check("open_tree lower", RAW3(SYS_open_tree, AT_FDCWD, "/lower", flags));
  check("idmap lower", RAW5(SYS_mount_setattr, low, "", AT_EMPTY_PATH, &idmap, sizeof idmap));
  // Upper and work directory must be of one mount.
  const int own =
      check("open_tree upper", RAW3(SYS_open_tree, directory, "", flags | AT_EMPTY_PATH));
  check("idmap upper", RAW5(SYS_mount_setattr, own, "", AT_EMPTY_PATH, &idmap, sizeof idmap));
  const int upper =
      check("upper", RAW4(SYS_openat, own, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
  const int scratch =
      check("work", RAW4(SYS_openat, own, "work", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));

  // As container root, or the work directory cannot be made and the overlay would silently be
  // read-only.
  RAW1(SYS_setfsgid, kFirstId);
  RAW1(SYS_setfsuid, kFirstId);
  const int fs = check("fsopen overlay", RAW2(SYS_fsopen, "overlay", FSOPEN_CLOEXEC));
  check("lowerdir+", RAW5(SYS_fsconfig, fs, FSCONFIG_SET_FD, "lowerdir+", NULL, low));
  check("upperdir", RAW5(SYS_fsconfig, fs, FSCONFIG_SET_FD, "upperdir", NULL, upper));
  check("workdir", RAW5(SYS_fsconfig, fs, FSCONFIG_SET_FD, "workdir", NULL, scratch));
  check("create overlay", RAW5(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
  const int mount = check("fsmount overlay", RAW3(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0));
  RAW1(SYS_setfsuid, 0);
  RAW1(SYS_setfsgid, 0);
  close(fs);
  close(scratch);
  close(upper);
  close(own);
  close(low);
  return mount;
}

// A tmpfs with the container's /dev and its small files: made by the host's root, because nobody
// else can make nodes.
static int make_scratch(void) {
  RAW1(SYS_setfsgid, kFirstId);
  RAW1(SYS_setfsuid, kFirstId);
  const int fs = check("fsopen tmpfs", RAW2(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  check("mode", RAW5(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "755", 0));
  check("size", RAW5(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "65536k", 0));
  check("create tmpfs", RAW5(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
  const int scratch =
      check("fsmount tmpfs", RAW3(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID));
  close(fs);
  for (int i = 0; i < kFileCount; i++) {
    const char* const name = kFiles[i].scratch + sizeof "/scratch";
    const int fd =
        check(name, RAW4(SYS_openat, scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (write(fd, kFiles[i].content, strlen(kFiles[i].content)) < 0) die("%s", name);
    close(fd);
  }
  check("dev", RAW3(SYS_mkdirat, scratch, "dev", 0755));
  const int dev =
      check("dev", RAW4(SYS_openat, scratch, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
  static const struct {
    const char* name;
    unsigned major, minor;
  } nodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
               {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  for (int i = 0; i < 6; i++)
    check(nodes[i].name, RAW4(SYS_mknodat, dev, nodes[i].name, S_IFCHR | 0666,
                              makedev(nodes[i].major, nodes[i].minor)));
  static const char* const directories[] = {"pts", "shm", "mqueue"};
  for (int i = 0; i < 3; i++)
    check(directories[i], RAW3(SYS_mkdirat, dev, directories[i], 0755));
  static const char* const links[][2] = {
      {"ptmx", "pts/ptmx"},          {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
      {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"}};
  for (int i = 0; i < 6; i++)
    check(links[i][0], RAW3(SYS_symlinkat, links[i][1], dev, links[i][0]));
  close(dev);
  RAW1(SYS_setfsuid, 0);
  RAW1(SYS_setfsgid, 0);
  return scratch;
}

static void make_cgroups(const char* name) {
  for (int i = 0; i < hierarchy_count; i++) {
    struct hierarchy* const h = &hierarchies[i];
    if (mkdirat(h->parent, name, 0755) != 0) die("mkdir in %s", h->mount);
    h->dir = openat(h->parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (h->dir < 0) die("open in %s", h->mount);
    const struct limit* const limits = h->v2 ? kLimits2 : kLimits1;
    const size_t count =
        h->v2 ? sizeof kLimits2 / sizeof *limits : sizeof kLimits1 / sizeof *limits;
    int fd = -1;
    for (size_t j = 0; j < count; j++) {
      if (!has_word(h->controllers, limits[j].controller)) continue;
      // One open for a file that takes several writes.
      if (j == 0 || fd < 0 || strcmp(limits[j].file, limits[j - 1].file) != 0) {
        if (fd >= 0) close(fd);
        fd = openat(h->dir, limits[j].file, O_WRONLY | O_CLOEXEC);
        // The kernel may have been built without accounting of swap.
        if (fd < 0 && errno == ENOENT) continue;
      }
      if (write(fd, limits[j].value, strlen(limits[j].value)) < 0)
        die("%s/%s = %s", h->mount, limits[j].file, limits[j].value);
    }
    if (fd >= 0) close(fd);
    h->tasks = -1;
    if (!h->into) {
      h->tasks = openat(h->dir, h->v2 ? "cgroup.procs" : "tasks", O_WRONLY | O_CLOEXEC);
      if (h->tasks < 0) die("tasks in %s", h->mount);
    }
  }
}

static void start(int index) {
  char name[16], text[96];
  snprintf(name, sizeof name, "c%d", index % 64);
  memset(shared, 0, sizeof *shared);
  mark_count = 0;
  errno = 0;
  mark();
  const uint64_t begin = now();

  if (mkdirat(work_dir, name, 0700) != 0) die("mkdir %s", name);
  const int directory = openat(work_dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (mkdirat(directory, "upper", 0755) != 0 || mkdirat(directory, "work", 0755) != 0)
    die("mkdir upper, work");
  mark();
  if (with_cgroup) make_cgroups(name);
  mark();
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) die("pipe");
  shared->stdout_fd = out[1];
  shared->stderr_fd = err[1];
  snprintf(text, sizeof text, "/proc/self/fd/%d", null_device);
  shared->null_fd = open(text, O_RDONLY | O_CLOEXEC);
  mark();

  struct clone_args arguments = {
      .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_FILES | CLONE_PIDFD |
               (style_fork ? 0 : CLONE_VM),
      .pidfd = (uint64_t)(uintptr_t)&child_pidfd,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)stack,
      .stack_size = kStack,
  };
  for (int i = 0; with_cgroup && i < hierarchy_count; i++) {
    if (!hierarchies[i].into) continue;
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = (uint64_t)hierarchies[i].dir;
  }
  child_pid = check("clone3", raw_clone3(&arguments, sizeof arguments, child, NULL));
  mark();

  static const char map[] = "0 1800000000 65536\n";
  snprintf(text, sizeof text, "/proc/%d/uid_map", child_pid);
  if (!write_at(AT_FDCWD, text, map)) die("uid_map");
  snprintf(text, sizeof text, "/proc/%d/gid_map", child_pid);
  if (!write_at(AT_FDCWD, text, map)) die("gid_map");
  post(&shared->ids_ready);
  mark();

  int user_namespace = ioctl(child_pidfd, PIDFD_GET_USER_NAMESPACE, 0);
  if (user_namespace < 0) {
    snprintf(text, sizeof text, "/proc/%d/ns/user", child_pid);
    user_namespace = open(text, O_RDONLY | O_CLOEXEC);
  }
  if (user_namespace < 0) die("user namespace");
  shared->root_fd = make_overlay(user_namespace, directory);
  post(&shared->root_ready);
  mark();
  shared->scratch_fd = make_scratch();
  post(&shared->scratch_ready);
  mark();

  siginfo_t info;
  if (waitid(P_PIDFD, (id_t)child_pidfd, &info, WEXITED) != 0) die("waitid");
  child_pid = 0;
  close(out[1]);
  close(err[1]);
  char sink[256];
  while (read(out[0], sink, sizeof sink) > 0) {
  }
  while (read(err[0], sink, sizeof sink) > 0) {
  }
  const uint64_t end = now();
  mark();

  if (shared->failed != NULL) {
    errno = (int)shared->error;
    die("child: %s", shared->failed);
  }
  errno = 0;
  if (info.si_code != CLD_EXITED || info.si_status != 0)
    die("/true ended with code %d status %d", info.si_code, info.si_status);

  const int done[] = {
      out[0],         err[0],     shared->null_fd, shared->root_fd, shared->scratch_fd,
      user_namespace, child_pidfd};
  for (size_t i = 0; i < sizeof done / sizeof *done; i++)
    close(done[i]);
  child_pidfd = -1;
  for (int i = 0; with_cgroup && i < hierarchy_count; i++) {
    close(hierarchies[i].dir);
    if (hierarchies[i].tasks >= 0) close(hierarchies[i].tasks);
    if (remove_cgroup(hierarchies[i].parent, name) != 0) die("rmdir in %s", hierarchies[i].mount);
  }
  unlinkat(directory, "work/work", AT_REMOVEDIR);
  unlinkat(directory, "work", AT_REMOVEDIR);
  unlinkat(directory, "upper", AT_REMOVEDIR);
  close(directory);
  if (unlinkat(work_dir, name, AT_REMOVEDIR) != 0) remove_tree(work_dir, name);
  const uint64_t clean_end = now();

  printf("{\"us\":%.1f,\"teardownUs\":%.1f", (double)(end - begin) / 1e3,
         (double)(clean_end - end) / 1e3);
  if (print_steps) {
    fputs(",\"steps\":{", stdout);
    for (int i = 1; i < mark_count; i++)
      printf("%s\"%s\":%.1f", i == 1 ? "" : ",", kStepNames[i - 1],
             (double)(marks[i] - marks[i - 1]) / 1e3);
    fputs("},\"child\":{", stdout);
    uint64_t before = marks[4];  // clone3 returned to the parent
    for (int i = 0; i < shared->child_mark_count; i++) {
      const double took = (double)(int64_t)(shared->child_marks[i] - before) / 1e3;
      printf("%s\"%s\":%.1f", i == 0 ? "" : ",", kChildStepNames[i], took);
      before = shared->child_marks[i];
    }
    printf(",\"exec and exit\":%.1f}", (double)(end - before) / 1e3);
  }
  fputs("}\n", stdout);
}

// ---- once, before the first start
// --------------------------------------------------------------------------------
static void prepare_cgroups(void) {
  FILE* const file = fopen("/proc/self/mountinfo", "re");
  if (file == NULL) die("mountinfo");
  char line[4096];
  struct hierarchy unified = {.v2 = true, .parent = -1};
  while (fgets(line, sizeof line, file) != NULL) {
    char root[200], mount[200], options[512];
    const char* const rest = strstr(line, " - cgroup");
    if (rest == NULL || sscanf(line, "%*s %*s %*s %199s %199s", root, mount) != 2) continue;
    if (strncmp(rest, " - cgroup2 ", 11) == 0) {
      snprintf(unified.mount, sizeof unified.mount, "%s", mount);
      continue;
    }
    if (sscanf(rest, " - cgroup %*s %511s", options) != 1 || strstr(options, "name=") != NULL)
      continue;
    if (hierarchy_count == kMaxHierarchies) break;
    struct hierarchy* const h = &hierarchies[hierarchy_count];
    char* const names = strncmp(options, "rw,", 3) == 0 ? options + 3 : options;
    // After the controllers come options such as clone_children.
    h->controllers[0] = '\0';
    for (char* word = strtok(names, ","); word != NULL; word = strtok(NULL, ",")) {
      static const char* const known[] = {"cpu",      "cpuacct",    "cpuset", "memory",  "devices",
                                          "freezer",  "blkio",      "pids",   "hugetlb", "net_cls",
                                          "net_prio", "perf_event", "rdma",   "misc"};
      for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(word, known[i]) != 0) continue;
        if (h->controllers[0] != '\0') strcat(h->controllers, ",");
        strcat(h->controllers, word);
      }
    }
    if (h->controllers[0] == '\0') continue;
    snprintf(h->mount, sizeof h->mount, "%s", mount);
    hierarchy_count++;
  }
  fclose(file);

  char path[256];
  if (hierarchy_count == 0 && unified.mount[0] != '\0') {
    snprintf(path, sizeof path, "%s/cgroup.controllers", unified.mount);
    FILE* const controllers = fopen(path, "re");
    if (controllers == NULL ||
        fgets(unified.controllers, sizeof unified.controllers, controllers) == NULL)
      die("%s", path);
    fclose(controllers);
    unified.controllers[strcspn(unified.controllers, "\n")] = '\0';
    unified.into = true;
    hierarchies[hierarchy_count++] = unified;
  }
  for (int i = 0; i < hierarchy_count; i++) {
    struct hierarchy* const h = &hierarchies[i];
    clean_dead_runs(h->mount);
    // By descriptor: after the small root is entered, the path leads nowhere.
    h->top = open(h->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (h->top < 0) die("open %s", h->mount);
    snprintf(path, sizeof path, "%s/%s", h->mount, run_name);
    if (mkdir(path, 0755) != 0) die("mkdir %s", path);
    h->parent = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (h->parent < 0) die("open %s", path);
    if (has_word(h->controllers, "cpuset") && !h->v2) {
      static const char* const files[] = {"cpuset.cpus", "cpuset.mems"};
      for (int j = 0; j < 2; j++) {
        char value[256] = "";
        snprintf(path, sizeof path, "%s/%s", h->mount, files[j]);
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, value, sizeof value - 1) < 0) die("%s", path);
        close(fd);
        if (!write_at(h->parent, files[j], value)) die("%s of the parent", files[j]);
      }
      if (!write_at(h->parent, "cgroup.clone_children", "1")) die("clone_children");
    }
    if (h->v2) {
      static const char* const wanted[] = {"+cpu", "+memory", "+io", "+pids"};
      for (int j = 0; j < 4; j++) {
        write_at(h->top, "cgroup.subtree_control", wanted[j]);
        write_at(h->parent, "cgroup.subtree_control", wanted[j]);
      }
    }
  }
}

// A mount namespace with nothing in it but what a start needs. The user namespace's proc and sysfs
// are allowed only where whole ones are visible.
static void prepare_mounts(void) {
  if (unshare(CLONE_NEWNS) != 0) die("unshare");
  check("private", mount_(NULL, "/", NULL, kRec | kPrivate, NULL));
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", work, run_name);
  const int lower_tree = check(
      "open_tree lower", RAW3(SYS_open_tree, AT_FDCWD, lower, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  const int work_tree = check(
      "open_tree work", RAW3(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  // On top of the run's own directory, whose clone is taken already.
  check("small root", mount_("floor", path, "tmpfs", 0, "size=64k,mode=755"));
  if (chdir(path) != 0) die("chdir");
  static const char* const directories[] = {"proc", "sys", "mnt", "scratch", "lower", "work"};
  for (int i = 0; i < 6; i++)
    if (mkdir(directories[i], 0755) != 0) die("mkdir %s", directories[i]);
  check("attach lower",
        RAW5(SYS_move_mount, lower_tree, "", AT_FDCWD, "lower", MOVE_MOUNT_F_EMPTY_PATH));
  check("attach work",
        RAW5(SYS_move_mount, work_tree, "", AT_FDCWD, "work", MOVE_MOUNT_F_EMPTY_PATH));
  check("proc", mount_("proc", "proc", "proc", 0, NULL));
  check("sysfs", mount_("sysfs", "sys", "sysfs", 0, NULL));
  check("pivot_root", RAW2(SYS_pivot_root, ".", "."));
  check("detach", RAW2(SYS_umount2, ".", kDetach));
  if (chdir("/") != 0) die("chdir /");
  close(work_dir);
  work_dir = open("/work", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (work_dir < 0) die("open /work");
}

int main(int count_arguments, char** arguments) {
  int count = 100;
  double spacing = 0;
  bool serve = false;
  for (int i = 1; i < count_arguments; i++) {
    const char* const option = arguments[i];
    const char* const value = i + 1 < count_arguments ? arguments[i + 1] : "";
    if (strcmp(option, "--serve") == 0)
      serve = true;
    else if (strcmp(option, "--steps") == 0)
      print_steps = true;
    else if (strcmp(option, "--no-cgroup") == 0)
      with_cgroup = false;
    else if (strcmp(option, "--no-seccomp") == 0)
      with_seccomp = false;
    else if (strcmp(option, "--work") == 0)
      work = value, i++;
    else if (strcmp(option, "--lower") == 0)
      lower = value, i++;
    else if (strcmp(option, "--count") == 0)
      count = atoi(value), i++;
    else if (strcmp(option, "--spacing-ms") == 0)
      spacing = atof(value), i++;
    else if (strcmp(option, "--style") == 0)
      style_fork = strcmp(value, "fork") == 0, i++;
    else
      die("unknown option %s", option);
  }
  if (work == NULL || lower == NULL || work[0] != '/' || lower[0] != '/')
    die("--work and --lower: absolute directories");

  owner = getpid();
  snprintf(run_name, sizeof run_name, "caisson-floor-%d", owner);
  null_device = open("/dev/null", O_PATH | O_CLOEXEC);
  clean_dead_runs(work);
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", work, run_name);
  if (mkdir(path, 0755) != 0) die("mkdir %s", path);
  work_dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  work_parent = open(work, O_PATH | O_DIRECTORY | O_CLOEXEC);
  atexit(clean);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  signal(SIGHUP, on_signal);
  signal(SIGPIPE, SIG_IGN);

  if (with_cgroup) prepare_cgroups();
  for (int i = 0; i < kMaskedCount; i++) {
    struct stat status;
    snprintf(path, sizeof path, "/%s", kMasked[i]);
    masked_exists[i] = lstat(path, &status) == 0;
    masked_is_dir[i] = masked_exists[i] && S_ISDIR(status.st_mode);
  }
  for (int i = 0; i < 5; i++) {
    snprintf(path, sizeof path, "/%s", kReadOnlyPaths[i]);
    read_only_exists[i] = access(path, F_OK) == 0;
  }
  while (prctl(PR_CAPBSET_READ, last_capability + 1) >= 0)
    last_capability++;
  filter_program.len = (unsigned short)make_filter(filter, sizeof filter / sizeof *filter);
  if (filter_program.len == 0) die("the filter does not fit");

  prepare_mounts();
  // setfsuid would else take the capabilities that making nodes needs.
  if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0) die("securebits");
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  stack =
      mmap(NULL, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (shared == MAP_FAILED || stack == MAP_FAILED) die("mmap");

  int index = 0;
  char line[128];
  do {
    if (serve) {
      fflush(stdout);
      if (fgets(line, sizeof line, stdin) == NULL) break;
      if (sscanf(line, "%d %lf", &count, &spacing) != 2) die("bad command: %s", line);
    }
    for (int i = 0; i < count; i++) {
      if (spacing > 0) usleep((useconds_t)(spacing * 1000));
      start(index++);
    }
    if (serve) puts("{\"done\":true}");
  } while (serve);
  return fflush(stdout) == 0 ? 0 : 1;
}
