/** Machines as texts: what `/proc` and the cgroup file systems of each say. */
import type { CgroupReaders } from '../../lib/cgroup/detect.js';

export interface Machine {
  readonly files: Readonly<Record<string, string>>;
  /** Names of files in a directory, apart from those in `files`. */
  readonly listings?: Readonly<Record<string, readonly string[]>>;
  readonly notWritable?: readonly string[];
}

export function readersOf({ files, listings = {}, notWritable = [] }: Machine): CgroupReaders {
  return {
    readFile: (path) => {
      const text = files[path];
      return text === undefined
        ? Promise.reject(new Error(`ENOENT: ${path}`))
        : Promise.resolve(text);
    },
    readdir: (path) => {
      const inside = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      const names = inside.map((file) => file.slice(path.length + 1));
      return Promise.resolve([...names, ...(listings[path] ?? [])]);
    },
    writable: (path) => Promise.resolve(!notWritable.includes(path)),
  };
}

const base = `21 27 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
22 27 0:21 / /sys rw,nosuid,nodev,noexec,relatime shared:6 - sysfs sysfs rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
`;

const enabledControllers = `#subsys_name	hierarchy	num_cgroups	enabled
cpuset	0	75	1
cpu	0	75	1
cpuacct	0	75	1
blkio	0	75	1
memory	0	75	1
devices	0	75	1
freezer	0	75	1
net_cls	0	75	1
net_prio	0	75	1
hugetlb	0	75	1
pids	0	75	1
`;

/** Debian 12 with systemd: one cgroup2. */
export const systemdV2: Machine = {
  files: {
    '/proc/self/mountinfo': `${base}26 22 0:25 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:7 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`,
    '/proc/cgroups': enabledControllers,
    '/proc/self/cgroup': '0::/user.slice/user-1000.slice/user@1000.service\n',
    '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory hugetlb pids rdma misc\n',
    '/sys/fs/cgroup/cgroup.subtree_control': 'cpu memory pids\n',
    '/sys/fs/cgroup/cpuset.cpus.effective': '0-3\n',
    '/sys/fs/cgroup/cpuset.mems.effective': '0\n',
  },
  listings: { '/sys/fs/cgroup': ['cgroup.procs', 'cpu.stat', 'memory.stat', 'io.stat'] },
};

/** CentOS 7 and old Ubuntus: cpu and cpuacct in one hierarchy, `cpu` and `cpuacct` are links to it. */
export const comountedV1: Machine = {
  files: {
    '/proc/self/mountinfo': `${base}23 22 0:22 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:8 - tmpfs tmpfs ro,mode=755
24 23 0:23 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:9 - cgroup cgroup rw,xattr,release_agent=/usr/lib/systemd/systemd-cgroups-agent,name=systemd
28 23 0:26 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:10 - cgroup cgroup rw,memory
29 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:11 - cgroup cgroup rw,cpuacct,cpu
30 23 0:28 / /sys/fs/cgroup/cpuset rw,nosuid,nodev,noexec,relatime shared:13 - cgroup cgroup rw,cpuset
31 23 0:29 / /sys/fs/cgroup/net_cls,net_prio rw,nosuid,nodev,noexec,relatime shared:14 - cgroup cgroup rw,net_prio,net_cls
32 23 0:30 / /sys/fs/cgroup/devices rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,devices
33 23 0:31 / /sys/fs/cgroup/pids rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,pids
34 23 0:32 / /sys/fs/cgroup/hugetlb rw,nosuid,nodev,noexec,relatime shared:17 - cgroup cgroup rw,hugetlb
`,
    '/proc/cgroups': enabledControllers.replace('blkio\t0\t75\t1', 'blkio\t0\t75\t0'),
    '/proc/self/cgroup': `9:hugetlb:/
8:pids:/user.slice
5:net_prio,net_cls:/
4:cpuset:/
3:cpuacct,cpu:/user.slice
2:memory:/user.slice
1:name=systemd:/user.slice/user-0.slice/user@0.service
`,
    '/sys/fs/cgroup/cpuset/cpuset.cpus': '0-7\n',
    '/sys/fs/cgroup/cpuset/cpuset.mems': '0-1\n',
  },
  listings: {
    '/sys/fs/cgroup/memory': [
      'memory.limit_in_bytes',
      'memory.soft_limit_in_bytes',
      'memory.swappiness',
      'memory.oom_control',
      'memory.kmem.tcp.limit_in_bytes',
    ],
    '/sys/fs/cgroup/cpu,cpuacct': [
      'cpu.shares',
      'cpu.cfs_period_us',
      'cpu.cfs_quota_us',
      'cpuacct.usage',
    ],
    '/sys/fs/cgroup/devices': ['devices.allow', 'devices.deny', 'devices.list'],
    '/sys/fs/cgroup/pids': ['cgroup.procs'],
    '/sys/fs/cgroup/net_cls,net_prio': ['net_cls.classid', 'net_prio.ifpriomap'],
  },
};

