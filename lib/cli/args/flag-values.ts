/**
 * Values that Docker's client parses itself: a wrong one is an error of the command line for all commands, before any
 * engine is involved. A check answers why a value is malformed, or throws. The engine decides whether it can apply it.
 */
import { readFileSync } from 'node:fs';
import { invalid, unsupported, wholeNumber } from '../../base/check.js';
import { normalizeDeviceRules, normalizeDevices } from '../../engine/options/devices.js';
import { joinedContainer, normalizeNamespaces } from '../../engine/options/namespace-options.js';
import { normalizeExpose, normalizePorts } from '../../engine/options/ports.js';
import { normalizeNames } from '../../engine/options/names.js';
import { normalizeSysctls } from '../../engine/options/sysctls.js';
import { normalizeUlimits } from '../../engine/options/ulimits.js';
import { parseNetworkFlag } from './network-flag.js';
import { parseCpus, parseRate, parseSize } from '../../base/units.js';

export type ValueCheck = (value: string) => string | undefined;

/** A check by the library's parser of the option. */
function readAs(read: (value: string) => unknown): ValueCheck {
  return (value) => {
    read(value);
    return undefined;
  };
}

/** The range of Go's int64, as far as a number holds it without loss. */
export const integer: ValueCheck = (value) =>
  /^[+-]?\d{1,15}$/.test(value) ? undefined : 'not a whole number';

export const count: ValueCheck = (value) =>
  /^\d{1,15}$/.test(value) ? undefined : 'not a whole number from 0';

export const nameAndValue: ValueCheck = (value) =>
  value === '' || value.includes('=') ? undefined : 'bad format of filter (expected name=value)';

export const assignment: ValueCheck = (value) =>
  value.startsWith('=') ? `${JSON.stringify(value)} has no name` : undefined;

export const label: ValueCheck = (value) =>
  value === '' ? `${JSON.stringify(value)} has no name` : assignment(value);

export const size = (option: string): ValueCheck => readAs((value) => parseSize(option, value));

/** -1: no limit. */
export const sizeOrNone = (option: string): ValueCheck =>
  readAs((value) => (value === '-1' ? undefined : parseSize(option, value)));

/** Negative numbers have the right form, too. */
export const cpus: ValueCheck = readAs((value) => parseCpus('cpus', value.replace(/^-/, '')));

export const swappiness: ValueCheck = readAs((value) =>
  wholeNumber('memorySwappiness', value, -1, 100),
);

export const rate = (option: string, kind: 'bps' | 'iops'): ValueCheck =>
  readAs((value) => parseRate(option, value, kind));

export const device: ValueCheck = readAs((value) => normalizeDevices([value]));

export const deviceRule: ValueCheck = readAs((value) => normalizeDeviceRules([value]));

export const network: ValueCheck = readAs(parseNetworkFlag);

export const publish: ValueCheck = readAs((value) => normalizePorts([value]));

export const expose: ValueCheck = readAs((value) => normalizeExpose([value]));

export const ulimit: ValueCheck = readAs((value) => normalizeUlimits([value]));

/** The engine checks the names of the options. */
export const storageOption: ValueCheck = (value) =>
  value.includes('=') ? undefined : 'invalid storage option';

export const sysctl: ValueCheck = readAs((value) => normalizeSysctls([value], 'none'));

export const names = (option: 'addHost' | 'dns' | 'dnsSearch'): ValueCheck =>
  readAs((value) => normalizeNames({ [option]: [value] }));

export const userNamespace: ValueCheck = readAs((value) => {
  if (value !== 'auto' && value !== 'host' && joinedContainer('userns', value) === undefined)
    throw unsupported('userns', value, 'is not supported', 'auto, host or container:NAME_OR_ID');
});

export const namespace = (option: 'pid' | 'uts' | 'cgroupns'): ValueCheck =>
  readAs((value) => normalizeNamespaces({ [option]: value }));

/** The engine checks the names of the policies. */
export const volumeDriver: ValueCheck = (value) => {
  if (value !== 'local') throw unsupported('volume-driver', value, 'is not supported', 'local');
  return undefined;
};

export const restartPolicy: ValueCheck = (value) =>
  /^[^:]*(?::[+-]?\d+)?$/.test(value) ? undefined : 'the maximum retry count is no whole number';

/** Only the form of the options, and the seccomp profile, which the command line reads. */
export const securityOption: ValueCheck = readAs((value) => {
  const [, name, setting] = /^([^=:]*)(?:[=:](.*))?$/s.exec(value) ?? [];
  if (name === 'no-new-privileges' || name === 'writable-cgroups') return;
  if (setting === undefined || setting === '')
    throw invalid('securityOpt', value, 'is not NAME=value');
  if (name !== 'seccomp' || setting === 'unconfined' || setting === 'builtin') return;
  try {
    JSON.parse(readFileSync(setting, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalid(
      'securityOpt',
      setting,
      code === undefined ? 'is not JSON' : `cannot be read: ${code}`,
    );
  }
});
