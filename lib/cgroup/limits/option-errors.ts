/** The names of limits in errors, and the error of a value that no machine accepts. */
import { CaissonError } from '../../base/errors.js';

/** Docker's words for the limits of the runtime spec, for error texts. */
const flags: Readonly<Record<string, string>> = {
  'memory.limit': '--memory',
  'memory.reservation': '--memory-reservation',
  'memory.swap': '--memory-swap',
  'memory.swappiness': '--memory-swappiness',
  'memory.disableOOMKiller': '--oom-kill-disable',
  'cpu.shares': '--cpu-shares',
  'cpu.quota': '--cpus, --cpu-quota',
  'cpu.period': '--cpu-period',
  'cpu.realtimeRuntime': '--cpu-rt-runtime',
  'cpu.realtimePeriod': '--cpu-rt-period',
  'cpu.cpus': '--cpuset-cpus',
  'cpu.mems': '--cpuset-mems',
  'pids.limit': '--pids-limit',
  'blockIO.weight': '--blkio-weight',
  'blockIO.weightDevice': '--blkio-weight-device',
  'blockIO.throttleReadBpsDevice': '--device-read-bps',
  'blockIO.throttleWriteBpsDevice': '--device-write-bps',
  'blockIO.throttleReadIOPSDevice': '--device-read-iops',
  'blockIO.throttleWriteIOPSDevice': '--device-write-iops',
  devices: '--device',
  deviceCgroupRules: '--device-cgroup-rule',
  userns: '--userns host',
  capAdd: '--cap-add SYS_ADMIN',
  cgroupParent: '--cgroup-parent',
};

/** An option by its spec name and, where there is one, Docker's: `memory.limit (--memory)`. */
export function optionName(option: string): string {
  const flag = flags[option] ?? (option.startsWith('unified.') ? '--cgroup-conf' : undefined);
  return flag === undefined ? option : `${option} (${flag})`;
}

export function invalidOption(option: string, message: string, hint?: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `${optionName(option)}: ${message}`, {
    stage: 'config',
    path: option,
    hint,
  });
}