/** v1 controllers, and a cgroup2 beside them that has hardly any. */
export const hybrid: Machine = {
  files: {
    '/proc/self/mountinfo': `${base}31 22 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`,
    '/proc/cgroups': enabledControllers,
    '/proc/self/cgroup': '9:name=systemd:/\n4:memory:/some/where\n1:cpu:/\n0::/\n',
    '/sys/fs/cgroup/unified/cgroup.controllers': 'hugetlb\n',
    '/sys/fs/cgroup/cpuset/cpuset.cpus': '0-1\n',
    '/sys/fs/cgroup/cpuset/cpuset.mems': '0\n',
  },
  listings: {
    '/sys/fs/cgroup/memory': [
      'memory.limit_in_bytes',
      'memory.memsw.limit_in_bytes',
      'memory.soft_limit_in_bytes',
      'memory.swappiness',
      'memory.oom_control',
    ],
    '/sys/fs/cgroup/cpu': [
      'cpu.shares',
      'cpu.cfs_period_us',
      'cpu.cfs_quota_us',
      'cpu.cfs_burst_us',
      'cpu.idle',
    ],
    '/sys/fs/cgroup/devices': ['devices.allow', 'devices.deny'],
    '/sys/fs/cgroup/blkio': [
      'blkio.throttle.read_bps_device',
      'blkio.throttle.write_bps_device',
      'blkio.throttle.read_iops_device',
      'blkio.throttle.write_iops_device',
    ],
    '/sys/fs/cgroup/cpuset': ['cpuset.cpus', 'cpuset.mems'],
  },
};

/** Inside another engine's container, v1: the mounts show one cgroup each, some of them read-only. */
export const nestedV1: Machine = {
  files: {
    '/proc/self/mountinfo': `700 600 0:60 / / rw,relatime - overlay overlay rw
701 700 0:61 / /proc rw,nosuid - proc proc rw
702 700 0:62 / /sys ro,nosuid - sysfs sysfs ro
703 702 0:63 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs rw,mode=755
704 703 0:32 /docker/4f5e /sys/fs/cgroup/memory rw,nosuid master:9 - cgroup cgroup rw,memory
705 703 0:36 /docker/4f5e /sys/fs/cgroup/pids rw,nosuid master:10 - cgroup cgroup rw,pids
706 703 0:35 /docker/4f5e /sys/fs/cgroup/blkio ro,nosuid master:11 - cgroup cgroup rw,blkio
`,
    '/proc/cgroups': enabledControllers,
    '/proc/self/cgroup': '11:memory:/docker/4f5e\n5:pids:/docker/4f5e\n3:blkio:/docker/4f5e\n',
  },
  listings: {
    '/sys/fs/cgroup/memory': ['memory.limit_in_bytes', 'memory.oom_control', 'tasks'],
    '/sys/fs/cgroup/pids': ['pids.current', 'pids.max', 'tasks'],
  },
};

/** The same with v2, in a cgroup namespace of its own. */
export const nestedV2: Machine = {
  files: {
    '/proc/self/mountinfo': `700 600 0:60 / / rw,relatime - overlay overlay rw
701 700 0:61 / /proc rw,nosuid - proc proc rw
702 700 0:62 / /sys ro,nosuid - sysfs sysfs ro
703 702 0:30 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate
`,
    '/proc/cgroups': enabledControllers,
    '/proc/self/cgroup': '0::/\n',
    '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory hugetlb pids rdma misc\n',
  },
  listings: { '/sys/fs/cgroup': ['cgroup.procs', 'cgroup.type', 'memory.max'] },
};

/** No cgroup file system at all. */
export const nothing: Machine = { files: { '/proc/self/mountinfo': base } };
