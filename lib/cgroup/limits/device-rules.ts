/** Which devices a container may use: files in v1, a BPF program in v2. */
import type { LinuxDeviceCgroup } from '../../oci/runtime-spec.js';
import type { Sinks } from './sinks.js';
import { missingController } from './missing.js';
import { invalidOption } from './option-errors.js';

/**
 * v1 takes one rule a write; v2 has no file for devices, only programs (cgroup-v2.rst, "Device controller").
 *
 * @param neededFor the option that is unsafe without a filter; undefined leaves the rules out where nothing can enforce
 *   them.
 */
export function writeDevices(
  sinks: Sinks,
  rules: readonly LinuxDeviceCgroup[],
  neededFor: string | undefined,
): readonly LinuxDeviceCgroup[] | undefined {
  if (rules.length === 0) return undefined;
  const { layout } = sinks;
  const hierarchy = layout.controllers.get('devices');
  if (hierarchy === undefined) {
    if (layout.unified !== undefined) {
      sinks.of(layout.unified);
      return rules;
    }
    if (neededFor === undefined) return undefined;
    throw missingController(layout, neededFor, 'devices');
  }
  const sink = sinks.of(hierarchy);
  for (const rule of rules) {
    const file = rule.allow ? 'devices.allow' : 'devices.deny';
    for (const text of deviceLines(rule)) sink.put('devices', 'devices', file, text);
  }
  return undefined;
}

/** A rule's rights, checked. */
export function rightsOf({ access = 'rwm' }: LinuxDeviceCgroup): string {
  if (!/^[rwm]{1,3}$/.test(access)) {
    throw invalidOption('devices', `access ${JSON.stringify(access)} is not made of r, w and m`);
  }
  return access;
}

/**
 * A rule in the kernel's syntax (cgroup-v1/devices.rst). The kernel takes a leading `a` as all devices with all rights,
 * whatever follows, so a narrower rule for both types becomes two.
 */
function deviceLines(rule: LinuxDeviceCgroup): string[] {
  const { type = 'a', major, minor } = rule;
  const access = rightsOf(rule);
  const number = (value: number | undefined): string =>
    value === undefined || value < 0 ? '*' : String(value);
  const rest = `${number(major)}:${number(minor)} ${access}`;
  if (type !== 'a') return [`${type} ${rest}`];
  const all = rest.startsWith('*:* ') && 'rwm'.split('').every((right) => access.includes(right));
  return all ? ['a'] : [`b ${rest}`, `c ${rest}`];
}
