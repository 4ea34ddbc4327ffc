/**
 * The default seccomp profile: which system calls a container may make when nobody says otherwise.
 *
 * The intent is Docker's: ordinary programs run unchanged, and what only administers a machine, reaches
 * around namespaces or has a history of kernel exploits is refused. Three answers:
 *
 * - allowed, for good or while the container has the capability that the call is about;
 * - `EPERM`, the default action, for calls that exist and are refused: programs report it as what it is;
 * - `ENOSYS` for calls younger than this profile (`encodeProfile` adds that) and for `clone3`: C libraries
 *   then take the older call, where `EPERM` would end them.
 *
 * An argument has 64 bits, while the kernel reads an `int` or a flag word from the lower 32, whatever stands
 * above. Every condition here therefore looks at the lower half alone: "not equal to AF_VSOCK" on 64 bits
 * would let `0x1_0000_0028` pass.
 */
import { NAMESPACE_FLAGS } from './namespaces.js';
import type { LinuxSeccomp, LinuxSyscall } from './runtime-spec.js';

export type SeccompArch = 'x64' | 'arm64';

/** What any program may do. Names that a machine lacks (`open` on arm64) mean nothing there. */
const ALLOWED = names(`
  # Files and directories
  access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
  fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr
  file_getattr file_setattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat
  getcwd getdents getdents64 getxattr getxattrat ioctl lchown lgetxattr link linkat listxattr listxattrat
  llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat name_to_handle_at newfstatat
  open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat
  readv removexattr removexattrat rename renameat renameat2 rmdir sendfile setxattr setxattrat splice stat
  statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime
  utimensat utimes vmsplice write writev
  # Watching files, and what is mounted in one's own namespace
  fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch listmount statmount
  # Waiting for descriptors; POSIX asynchronous I/O
  epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 io_cancel
  io_destroy io_getevents io_pgetevents io_setup io_submit pipe pipe2 poll ppoll pselect6 select signalfd
  signalfd4 timerfd_create timerfd_gettime timerfd_settime
  # Sockets, once made; socket and socketpair are below
  accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg
  sendmsg sendto setsockopt shutdown
  # System V and POSIX IPC: of one's own IPC namespace
  mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd semctl
  semget semop semtimedop shmat shmctl shmdt shmget
  # Memory
  brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall
  mmap mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
  remap_file_pages
  # Processes, threads and their limits. uprobe and uretprobe are the kernel's own, made for the probed
  execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv futex_wake
  get_robust_list getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid gettid
  ioprio_get ioprio_set kill pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease restart_syscall
  rseq sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
  sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield set_robust_list set_tid_address setpgid setpriority setrlimit setsid tgkill
  tkill uprobe uretprobe vfork wait4 waitid
  # Debugging one's own processes. From Linux 4.8 on the filter is asked after the tracer, not before
  process_vm_readv process_vm_writev ptrace
  # Signals
  alarm getitimer pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
  rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo setitimer sigaltstack
  # Users, groups, capabilities and giving rights up
  capget capset getegid geteuid getgid getgroups getresgid getresuid getuid landlock_add_rule
  landlock_create_ruleset landlock_restrict_self seccomp setfsgid setfsuid setgid setgroups setregid
  setresgid setresuid setreuid setuid
  # Time; the adjusting ones also read, and ask for CAP_SYS_TIME where they write
  adjtimex clock_adjtime clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep time
  timer_create timer_delete timer_getoverrun timer_gettime timer_settime times
  # The system
  getrandom sysinfo uname
`);

const ALLOWED_ON: Record<SeccompArch, readonly string[]> = {
  // Thread-local storage, and 16-bit segments (Wine).
  x64: ['arch_prctl', 'modify_ldt'],
  arm64: [],
};

/** What a capability is about: refused without it, before the kernel's own check has anything to do. */
const GATED: readonly (readonly [capability: string, names: readonly string[]])[] = [
  ['CAP_BPF', ['bpf']],
  ['CAP_DAC_READ_SEARCH', ['open_by_handle_at']],
  ['CAP_PERFMON', ['perf_event_open']],
  [
    'CAP_SYS_ADMIN',
    names(`
      bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listns lsm_get_self_attr
      lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree open_tree_attr
      perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns syslog umount2 unshare
    `),
  ],
  ['CAP_SYS_BOOT', ['reboot']],
  ['CAP_SYS_CHROOT', ['chroot']],
  ['CAP_SYS_MODULE', ['delete_module', 'finit_module', 'init_module']],
  ['CAP_SYS_NICE', names('get_mempolicy mbind set_mempolicy set_mempolicy_home_node')],
  ['CAP_SYS_PACCT', ['acct']],
  ['CAP_SYS_PTRACE', ['kcmp', 'pidfd_getfd', 'process_madvise']],
  ['CAP_SYS_RAWIO', ['ioperm', 'iopl']],
  ['CAP_SYS_TIME', ['clock_settime', 'settimeofday']],
  ['CAP_SYS_TTY_CONFIG', ['vhangup']],
  ['CAP_SYSLOG', ['syslog']],
];

