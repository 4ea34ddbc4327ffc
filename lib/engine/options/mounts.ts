/** `volumes`, `mounts` and `tmpfs`: the mounts of a container, checked and brought into one shape. */
import { conflicting, invalid, isRecordOrList, plainString, stringList } from '../../base/check.js';
import { checkTarget, checkVolumeUser } from './mount-checks.js';
import { type MountConfig, volumeMount } from './mount-config.js';
import { checkMount } from './mount-option.js';
import type { MountOption } from './mount-types.js';
import type { MountOptions } from './options.js';
import { tmpfsOptions } from './tmpfs.js';
import { parseVolumeText } from './volume-text.js';

const NONE: readonly MountConfig[] = Object.freeze([]);

/** In the order in which they have to be mounted: a parent before what is inside it. */
export function normalizeMounts(options: MountOptions): readonly MountConfig[] {
  const { volumes, mounts, tmpfs, idmap } = options;
  if (idmap !== undefined) checkVolumeUser('idmap', idmap);
  if (volumes === undefined && mounts === undefined && tmpfs === undefined) return NONE;
  const all: MountConfig[] = [];
  if (volumes !== undefined)
    for (const text of stringList('volumes', volumes)) all.push(parseVolumeText(text));
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
    if (seen.has(target))
      throw conflicting(from, `"${target}" is mounted more than once (duplicate mount point)`);
    seen.add(target);
  }
  return inOrder(all);
}

export function inOrder(mounts: MountConfig[]): readonly MountConfig[] {
  return mounts.length > 1 ? mounts.sort((a, b) => depth(a.target) - depth(b.target)) : mounts;
}

function depth(path: string): number {
  return path.split('/').length;
}

/**
 * The volumes that an image declares (VOLUME), as anonymous ones, where nothing else is mounted.
 *
 * @param paths absolute, in the container
 */
export function withImageVolumes(
  mounts: readonly MountConfig[],
  paths: readonly string[] = [],
): readonly MountConfig[] {
  const more = anonymousVolumesOf(paths, mounts);
  return more.length === 0 ? mounts : inOrder([...mounts, ...more]);
}

/** Those of them that are needed: Docker gives a container no volume where another mount is. */
export function anonymousVolumesOf(
  paths: readonly string[],
  mounts: readonly MountConfig[],
): MountConfig[] {
  const taken = new Set(mounts.map(({ target }) => target));
  const volumes: MountConfig[] = [];
  for (const path of paths) {
    const target = checkTarget('image', path);
    if (taken.has(target)) continue;
    taken.add(target);
    volumes.push(volumeMount('image', target, {}, false));
  }
  return volumes;
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
