/** The kernel's flags for namespaces (linux/sched.h, CLONE_NEW*), by the names that the OCI specification gives them. */
export const NAMESPACE_FLAGS = {
  mount: 0x0002_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  network: 0x4000_0000,
  cgroup: 0x0200_0000,
} as const;
