/** The flags of `caisson run`: Docker's names and meanings, and a few of our own. */
import type { RunOptions } from '../engine/options.js';

export interface Flag {
  readonly long: string;
  readonly short?: string;
  /** Other spellings that Docker knows but does not show. */
  readonly aliases?: readonly string[];
  /** What stands for the value in the help. Missing: a switch. */
  readonly value?: string;
  readonly repeatable?: boolean;
  readonly help: string;
  /** The library's option that the value becomes; error texts are translated back with it. */
  readonly option?: keyof RunOptions;
}

export const RUN_FLAGS: readonly Flag[] = [
  {
    long: 'add-host',
    value: 'list',
    repeatable: true,
    option: 'addHost',
    help: 'Add a line to /etc/hosts (name:ip)',
  },
  {
    long: 'attach',
    short: 'a',
    value: 'list',
    repeatable: true,
    help: 'Attach to stdin, stdout or stderr',
  },
  {
    long: 'blkio-weight',
    value: 'n',
    option: 'blkioWeight',
    help: 'Share of block I/O, 10 to 1000',
  },
  { long: 'cap-add', value: 'list', repeatable: true, option: 'capAdd', help: 'Add capabilities' },
  {
    long: 'cap-drop',
    value: 'list',
    repeatable: true,
    option: 'capDrop',
    help: 'Drop capabilities',
  },
  { long: 'cidfile', value: 'file', help: "Write the container's id to a new file" },
  { long: 'cpu-period', value: 'µs', option: 'cpuPeriod', help: 'Period of the cpu quota' },
  { long: 'cpu-quota', value: 'µs', option: 'cpuQuota', help: 'Cpu time in each period' },
  {
    long: 'cpu-shares',
    short: 'c',
    value: 'n',
    option: 'cpuShares',
    help: 'Share of cpu time, 2 to 262144',
  },
  { long: 'cpus', value: 'n', option: 'cpus', help: 'Number of cpus, such as 0.5' },
  { long: 'cpuset-cpus', value: 'list', option: 'cpusetCpus', help: 'Cpus to run on (0-3, 0,1)' },
  {
    long: 'cpuset-mems',
    value: 'list',
    option: 'cpusetMems',
    help: 'Memory nodes to use (0-3, 0,1)',
  },
  {
    long: 'device',
    value: 'list',
    repeatable: true,
    option: 'devices',
    help: 'Show a device of the host',
  },
  {
    long: 'device-read-bps',
    value: 'list',
    repeatable: true,
    option: 'deviceReadBps',
    help: 'Limit reading from a device (/dev/sda:1m)',
  },
  {
    long: 'device-read-iops',
    value: 'list',
    repeatable: true,
    option: 'deviceReadIops',
    help: 'Limit reads a second from a device',
  },
  {
    long: 'device-write-bps',
    value: 'list',
    repeatable: true,
    option: 'deviceWriteBps',
    help: 'Limit writing to a device (/dev/sda:1m)',
  },
  {
    long: 'device-write-iops',
    value: 'list',
    repeatable: true,
    option: 'deviceWriteIops',
    help: 'Limit writes a second to a device',
  },
  { long: 'dns', value: 'list', repeatable: true, option: 'dns', help: 'Name servers' },
  {
    long: 'dns-option',
    aliases: ['dns-opt'],
    value: 'list',
    repeatable: true,
    option: 'dnsOption',
    help: 'Options of resolv.conf',
  },
  {
    long: 'dns-search',
    value: 'list',
    repeatable: true,
    option: 'dnsSearch',
    help: 'Search domains',
  },
  { long: 'domainname', value: 'string', option: 'domainname', help: 'NIS domain name' },
  {
    long: 'entrypoint',
    value: 'string',
    option: 'entrypoint',
    help: "Replace the image's entrypoint",
  },
  {
    long: 'env',
    short: 'e',
    value: 'list',
    repeatable: true,
    option: 'env',
    help: 'Set environment variables',
  },
  {
    long: 'env-file',
    value: 'list',
    repeatable: true,
    help: 'Read environment variables from a file',
  },
  {
    long: 'group-add',
    value: 'list',
    repeatable: true,
    option: 'groupAdd',
    help: 'Join further groups',
  },
  { long: 'help', help: 'Print this help' },
  {
    long: 'hostname',
    short: 'h',
    value: 'string',
    option: 'hostname',
    help: 'Host name of the container',
  },
  { long: 'init', option: 'init', help: 'Run an init that reaps and forwards signals' },
  { long: 'interactive', short: 'i', help: 'Keep stdin open' },
  {
    long: 'label',
    short: 'l',
    value: 'list',
    repeatable: true,
    option: 'labels',
    help: 'Set metadata',
  },
  { long: 'memory', short: 'm', value: 'bytes', option: 'memory', help: 'Memory limit' },
  {
    long: 'memory-reservation',
    value: 'bytes',
    option: 'memoryReservation',
    help: 'Soft memory limit',
  },
  {
    long: 'memory-swap',
    value: 'bytes',
    option: 'memorySwap',
    help: 'Memory and swap together; -1: no limit',
  },
  {
    long: 'memory-swappiness',
    value: 'n',
    option: 'memorySwappiness',
    help: 'Readiness to swap, 0 to 100',
  },
  {
    long: 'mount',
    value: 'mount',
    repeatable: true,
    option: 'mounts',
    help: 'Mount (type=bind|tmpfs,source=…,target=…)',
  },
  { long: 'name', value: 'string', option: 'name', help: 'Name of the container' },
  {
    long: 'network',
    aliases: ['net'],
    value: 'network',
    option: 'network',
    help: 'none (default) or host',
  },
  {
    long: 'oom-kill-disable',
    option: 'oomKillDisable',
    help: 'Let processes wait instead of killing them',
  },
  {
    long: 'oom-score-adj',
    value: 'n',
    option: 'oomScoreAdj',
    help: 'Preference of the OOM killer, -1000 to 1000',
  },
  {
    long: 'pids-limit',
    value: 'n',
    option: 'pidsLimit',
    help: 'Number of processes; -1: no limit',
  },
  {
    long: 'privileged',
    option: 'privileged',
    help: "All capabilities and devices, the host's users",
  },
  { long: 'read-only', option: 'readOnly', help: 'Mount the root read-only' },
  { long: 'rm', help: 'Remove the container when it exits' },
  { long: 'rootfs', help: 'The first argument is a directory, not an image' },
  {
    long: 'security-opt',
    value: 'list',
    repeatable: true,
    option: 'securityOpt',
    help: 'Security options',
  },
  { long: 'shm-size', value: 'bytes', option: 'shmSize', help: 'Size of /dev/shm' },
  { long: 'sig-proxy', help: 'Pass signals on to the container (default true)' },
  {
    long: 'sysctl',
    value: 'map',
    repeatable: true,
    option: 'sysctls',
    help: 'Kernel parameters of the container',
  },
  { long: 'tmpfs', value: 'list', repeatable: true, option: 'tmpfs', help: 'Mount a tmpfs' },
  { long: 'trace', help: 'Draw the timeline of the start on stderr' },
  { long: 'tty', short: 't', option: 'tty', help: 'Give the container a terminal' },
  {
    long: 'ulimit',
    value: 'list',
    repeatable: true,
    option: 'ulimits',
    help: 'Resource limits (nofile=1024:2048)',
  },
  {
    long: 'user',
    short: 'u',
    value: 'string',
    option: 'user',
    help: 'User (name|uid[:group|gid])',
  },
  { long: 'userns', value: 'string', option: 'userns', help: 'auto (default) or host' },
  {
    long: 'volume',
    short: 'v',
    value: 'list',
    repeatable: true,
    option: 'volumes',
    help: 'Bind a directory or file',
  },
  { long: 'workdir', short: 'w', value: 'string', option: 'workdir', help: 'Working directory' },
  { long: 'writable', value: 'how', help: 'With --rootfs: overlay (default), direct or none' },
];

