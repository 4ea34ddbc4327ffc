/** `--device`: nodes of the host, shown in the container. `--device-cgroup-rule`: what it may do with others. */
import type { LinuxDeviceCgroup } from '../../oci/runtime-spec.js';
import { invalid, stringList } from '../../base/check.js';
import { checkTarget } from './mount-checks.js';

export interface DeviceConfig {
  /** Absolute path on the host, below /dev. */
  readonly source: string;
  readonly target: string;
  /** Of `rwm`: read, write, mknod. */
  readonly access: string;
}

const NONE: readonly DeviceConfig[] = Object.freeze([]);
const ACCESS = /^(?!.*(.).*\1)[rwm]{1,3}$/;

/** `/dev/x`, `/dev/x:/dev/y`, `/dev/x:rwm` or `/dev/x:/dev/y:rwm`. */
export function normalizeDevices(value: readonly string[] | undefined): readonly DeviceConfig[] {
  if (value === undefined) return NONE;
  return stringList('devices', value).map((text) => {
    const parts = text.split(':');
    const [source = '', second, third] = parts;
    if (parts.length > 3 || !source.startsWith('/') || source.includes('/../')) {
      throw invalid('devices', text, 'is not /dev/x[:/dev/y][:rwm]');
    }
    const shortForm = parts.length === 2 && second !== undefined && ACCESS.test(second);
    const access = third ?? (shortForm ? second : 'rwm');
    if (!ACCESS.test(access))
      throw invalid('devices', text, 'has permissions that are not of "rwm"');
    const target = checkTarget('devices', second === undefined || shortForm ? source : second);
    if (!target.startsWith('/dev/'))
      throw invalid('devices', text, 'has a target that is not below /dev');
    return { source, target, access };
  });
}

const NO_RULES: readonly LinuxDeviceCgroup[] = Object.freeze([]);
const RULE = /^([abc]) (\d{1,7}|\*):(\d{1,7}|\*) ([rwm]{1,3})$/;

/** `c 10:200 rwm`, `b 8:* r`, `a *:* m`: cgroup-v1/devices.rst. */
export function normalizeDeviceRules(
  value: readonly string[] | undefined,
): readonly LinuxDeviceCgroup[] {
  if (value === undefined) return NO_RULES;
  return stringList('deviceCgroupRules', value).map((text) => {
    const [, type, major, minor, access = ''] = RULE.exec(text) ?? [];
    if (!ACCESS.test(access))
      throw invalid(
        'deviceCgroupRules',
        text,
        'is not TYPE MAJOR:MINOR ACCESS, such as c 10:200 rwm',
      );
    const number = (digits: string | undefined) => (digits === '*' ? undefined : Number(digits));
    return {
      allow: true,
      type: type as LinuxDeviceCgroup['type'],
      major: number(major),
      minor: number(minor),
      access,
    };
  });
}
