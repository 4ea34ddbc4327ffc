/** `create`, and what `run` has with it: Docker's names and meanings, and a few of our own. */
import type { CommandSpec, Flag, UnsupportedFlag } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';
import { ENV_FILE_FLAG } from './common.js';
import { RESOURCE_FLAGS, RESTART_FLAG } from './resources.js';

export const CREATE_FLAGS: readonly Flag[] = [
  HELP_FLAG,
  RESTART_FLAG,
  ENV_FILE_FLAG,
  ...RESOURCE_FLAGS,
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
    completes: ['stdin', 'stdout', 'stderr'],
    repeatable: true,
    help: 'Attach to stdin, stdout or stderr',
  },
  { long: 'cap-add', value: 'list', repeatable: true, option: 'capAdd', help: 'Add capabilities' },
  {
    long: 'cap-drop',
    value: 'list',
    repeatable: true,
    option: 'capDrop',
    help: 'Drop capabilities',
  },
  {
    long: 'cidfile',
    value: 'file',
    completes: 'file',
    help: "Write the container's id to a new file",
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
    long: 'group-add',
    value: 'list',
    repeatable: true,
    option: 'groupAdd',
    help: 'Join further groups',
  },
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
  {
    long: 'label-file',
    value: 'file',
    repeatable: true,
    completes: 'file',
    help: 'Read labels from a file, one a line',
  },
  {
    long: 'log-driver',
    value: 'driver',
    completes: ['json-file', 'none'],
    help: 'Where output is kept: json-file (default) or none',
  },
  {
    long: 'log-opt',
    value: 'list',
    repeatable: true,
    completes: ['max-size=', 'max-file='],
    help: 'How much of it: max-size=10m, max-file=3',
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
    completes: ['none', 'host'],
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
  { long: 'platform', value: 'string', help: 'Must be what this machine is' },
  {
    long: 'privileged',
    option: 'privileged',
    help: "All capabilities and devices, the host's users",
  },
  {
    long: 'pull',
    value: 'when',
    completes: ['missing', 'never'],
    help: 'missing (default) or never',
  },
  { long: 'quiet', short: 'q', help: 'Print nothing about fetching the image' },
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
  {
    long: 'stop-signal',
    value: 'signal',
    option: 'stopSignal',
    help: 'Signal that asks the program to end',
  },
  { long: 'stop-timeout', value: 's', help: 'Seconds that stop waits before it kills' },
  {
    long: 'sysctl',
    value: 'map',
    repeatable: true,
    option: 'sysctls',
    help: 'Kernel parameters of the container',
  },
  { long: 'tmpfs', value: 'list', repeatable: true, option: 'tmpfs', help: 'Mount a tmpfs' },
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
  {
    long: 'userns',
    value: 'string',
    completes: ['auto', 'host'],
    option: 'userns',
    help: 'auto (default) or host',
  },
  {
    long: 'volume',
    short: 'v',
    value: 'list',
    repeatable: true,
    option: 'volumes',
    help: 'Bind a directory or file',
  },
  { long: 'workdir', short: 'w', value: 'string', option: 'workdir', help: 'Working directory' },
  {
    long: 'writable',
    value: 'how',
    completes: ['overlay', 'direct', 'none'],
    help: 'With --rootfs: overlay (default), direct or none',
  },
];

/** Flags of Docker's `run` (version 28) that caisson does not have yet. `true`: takes a value. */
export const UNSUPPORTED_CREATE_FLAGS: readonly UnsupportedFlag[] = [
  ...(
    'annotation blkio-weight-device cgroup-parent cgroupns cpu-count cpu-percent cpu-rt-period ' +
    'cpu-rt-runtime device-cgroup-rule expose gpus health-cmd health-interval health-retries ' +
    'health-start-interval health-start-period health-timeout io-maxbandwidth io-maxiops ip ip6 ipc ' +
    'isolation kernel-memory link link-local-ip mac-address net-alias network-alias pid runtime ' +
    'storage-opt uts volume-driver volumes-from'
  )
    .split(' ')
    .map((long) => ({ long, value: true })),
  { long: 'publish', short: 'p', value: true },
  { long: 'publish-all', short: 'P', value: false },
  { long: 'disable-content-trust', value: false },
  { long: 'no-healthcheck', value: false },
  { long: 'use-api-socket', value: false },
];

export const CREATE: CommandSpec = {
  name: 'create',
  flags: CREATE_FLAGS,
  unsupported: UNSUPPORTED_CREATE_FLAGS,
  endsAtArgument: true,
  args: [1, Infinity],
};
