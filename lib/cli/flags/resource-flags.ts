/** Limits of a new container, which `update` can change later. */
import type { Flag } from '../args/command-spec.js';
import { count, cpus, integer, size, sizeOrNone } from '../args/flag-values.js';

export const RESTART_FLAG: Flag = {
  long: 'restart',
  value: 'policy',
  completes: ['no', 'on-failure', 'always', 'unless-stopped'],
  help: 'Restart policy: no (default), on-failure[:n], always, unless-stopped',
};

export const RESOURCE_FLAGS: readonly Flag[] = [
  {
    long: 'blkio-weight',
    check: count,
    value: 'n',
    option: 'blkioWeight',
    help: 'Share of block I/O, 10 to 1000',
  },
  {
    long: 'cpu-period',
    check: integer,
    value: 'µs',
    option: 'cpuPeriod',
    help: 'Period of the CPU quota',
  },
  {
    long: 'cpu-quota',
    check: integer,
    value: 'µs',
    option: 'cpuQuota',
    help: 'CPU time in each period',
  },
  {
    long: 'cpu-shares',
    check: integer,
    short: 'c',
    value: 'n',
    option: 'cpuShares',
    help: 'Share of CPU time, 2 to 262144',
  },
  { long: 'cpus', check: cpus, value: 'n', option: 'cpus', help: 'Number of CPUs, such as 0.5' },
  { long: 'cpuset-cpus', value: 'list', option: 'cpusetCpus', help: 'CPUs to run on (0-3, 0,1)' },
  {
    long: 'cpuset-mems',
    value: 'list',
    option: 'cpusetMems',
    help: 'Memory nodes to use (0-3, 0,1)',
  },
  {
    long: 'memory',
    check: size('memory'),
    short: 'm',
    value: 'bytes',
    option: 'memory',
    help: 'Memory limit',
  },
  {
    long: 'memory-reservation',
    check: size('memoryReservation'),
    value: 'bytes',
    option: 'memoryReservation',
    help: 'Soft memory limit',
  },
  {
    long: 'memory-swap',
    check: sizeOrNone('memorySwap'),
    value: 'bytes',
    option: 'memorySwap',
    help: 'Memory and swap together; -1: no limit',
  },
  {
    long: 'pids-limit',
    check: integer,
    value: 'n',
    option: 'pidsLimit',
    help: 'Processes and threads (default 2048); -1: no limit',
  },
];
