/** `--volume`, `--mount` and `--tmpfs`: the user's mounts, checked and brought into one shape. */
import { posix } from 'node:path';
import {
  conflicting,
  invalid,
  isRecordOrList,
  plainString,
  stringList,
  unsupported,
} from '../../base/check.js';
import type { BindPropagation, MountOption, MountOptions, VolumeUser } from './options.js';
import { relativeTo } from '../../program/mount-options.js';
import { tmpfsOptions } from './tmpfs.js';
import { parseSize } from '../../base/units.js';

/** A mount that the user asked for; its options are those of the OCI spec. */
export interface MountConfig {
  readonly type: 'bind' | 'tmpfs';
  /** Absolute path on the host; of a bind only. */
  readonly source?: string;
  /** The source is resolved beneath this directory, which its path begins with. */
  readonly within?: string;
  /** Absolute, normalized, never `/`, never at or below /proc. */
  readonly target: string;
  readonly options: readonly string[];
  /** The user of the host that stands for the container's user there, if one was given. */
  readonly idmap?: VolumeUser | undefined;
  /** The option that it came from, for error texts. */
  readonly from: 'volumes' | 'mounts' | 'tmpfs';
}

const NONE: readonly MountConfig[] = Object.freeze([]);

/** In the order in which they have to be mounted: a parent before what is inside it. */
export function normalizeMounts(options: MountOptions): readonly MountConfig[] {
  const { volumes, mounts, tmpfs, idmap } = options;
  if (idmap !== undefined) checkVolumeUser('idmap', idmap);
  if (volumes === undefined && mounts === undefined && tmpfs === undefined) return NONE;
  const all: MountConfig[] = [];
  if (volumes !== undefined)
    for (const text of stringList('volumes', volumes)) all.push(parseVolume(text));
  if (mounts !== undefined) {
    if (!Array.isArray(mounts)) throw invalid('mounts', mounts, 'is not an array of mounts');
    for (const mount of mounts as readonly MountOption[]) all.push(checkMount(mount));
  }
  if (tmpfs !== undefined) addTmpfs(tmpfs, all);

  if (idmap !== undefined)
    all.forEach((mount, index) => {
      if (mount.type === 'bind') all[index] = { idmap, ...mount };
    });
  const seen = new Set<string>();
  for (const { target, from } of all) {
    if (seen.has(target)) throw conflicting(from, `"${target}" is mounted more than once`);
    seen.add(target);
  }
  return all.length > 1 ? all.sort((a, b) => depth(a.target) - depth(b.target)) : all;
}

function depth(path: string): number {
  return path.split('/').length;
}

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

function checkSource(option: string, value: unknown): string {
  const source = plainString(option, value);
  if (!source.startsWith('/')) throw invalid(option, source, 'is not an absolute path on the host');
  return source;
}

/** Which directory a source must not leave; what the names say is checked here, where they lead by the kernel. */
function checkWithin(option: string, value: unknown, source: string): string {
  const text = plainString(option, value);
  if (!text.startsWith('/')) throw invalid(option, text, 'is not an absolute path on the host');
  const directory = posix.normalize(text).replace(/(?<=.)\/$/, '');
  if (relativeTo(directory, source) === undefined)
    throw invalid(option, source, `is not beneath ${directory}`);
  return directory;
}

const PROPAGATIONS: ReadonlySet<string> = new Set<BindPropagation>([
  'private',
  'rprivate',
  'shared',
  'rshared',
  'slave',
  'rslave',
]);

/** Read-only binds are so all the way down, as Docker's have been since version 25. */
function bindOptions(
  recursive: boolean,
  readOnly: boolean,
  propagation: string,
): readonly string[] {
  const options = [recursive ? 'rbind' : 'bind', propagation];
  if (readOnly) options.push(...(recursive ? ['ro', 'rro'] : ['ro']));
  return options;
}

const VOLUME_USERS: ReadonlySet<unknown> = new Set<VolumeUser>([
  'host',
  'owner',
  'caller',
  'nobody',
]);

function checkVolumeUser(option: string, value: unknown): VolumeUser {
  if (!VOLUME_USERS.has(value))
    throw invalid(option, value, 'is not a kind of idmap', [...VOLUME_USERS].join(', '));
  return value as VolumeUser;
}

