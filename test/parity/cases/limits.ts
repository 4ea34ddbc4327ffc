/** Limits, capabilities, kernel parameters. */
import type { Section } from '../parity-case.js';

const sh = String.raw;

const inspect = (members: string) =>
  `docker inspect -f '${members
    .split(' ')
    .map((member) => `{{json .HostConfig.${member}}}`)
    .join(' ')}' $c`;

export const LIMITS: Section = {
  title: 'Limits',
  cases: [
    {
      name: '-m',
      steps: [
        'docker run --rm -m 64m $image cat /sys/fs/cgroup/memory/memory.limit_in_bytes',
        'docker create --name $c -m 64m $image true',
        inspect('Memory MemorySwap'),
      ],
    },
    { name: '-m with too small a value', steps: ['docker run --rm -m 1m $image true'] },
    {
      name: '-m with too large a value',
      steps: ['docker run --rm -m 99999999999999g $image true'],
    },
    {
      name: 'a program that runs out of memory is killed',
      steps: [
        sh`docker run --name $c -m 16m $image sh -c 'x=$(head -c 60000000 /dev/zero | tr "\0" x); echo survived'`,
        "docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' $c",
      ],
    },
    {
      name: '--memory-swap',
      steps: [
        'docker create --name $c -m 64m --memory-swap 128m $image true',
        inspect('MemorySwap'),
        'docker create -m 64m --memory-swap 32m $image true',
        'docker create --memory-swap 32m $image true',
      ],
    },
    {
      name: '--memory-swap -1',
      steps: ['docker create --name $c -m 64m --memory-swap -1 $image true', inspect('MemorySwap')],
    },
    {
      name: '--memory-reservation',
      steps: [
        'docker run --rm -m 64m --memory-reservation 32m $image cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes',
        'docker create -m 32m --memory-reservation 64m $image true',
      ],
    },
    {
      name: '--memory-swappiness',
      steps: [
        'docker create --name $c --memory-swappiness 10 $image true',
        inspect('MemorySwappiness'),
        'docker create --memory-swappiness 200 $image true',
      ],
    },
    {
      name: '--oom-score-adj',
      steps: [
        'docker run --rm --oom-score-adj 500 $image cat /proc/self/oom_score_adj',
        'docker create --oom-score-adj 5000 $image true',
      ],
    },
    {
      name: '--oom-kill-disable',
      steps: [
        'docker create --name $c -m 64m --oom-kill-disable $image true',
        inspect('OomKillDisable'),
      ],
    },
    {
      name: '--cpus',
      steps: [
        'docker run --rm --cpus 0.5 $image cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us',
        'docker create --name $c --cpus 1.5 $image true',
        inspect('NanoCpus CpuQuota'),
      ],
    },
    {
      name: '--cpus with too many or zero CPUs',
      steps: [
        'docker create --cpus 1000 $image true',
        'docker create --cpus abc $image true',
        'docker create --cpus -1 $image true',
      ],
    },
    {
      name: '--cpu-period and --cpu-quota',
      steps: [
        'docker run --rm --cpu-period 50000 --cpu-quota 20000 $image cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us',
        'docker create --cpu-period 10 $image true',
        'docker create --cpu-quota 10 $image true',
      ],
    },
    {
      name: '--cpus with --cpu-quota',
      steps: ['docker create --cpus 1 --cpu-quota 20000 $image true'],
    },
    {
      name: '-c',
      steps: [
        'docker run --rm -c 512 $image cat /sys/fs/cgroup/cpu/cpu.shares',
        'docker run --rm -c 1 $image true',
        'docker run --rm -c 0 $image cat /sys/fs/cgroup/cpu/cpu.shares',
      ],
    },
    {
      name: '--cpuset-cpus',
      steps: [
        'docker run --rm --cpuset-cpus 0 $image cat /sys/fs/cgroup/cpuset/cpuset.cpus',
        'docker run --rm --cpuset-cpus 0 $image nproc',
        'docker create --cpuset-cpus 999 $image true',
        'docker create --cpuset-cpus x $image true',
      ],
    },
    {
      name: '--cpuset-mems',
      steps: [
        'docker run --rm --cpuset-mems 0 $image cat /sys/fs/cgroup/cpuset/cpuset.mems',
        'docker create --cpuset-mems 99 $image true',
      ],
    },
    {
      name: '--pids-limit',
      steps: [
        'docker run --rm --pids-limit 20 $image cat /sys/fs/cgroup/pids/pids.max',
        'docker run --rm --pids-limit -1 $image cat /sys/fs/cgroup/pids/pids.max',
        'docker run --rm --pids-limit 0 $image cat /sys/fs/cgroup/pids/pids.max',
        'docker create --name $c --pids-limit 20 $image true',
        inspect('PidsLimit'),
      ],
    },
    {
      name: '--pids-limit is kept',
      steps: [
        sh`docker run --rm --pids-limit 5 $image sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo through' >/dev/null 2>&1; echo $?`,
      ],
    },
    {
      name: '--device-read-bps and the like',
      steps: [
        'docker run --rm --device-read-bps /dev/vda:1mb $image cat /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device',
        'docker run --rm --device-write-bps /dev/vda:2mb $image cat /sys/fs/cgroup/blkio/blkio.throttle.write_bps_device',
        'docker run --rm --device-read-iops /dev/vda:100 --device-write-iops /dev/vda:200 $image cat /sys/fs/cgroup/blkio/blkio.throttle.read_iops_device /sys/fs/cgroup/blkio/blkio.throttle.write_iops_device',
        'docker create --device-read-bps /dev/vda $image true',
        'docker create --device-read-bps vda:1mb $image true',
      ],
    },
    {
      name: '--ulimit',
      steps: [
        'docker run --rm --ulimit nofile=100:200 --ulimit core=0 $image sh -c "ulimit -Sn; ulimit -Hn; ulimit -c"',
        'docker create --name $c --ulimit nofile=100 --ulimit nproc=50:60 $image true',
        "docker inspect -f '{{range .HostConfig.Ulimits}}{{.Name}} {{.Soft}} {{.Hard}};{{end}}' $c",
        'docker create --ulimit nosuch=1 $image true',
        'docker create --ulimit nofile=200:100 $image true',
      ],
    },
    {
      name: '--blkio-weight',
      steps: [
        'docker create --blkio-weight 5 $image true',
        'docker create --blkio-weight 2000 $image true',
      ],
      verdict: {
        is: 'better',
        why: 'a weight that is out of range is refused even if the kernel has no weights; Docker ignores it with a warning',
      },
    },
  ],
};

