/** `--device`: nodes of the host, shown in the container. */
import { invalid, stringList } from './check.js';
import { checkTarget } from './mounts.js';

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