/** `source:target[:options]`. */
function parseVolume(text: string): MountConfig {
  const parts = text.split(':');
  const [source = '', target = '', mode] = parts;
  if (parts.length === 1 && text.startsWith('/')) {
    throw unsupported(
      'volumes',
      text,
      'is an anonymous volume, which caisson does not have yet',
      'bind a directory: /on/host:/in/container',
    );
  }
  if (parts.length < 2 || parts.length > 3 || source === '' || target === '') {
    throw invalid('volumes', text, 'is not source:target[:options]');
  }
  if (!source.startsWith('/')) {
    throw /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(source)
      ? unsupported(
          'volumes',
          text,
          'is a named volume, which caisson does not have yet',
          'bind a directory: /on/host:/in/container',
        )
      : invalid('volumes', text, 'does not begin with an absolute path on the host');
  }
  let readOnly: boolean | undefined;
  let recursive: boolean | undefined;
  let propagation: string | undefined;
  let idmap: VolumeUser | undefined;
  let within: string | undefined;
  for (const option of mode?.split(',') ?? []) {
    if ((option === 'ro' || option === 'rw') && readOnly === undefined) readOnly = option === 'ro';
    else if ((option === 'rbind' || option === 'bind') && recursive === undefined)
      recursive = option === 'rbind';
    else if (PROPAGATIONS.has(option) && propagation === undefined) propagation = option;
    else if (option.startsWith('idmap=') && idmap === undefined)
      idmap = checkVolumeUser('volumes', option.slice('idmap='.length));
    else if (option.startsWith('beneath=') && within === undefined)
      within = checkWithin('volumes', option.slice('beneath='.length), source);
    else if (option === 'z' || option === 'Z') {
      throw unsupported(
        'volumes',
        text,
        `asks with "${option}" for its files to be relabelled for SELinux, which caisson does not do`,
        'chcon -R -t container_file_t DIRECTORY, and no "z"',
      );
    } else if (option === 'nocopy' || option === 'volume-nocopy') {
      throw invalid('volumes', text, 'has "nocopy", which is for named volumes only');
    } else
      throw invalid('volumes', text, `has the option "${option}", which is unknown or given twice`);
  }
  return {
    type: 'bind',
    source: checkSource('volumes', source),
    ...(within === undefined ? {} : { within }),
    target: checkTarget('volumes', target),
    options: bindOptions(recursive ?? true, readOnly ?? false, propagation ?? 'rprivate'),
    ...(idmap === undefined ? undefined : { idmap }),
    from: 'volumes',
  };
}

function checkMount(mount: MountOption): MountConfig {
  if (typeof mount !== 'object' || mount === null) throw invalid('mounts', mount, 'is not a mount');
  const target = checkTarget('mounts', mount.target);
  if (mount.type === 'bind') {
    const propagation = mount.bindPropagation ?? 'rprivate';
    if (!PROPAGATIONS.has(propagation))
      throw invalid('mounts', propagation, 'is not a propagation');
    const source = checkSource('mounts', mount.source);
    return {
      type: 'bind',
      source,
      ...(mount.within === undefined
        ? {}
        : { within: checkWithin('mounts', mount.within, source) }),
      target,
      options: bindOptions(mount.bindRecursive ?? true, mount.readOnly ?? false, propagation),
      ...(mount.idmap === undefined
        ? undefined
        : { idmap: checkVolumeUser('mounts', mount.idmap) }),
      from: 'mounts',
    };
  }
  if (mount.type === 'tmpfs') {
    const asked: string[] = [];
    if (mount.tmpfsSize !== undefined) asked.push(`size=${parseSize('mounts', mount.tmpfsSize)}`);
    const mode = mount.tmpfsMode;
    if (mode !== undefined)
      asked.push(`mode=${typeof mode === 'number' ? mode.toString(8) : mode}`);
    if (mount.readOnly === true) asked.push('ro');
    return { type: 'tmpfs', target, options: tmpfsOptions('mounts', asked), from: 'mounts' };
  }
  const type: unknown = (mount as { type?: unknown }).type;
  throw type === 'volume' || type === 'image' || type === 'npipe' || type === 'cluster'
    ? unsupported(
        'mounts',
        type,
        'is a type of mount that caisson does not have yet',
        'bind or tmpfs',
      )
    : invalid('mounts', type, 'is not a type of mount', 'bind or tmpfs');
}

function addTmpfs(tmpfs: NonNullable<MountOptions['tmpfs']>, all: MountConfig[]): void {
  if (!isRecordOrList(tmpfs)) throw invalid('tmpfs', tmpfs, 'is neither a record nor an array');
  const pairs: readonly (readonly [string, string])[] = Array.isArray(tmpfs)
    ? stringList('tmpfs', tmpfs).map((text) => {
        const colon = text.indexOf(':');
        return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
      })
    : Object.entries(tmpfs as Readonly<Record<string, string>>);
  for (const [target, options] of pairs) {
    const asked = plainString('tmpfs', options);
    all.push({
      type: 'tmpfs',
      target: checkTarget('tmpfs', target),
      options: tmpfsOptions('tmpfs', asked === '' ? [] : asked.split(',')),
      from: 'tmpfs',
    });
  }
}