export const PRIVILEGES: Section = {
  title: 'Capabilities and security options',
  cases: [
    {
      name: 'capabilities by default',
      steps: ['docker run --rm $image grep Cap /proc/self/status'],
    },
    {
      name: '--cap-add',
      steps: [
        'docker run --rm --cap-add NET_ADMIN --cap-add cap_sys_time $image grep CapEff /proc/self/status',
        'docker create --name $c --cap-add NET_ADMIN $image true',
        "docker inspect -f '{{json .HostConfig.CapAdd}}' $c",
      ],
    },
    {
      name: '--cap-drop',
      steps: [
        'docker run --rm --cap-drop CHOWN --cap-drop mknod $image grep CapEff /proc/self/status',
        'docker run --rm --cap-drop ALL $image grep CapEff /proc/self/status',
      ],
    },
    {
      name: '--cap-drop ALL --cap-add one',
      steps: [
        'docker run --rm --cap-drop ALL --cap-add CHOWN $image grep CapEff /proc/self/status',
        'docker run --rm --cap-add ALL --cap-drop SYS_ADMIN $image grep CapEff /proc/self/status',
      ],
      verdict: {
        is: 'better',
        why: 'works if the machine itself lacks a capability; Docker fails',
      },
    },
    {
      name: 'an unknown capability',
      steps: [
        'docker create --cap-add NOSUCH $image true',
        'docker create --cap-drop NOSUCH $image true',
      ],
    },
    {
      name: 'users other than root have no capabilities',
      steps: ['docker run --rm -u user $image grep -E "Cap(Prm|Eff|Bnd)" /proc/self/status'],
    },
    {
      name: '--security-opt no-new-privileges',
      steps: [
        'docker run --rm --security-opt no-new-privileges $image grep NoNewPrivs /proc/self/status',
        'docker run --rm --security-opt no-new-privileges:false $image grep NoNewPrivs /proc/self/status',
        'docker run --rm $image grep NoNewPrivs /proc/self/status',
      ],
    },
    {
      name: '--security-opt seccomp',
      steps: [
        'docker run --rm $image grep Seccomp: /proc/self/status',
        'docker run --rm --security-opt seccomp=unconfined $image grep Seccomp: /proc/self/status',
        'docker run --rm --security-opt seccomp=$d/nosuch $image true',
      ],
    },
    {
      name: 'an unknown --security-opt',
      steps: ['docker create --security-opt nosuch=1 $image true'],
    },
    {
      name: '--sysctl',
      steps: [
        'docker run --rm --sysctl net.ipv4.ip_forward=1 --network none $image cat /proc/sys/net/ipv4/ip_forward',
        'docker run --rm --sysctl kernel.msgmax=4096 $image cat /proc/sys/kernel/msgmax',
        'docker run --rm --sysctl kernel.nosuch=1 $image true',
        'docker run --rm --sysctl vm.swappiness=1 $image true',
      ],
    },
    {
      name: '--userns host',
      steps: [
        'docker run --rm --userns host $image cat /proc/self/uid_map',
        'docker create --userns nosuch $image true',
      ],
    },
    {
      name: '--init',
      steps: [
        sh`docker run --rm --init $image sh -c 'test $$ != 1 && echo another'`,
        "docker run --rm $image sh -c 'echo $$'",
        'docker create --name $c --init $image true',
        "docker inspect -f '{{.HostConfig.Init}}' $c",
      ],
    },
    {
      name: '--init reaps orphans',
      steps: [
        sh`docker run --rm --init $image sh -c '(sleep 0.1 &) ; sleep 0.6; ps -o pid,stat,comm | grep -c " Z "'`,
      ],
    },
    {
      name: '--init forwards signals',
      steps: [
        'docker run -d --init --name $c $image sleep 60',
        sh`start=$(date +%s); docker stop -t 8 $c >/dev/null; test $(($(date +%s) - start)) -lt 6 && echo quick`,
        "docker inspect -f '{{.State.ExitCode}}' $c",
      ],
    },
    {
      name: '--cgroup-parent',
      steps: ['docker create --name $c --cgroup-parent /x $image true', inspect('CgroupParent')],
    },
    {
      name: '--device-cgroup-rule',
      steps: [
        "docker create --name $c --device-cgroup-rule 'c 1:3 rwm' $image true",
        inspect('DeviceCgroupRules'),
        "docker create --device-cgroup-rule 'c 1:3' $image true",
      ],
    },
    {
      name: 'the container has its own namespaces',
      steps: [
        sh`docker run --rm $image sh -c 'for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done' >in; for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done | comm -12 - in`,
      ],
    },
  ],
};

export const HEALTH: Section = {
  title: 'Health checks',
  cases: [
    {
      name: 'a health check that fails',
      steps: [
        'docker run -d --name $c --health-cmd false --health-interval 200ms --health-retries 2 $image sleep 60',
        "sleep 3; docker inspect -f '{{.State.Health.Status}}' $c",
        "docker ps --filter name=$c --filter health=unhealthy --format '{{.Names}}'",
      ],
    },
    {
      name: '--health-cmd',
      steps: [
        'docker run -d --name $c --health-cmd true --health-interval 200ms $image sleep 60',
        "sleep 2; docker inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' $c",
        "docker ps --filter name=$c --filter health=healthy --format '{{.Names}}'",
        "docker inspect -f '{{json .Config.Healthcheck.Test}}' $c",
      ],
    },
    {
      name: '--no-healthcheck',
      steps: [
        'docker create --name $c --no-healthcheck $image true',
        "docker ps -a --filter name=$c --filter health=none --format '{{.Names}}'",
      ],
    },
  ],
};
