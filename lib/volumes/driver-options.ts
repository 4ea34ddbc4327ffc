/** Options of Docker's driver `local`: what is mounted in place of a directory of caisson's. */
import { conflicting, invalid, plainString, unsupported } from '../base/check.js';

export interface DriverMount {
  readonly type: 'bind' | 'tmpfs' | 'fs';
  /** Of the file system. */
  readonly fsType: string;
  readonly device: string;
  /** `o`, in its parts. */
  readonly options: readonly string[];
}

/** @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS */
export function checkDriverOptions(
  option: string,
  options: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  driverMount(options, option);
  return options;
}

/** What the options ask for; undefined: a directory of caisson's. */
export function driverMount(
  options: Readonly<Record<string, string>>,
  option = 'driverOptions',
): DriverMount | undefined {
  const names = Object.keys(options);
  if (names.length === 0) return undefined;
  for (const name of names) {
    plainString(`${option}.${name}`, options[name]);
    if (name === 'size')
      throw unsupported(option, `size=${options[name]}`, 'needs a quota of the file system, which caisson does not set', 'type=tmpfs with o=size='); // prettier-ignore
    if (name !== 'type' && name !== 'device' && name !== 'o')
      throw invalid(option, name, 'is not an option of the driver local', 'type, device and o');
  }
  const { type = '', device = '', o = '' } = options;
  for (const [name, value] of [
    ['device', device],
    ['type', type],
  ] as const)
    // prettier-ignore
    if (value === '') throw invalid(option, name, 'is missing: missing required option');
  const parts = o.split(',').filter(Boolean);
  const binds = parts.includes('bind') || parts.includes('rbind');
  if (binds) {
    if (!device.startsWith('/'))
      throw invalid(option, device, 'is not an absolute path on the host, which a bind needs');
    return { type: 'bind', fsType: 'none', device, options: parts };
  }
  if (type === 'none') throw conflicting(option, 'type "none" is for o=bind');
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(type)) throw invalid(option, type, 'is not a type of file system'); // prettier-ignore
  if (type !== 'tmpfs')
    throw unsupported(
      option,
      `type=${type}`,
      'is not supported',
      'mount it on the host, and use o=bind; or type=tmpfs',
    );
  return { type: 'tmpfs', fsType: type, device, options: parts };
}
