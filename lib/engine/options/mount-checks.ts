/** Checks that all kinds of mounts share. */
import { posix } from 'node:path';
import { invalid, plainString } from '../../base/check.js';
import { relativeTo } from '../../program/mount-options.js';
import type { BindPropagation, BindRecursive, VolumeUser } from './mount-types.js';

/** Checks a path inside the container at which something is mounted or made. */
export function checkTarget(option: string, value: unknown): string {
  const text = plainString(option, value);
  if (!text.startsWith('/'))
    throw invalid(option, text, 'is not an absolute path in the container');
  const normal = posix.normalize(text);
  const target = normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
  if (target === '/')
    throw invalid(option, text, 'is the root of the container, which the image provides');
  if (target === '/proc' || target.startsWith('/proc/')) {
    throw invalid(option, text, 'is in /proc, where only the engine mounts');
  }
  return target;
}

export function checkSource(option: string, value: unknown): string {
  const source = plainString(option, value);
  if (!source.startsWith('/')) throw invalid(option, source, 'is not an absolute path on the host');
  return source;
}

/** Which directory a source must not leave; what the names say is checked here, where they lead by the kernel. */
export function checkWithin(option: string, value: unknown, source: string): string {
  const text = plainString(option, value);
  if (!text.startsWith('/')) throw invalid(option, text, 'is not an absolute path on the host');
  const directory = posix.normalize(text).replace(/(?<=.)\/$/, '');
  if (relativeTo(directory, source) === undefined)
    throw invalid(option, source, `is not beneath ${directory}`);
  return directory;
}

/** A path in a volume, without `.` and empty parts. */
export function checkSubpath(option: string, value: unknown): string {
  const text = plainString(option, value);
  if (text.startsWith('/') || text.split('/').includes('..'))
    throw invalid(option, text, 'is not a relative path within the volume');
  const path = posix.normalize(text).replace(/\/$/, '');
  if (path === '' || path === '.') throw invalid(option, value, 'names nothing in the volume');
  return path;
}

export const PROPAGATIONS: ReadonlySet<string> = new Set<BindPropagation>([
  'private',
  'rprivate',
  'shared',
  'rshared',
  'slave',
  'rslave',
]);

/** Read-only binds are so all the way down, as Docker's have been since version 25, unless `writable` says otherwise. */
export function bindOptions(
  recursive: BindRecursive,
  readOnly: boolean,
  propagation: string,
): readonly string[] {
  const below = recursive !== 'disabled';
  const options = [below ? 'rbind' : 'bind', propagation];
  if (readOnly) options.push(...(below && recursive !== 'writable' ? ['ro', 'rro'] : ['ro']));
  return options;
}

const VOLUME_USERS: ReadonlySet<unknown> = new Set<VolumeUser>([
  'host',
  'owner',
  'caller',
  'nobody',
]);

export function checkVolumeUser(option: string, value: unknown): VolumeUser {
  if (!VOLUME_USERS.has(value))
    throw invalid(option, value, 'is not a kind of idmap', [...VOLUME_USERS].join(', '));
  return value as VolumeUser;
}