/**
 * What no capability brings; said aloud, so that a test can hold this profile against a kernel's table and
 * find nothing forgotten.
 */
const DENIED = names(`
  # io_uring does the work of a hundred other calls past this filter, and is exploited every year
  io_uring_enter io_uring_register io_uring_setup
  # Keyrings belong to users, not to containers
  add_key keyctl request_key
  # Handling the page faults of the kernel in a program holds a system call open at a chosen place, which exploits of the
  # kernel use. CAP_SYS_PTRACE is about other processes and does not need it
  userfaultfd
  # These move the memory of other processes between NUMA nodes
  migrate_pages move_pages
  # Replacing the kernel; swap space of the whole machine
  kexec_file_load kexec_load swapoff swapon
  # Long gone or never there
  _sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area getpmsg
  lookup_dcookie nfsservctl putpmsg query_module security set_thread_area sysfs tuxcall uselib ustat vserver
`);

/** CLONE_NEWTIME is not among them: it shares its bit with the exit signal. */
const ANY_NAMESPACE = Object.values(NAMESPACE_FLAGS).reduce((all, flag) => all | flag, 0);

/** PER_LINUX and PER_LINUX32, each with and without UNAME26; and the question which one is on. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/**
 * Address families: AF_UNIX, INET, INET6, KEY, NETLINK, PACKET, CAN, BLUETOOTH, SMC, XDP. Not AF_VSOCK, which
 * no network namespace confines; not AF_ALG, the kernel's cryptography, which a program has in user space
 * anyway (CVE-2026-31431); not the museum, whose modules any `socket` call would load.
 */
const FAMILIES = [1, 2, 10, 15, 16, 17, 29, 31, 43, 44];

const LOWER_HALF = 0xffffffff;
const EPERM = 1;
const ENOSYS = 38;

const made = new Map<string, LinuxSeccomp>();

/**
 * The profile for a container with these capabilities (`CAP_…`, its bounding set). Equal sets yield the same
 * frozen object, which is what makes it cheap to compile once: see `compileProfile`.
 *
 * Only the machine's own instruction set: 32-bit and x32 programs do not run under this profile.
 */
export function defaultSeccompProfile(
  capabilities: ReadonlySet<string>,
  arch: SeccompArch,
): LinuxSeccomp {
  let key: string = arch;
  for (const [capability] of GATED) key += capabilities.has(capability) ? '1' : '0';
  let profile = made.get(key);
  if (profile === undefined) {
    profile = deepFreeze(make(capabilities, arch));
    made.set(key, profile);
  }
  return profile;
}

function make(capabilities: ReadonlySet<string>, arch: SeccompArch): LinuxSeccomp {
  const granted = new Set(GATED.flatMap(([cap, calls]) => (capabilities.has(cap) ? calls : [])));
  const refused = new Set(GATED.flatMap(([, calls]) => calls.filter((name) => !granted.has(name))));
  const syscalls: LinuxSyscall[] = [
    { names: [...ALLOWED, ...ALLOWED_ON[arch], ...granted], action: 'SCMP_ACT_ALLOW' },
    // A socketpair looks its family up as a socket does, and loads its module.
    ...FAMILIES.map((family) => allowWhere(['socket', 'socketpair'], LOWER_HALF, family)),
    ...PERSONALITIES.map((personality) => allowWhere(['personality'], LOWER_HALF, personality)),
  ];
  if (!granted.has('clone')) {
    syscalls.push(allowWhere(['clone'], ANY_NAMESPACE, 0));
    refused.delete('clone');
    // Its flags are in memory, where no filter sees them.
    syscalls.push({ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS });
    refused.delete('clone3');
  }
  syscalls.push({ names: [...DENIED, ...refused], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM });
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: [arch === 'x64' ? 'SCMP_ARCH_X86_64' : 'SCMP_ARCH_AARCH64'],
    syscalls,
  };
}

/** Allowed where the first argument's bits in `mask` are `value`. */
function allowWhere(names: readonly string[], mask: number, value: number): LinuxSyscall {
  return {
    names,
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' }],
  };
}

/** Words; `#` begins a comment. */
function names(text: string): readonly string[] {
  return text.replace(/#.*/g, '').trim().split(/\s+/);
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value) as unknown[]) {
    if (typeof member === 'object' && member !== null) deepFreeze(member);
  }
  return Object.freeze(value);
}
