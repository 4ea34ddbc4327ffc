#include "filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

// What a container may not call; every other number up to kLast is allowed.
static const int kDenied[] = {
    SYS_acct,
    SYS_add_key,
    SYS_bpf,
    SYS_clock_adjtime,
    SYS_clock_settime,
    SYS_delete_module,
    SYS_fanotify_init,
    SYS_finit_module,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fspick,
    SYS_get_mempolicy,
    SYS_init_module,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    SYS_kcmp,
    SYS_kexec_file_load,
    SYS_kexec_load,
    SYS_keyctl,
    SYS_lookup_dcookie,
    SYS_mbind,
    SYS_migrate_pages,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_move_pages,
    SYS_name_to_handle_at,
    SYS_nfsservctl,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_perf_event_open,
    SYS_pivot_root,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_reboot,
    SYS_request_key,
    SYS_set_mempolicy,
    SYS_set_mempolicy_home_node,
    SYS_setdomainname,
    SYS_sethostname,
    SYS_setns,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
    SYS_umount2,
    SYS_unshare,
    SYS_userfaultfd,
    SYS_vhangup,
#if defined(__x86_64__)
    SYS__sysctl,
    SYS_create_module,
    SYS_get_kernel_syms,
    SYS_ioperm,
    SYS_iopl,
    SYS_query_module,
    SYS_sysfs,
    SYS_uselib,
    SYS_ustat,
#endif
};
// Allowed after a look at their first argument, or refused as if the kernel had no such call.
static const int kSpecial[] = {SYS_clone, SYS_clone3, SYS_personality, SYS_socket};
enum { kLast = 450, kActions = 2 + 4 };

enum { kAllow, kDeny, kClone, kClone3, kPersonality, kSocket };

static int action_of(int number) {
  if (number > kLast) return kDeny;
  for (size_t i = 0; i < sizeof kDenied / sizeof *kDenied; i++)
    if (kDenied[i] == number) return kDeny;
  for (size_t i = 0; i < sizeof kSpecial / sizeof *kSpecial; i++)
    if (kSpecial[i] == number) return kClone + (int)i;
  return kAllow;
}

struct range {
  uint32_t first;
  int action;
};

// The tree is written backwards from the end, so that every jump's target is known; `at` counts
// from the end.
struct writer {
  struct sock_filter* out;
  size_t room, length;
};

static size_t emit(struct writer* w, struct sock_filter instruction) {
  if (w->length < w->room) w->out[w->length] = instruction;
  return w->length++;
}
static size_t ret(struct writer* w, uint32_t value) {
  return emit(w, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}
// A far jump is needed when a target does not fit the 8 bits of a conditional one.
static size_t near(struct writer* w, size_t target) {
  if (w->length - target - 1 <= 255 - 2) return target;
  return emit(w,
              (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(w->length - target - 1)));
}
static size_t test(struct writer* w, uint16_t op, uint32_t value, size_t yes, size_t no) {
  yes = near(w, yes);
  no = near(w, no);
  return emit(
      w, (struct sock_filter)BPF_JUMP(BPF_JMP | op | BPF_K, value, (uint8_t)(w->length - yes - 1),
                                      (uint8_t)(w->length - no - 1)));
}
static size_t load(struct writer* w, size_t offset) {
  return emit(w, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}
static size_t tree(struct writer* w, const struct range* ranges, size_t count,
                   const size_t* targets) {
  if (count == 1) return targets[ranges[0].action];
  const size_t phase = count / 2;
  const size_t high = tree(w, ranges + phase, count - phase, targets);
  const size_t low = tree(w, ranges, phase, targets);
  return test(w, BPF_JGE, ranges[phase].first, high, low);
}

size_t make_filter(struct sock_filter* out, size_t room) {
  struct writer w = {out, room, 0};
  const size_t argument = offsetof(struct seccomp_data, args);
  size_t targets[kActions];
  const size_t eperm = targets[kDeny] = ret(&w, SECCOMP_RET_ERRNO | 1);
  const size_t allow = targets[kAllow] = ret(&w, SECCOMP_RET_ALLOW);
  const size_t enosys = targets[kClone3] = ret(&w, SECCOMP_RET_ERRNO | 38);

  // clone: no new namespaces.
  test(&w, BPF_JSET, 0x7e020000u, eperm, allow);
  targets[kClone] = load(&w, argument);
  // socket: neither AF_ALG nor AF_VSOCK.
  size_t next = test(&w, BPF_JEQ, 38, eperm, allow);
  next = test(&w, BPF_JEQ, 40, eperm, next);
  targets[kSocket] = load(&w, argument);
  // personality: the five that Docker's list has.
  static const uint32_t kPersonalities[] = {0xffffffffu, 0x20008, 0x20000, 8, 0};
  next = eperm;
  for (size_t i = 0; i < 5; i++)
    next = test(&w, BPF_JEQ, kPersonalities[i], allow, next);
  targets[kPersonality] = load(&w, argument);

  struct range ranges[kLast + 2];
  size_t count = 0;
  for (int number = 0; number <= kLast + 1; number++) {
    const int action = action_of(number);
    if (count == 0 || ranges[count - 1].action != action)
      ranges[count++] = (struct range){(uint32_t)number, action};
  }
  const size_t root = tree(&w, ranges, count, targets);
  // Numbers from 0x40000000 up are x32's; another architecture kills.
  const size_t kill = ret(&w, SECCOMP_RET_KILL_PROCESS);
  test(&w, BPF_JGE, 0x40000000u, eperm, root);
  const size_t number = load(&w, offsetof(struct seccomp_data, nr));
  test(&w, BPF_JEQ, ARCH, number, kill);
  load(&w, offsetof(struct seccomp_data, arch));
  (void)enosys;
  if (w.length > room) return 0;

  for (size_t i = 0; i < w.length / 2; i++) {
    const struct sock_filter swap = out[i];
    out[i] = out[w.length - 1 - i];
    out[w.length - 1 - i] = swap;
  }
  return w.length;
}
