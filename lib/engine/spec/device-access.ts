/**
 * What keeps a container from the devices of the host. Where there is a device filter (the devices controller of cgroup v1,
 * a BPF program on v2), that is the first check. The second needs nothing of the machine: a node can be opened only in the
 * tmpfs in which the engine has made the container's devices; its root, its layers and its volumes are mounted `nodev`.
 * docs/security.md, "Protections that depend on the machine", says which of them is where.
 */
import { CaissonError } from '../../base/errors.js';
import type { ContainerConfig } from '../options/config.js';
import type { DeviceConfig } from '../options/devices.js';

/** Whether nodes in the root and in volumes can be opened: then the filter is the only check, or none is wanted. */
export function opensDevices({ privileged, deviceRules }: ContainerConfig): boolean {
  return privileged || deviceRules.length > 0;
}

/**
 * The option for which there must be a device filter, because `nodev` is not enough for it. Undefined: a filter is used where
 * there is one.
 */
export function needsDeviceFilter(config: ContainerConfig): string | undefined {
  if (config.privileged) return undefined;
  if (config.deviceRules.length > 0) return 'deviceCgroupRules';
  if (config.devices.some(isLimited)) return 'devices';
  // It can make nodes, in its own /dev too.
  if (config.userns === 'host') return 'userns';
  // It can mount its root again, without `nodev`.
  return config.capabilities.includes('CAP_SYS_ADMIN') ? 'capAdd' : undefined;
}

/** Only a filter can let a device be read and not be written. */
function isLimited({ access }: DeviceConfig): boolean {
  return !access.includes('r') || !access.includes('w');
}

/**
 * Rootless containers have no filter, because the kernel reserves it for root. They cannot open what this user cannot.
 *
 * @throws ERR_UNSUPPORTED_OPTION for what would be promised in vain
 */
export function checkWithoutFilter({ deviceRules, devices }: ContainerConfig): void {
  const option =
    deviceRules.length > 0 ? 'deviceCgroupRules' : devices.some(isLimited) ? 'devices' : undefined;
  if (option === undefined) return;
  throw new CaissonError(
    'ERR_UNSUPPORTED_OPTION',
    option === 'devices'
      ? 'devices: access other than "rw" or "rwm" needs a device filter, which only root can install'
      : 'deviceCgroupRules: they need a device filter, which only root can install',
    {
      stage: 'config',
      path: option,
      hint: 'run as root, or pass the devices themselves: --device /dev/x',
    },
  );
}
