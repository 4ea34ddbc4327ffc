/** Mount options of the OCI spec (config.md, "Linux mount options") as the new mount API takes them. */

/** linux/mount.h, MOUNT_ATTR_*. */
export const ATTR = {
  readOnly: 0x1,
  noSuid: 0x2,
  noDev: 0x4,
  noExec: 0x8,
  noAtime: 0x10,
  strictAtime: 0x20,
  noDirAtime: 0x80,
  noSymFollow: 0x20_0000,
} as const;

/** linux/mount.h, MS_*: how mount events travel. */
export const PROPAGATION = {
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;

const ATTRIBUTES: Readonly<Record<string, number>> = {
  ro: ATTR.readOnly,
  rro: ATTR.readOnly,
  nosuid: ATTR.noSuid,
  rnosuid: ATTR.noSuid,
  nodev: ATTR.noDev,
  rnodev: ATTR.noDev,
  noexec: ATTR.noExec,
  rnoexec: ATTR.noExec,
  noatime: ATTR.noAtime,
  rnoatime: ATTR.noAtime,
  strictatime: ATTR.strictAtime,
  nodiratime: ATTR.noDirAtime,
  nosymfollow: ATTR.noSymFollow,
};

const IGNORED: ReadonlySet<string> = new Set([
  'defaults',
  'rw',
  'suid',
  'dev',
  'exec',
  'atime',
  'diratime',
  'relatime',
  'newinstance', // every devpts is one since Linux 4.7
]);

export interface MountOptions {
  /** MOUNT_ATTR_* bits. */
  readonly attributes: number;
  /** MS_* bit; private by default, as in Docker. */
  readonly propagation: number;
  readonly recursive: boolean;
  readonly idmapped: boolean;
  /** For a bind mount: the directory beneath which its source is resolved. Only caisson has this option. */
  readonly beneath: string | undefined;
  /** For a bind mount: a directory that is empty gets what the root has at its target. Only caisson has this option, too. */
  readonly copyUp: boolean;
  /** The options of the filesystem: "key=value,flag". */
  readonly data: string;
}

const parsed = new WeakMap<readonly string[], MountOptions>();

export function parseMountOptions(options: readonly string[] = []): MountOptions {
  let result = parsed.get(options);
  if (result === undefined) {
    result = parse(options);
    parsed.set(options, result);
  }
  return result;
}

function parse(options: readonly string[]): MountOptions {
  let attributes = 0;
  let propagation: number = PROPAGATION.private;
  let recursive = false;
  let idmapped = false;
  let beneath: string | undefined;
  let copyUp = false;
  const data: string[] = [];
  for (const option of options) {
    const attribute = ATTRIBUTES[option];
    const way = PROPAGATION[(option.startsWith('r') ? option.slice(1) : option) as 'private'];
    if (attribute !== undefined) attributes |= attribute;
    else if ((way as number | undefined) !== undefined) propagation = way;
    else if (option === 'bind') recursive = false;
    else if (option === 'rbind') recursive = true;
    else if (option === 'idmap' || option === 'ridmap') idmapped = true;
    else if (option.startsWith('beneath=')) beneath = option.slice('beneath='.length);
    else if (option === 'copy-up') copyUp = true;
    else if (!IGNORED.has(option)) data.push(option);
  }
  return { attributes, propagation, recursive, idmapped, beneath, copyUp, data: data.join(',') };
}

/**
 * Those attributes of a bind that its tree has from the beginning. It becomes read-only when it is attached if it has to be filled
 * before, or if what is mounted below its source stays writable: `ro` without `rro`.
 */
export function attributesOfTree(options: readonly string[] = []): number {
  const { attributes, recursive, copyUp } = parseMountOptions(options);
  const later = copyUp || (recursive && !options.includes('rro'));
  return later ? attributes & ~ATTR.readOnly : attributes;
}

/** `uid=` and `gid=` of a tmpfs, which are ids of the container, and its other options. */
export function tmpfsOwner(data: string): {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly rest: readonly string[];
} {
  let uid: number | undefined;
  let gid: number | undefined;
  const rest: string[] = [];
  for (const option of data === '' ? [] : data.split(',')) {
    const [name, value] = option.split('=', 2);
    if (name === 'uid') uid = Number(value);
    else if (name === 'gid') gid = Number(value);
    else rest.push(option);
  }
  return { uid, gid, rest };
}

/** The path relative to a directory, `.` for the directory itself; undefined if it is not below it, or has `..`. */
export function relativeTo(directory: string, path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const above = directory.split('/').filter(Boolean);
  if (parts.includes('..') || above.some((part, index) => parts[index] !== part)) return undefined;
  return parts.slice(above.length).join('/') || '.';
}