/** Flags of Docker's `run` (version 28) that caisson does not have yet. `true`: takes a value. */
export const UNSUPPORTED_RUN_FLAGS: readonly {
  readonly long: string;
  readonly short?: string;
  readonly value: boolean;
}[] = [
  ...(
    'annotation blkio-weight-device cgroup-parent cgroupns cpu-count cpu-percent cpu-rt-period cpu-rt-runtime ' +
    'detach-keys device-cgroup-rule expose gpus health-cmd health-interval health-retries health-start-interval ' +
    'health-start-period health-timeout io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label-file ' +
    'link link-local-ip log-driver log-opt mac-address net-alias network-alias pid platform pull restart runtime ' +
    'stop-signal stop-timeout storage-opt uts volume-driver volumes-from'
  )
    .split(' ')
    .map((long) => ({ long, value: true })),
  { long: 'publish', short: 'p', value: true },
  { long: 'detach', short: 'd', value: false },
  { long: 'publish-all', short: 'P', value: false },
  { long: 'quiet', short: 'q', value: false },
  { long: 'disable-content-trust', value: false },
  { long: 'no-healthcheck', value: false },
  { long: 'use-api-socket', value: false },
];

export const GLOBAL_FLAGS: readonly Flag[] = [
  { long: 'data-root', value: 'dir', help: 'Where containers and images are kept' },
  { long: 'run-root', value: 'dir', help: 'Where the state of running containers is kept' },
  { long: 'help', short: 'h', help: 'Print this help' },
  { long: 'version', short: 'v', help: 'Print the version' },
];
