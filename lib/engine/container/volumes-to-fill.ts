/**
 * Volumes that get the image's files at the first start of a container (copy-up). Docker copies when it creates the container. Here a volume
 * that is still empty is not mounted for `cp` and `container.files` before that: they see the files that will be copied, and what they write
 * is copied with these.
 */
import { lstatSync, opendirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import type { RootPlan } from '../../program/launch-input.js';
import type { MountConfig } from '../options/mount-config.js';

/**
 * @param mounts all mounts of the container, which was never started
 * @param directoryOf the directory of a volume; undefined: it is none of caisson's
 * @returns their targets
 */
export function volumesToFill(
  root: RootPlan,
  upper: string,
  mounts: readonly MountConfig[],
  directoryOf: (target: string) => string | undefined,
): ReadonlySet<string> {
  const layers = layersOf(root, upper);
  const found = mounts.filter(({ volume, target }) => {
    if (volume === undefined || volume.noCopy === true || volume.subpath !== undefined)
      return false;
    // What is mounted below it needs a mount point in it.
    if (mounts.some((other) => other.target.startsWith(`${target}/`))) return false;
    const directory = directoryOf(target);
    if (directory === undefined || hasEntries(directory) !== false) return false;
    return (
      layers.map((layer) => hasEntriesAt(layer, target)).find((has) => has !== 'unknown') === true
    );
  });
  return new Set(found.map(({ target }) => target));
}

function layersOf(root: RootPlan, upper: string): readonly string[] {
  if (root.kind === 'direct') return [root.path];
  // The image `host` shows its layers elsewhere.
  const isPlain = root.views.length === 1 && root.views[0]?.from === '.';
  return isPlain ? [upper, ...root.lowers] : [];
}

/** False where something else, such as a link or a whiteout, hides what is in the layers below. */
function hasEntriesAt(layer: string, target: string): boolean | 'unknown' {
  let path = layer;
  for (const name of target.split('/').filter((each) => each !== '')) {
    path = join(path, name);
    try {
      if (!lstatSync(path).isDirectory()) return false;
    } catch (error) {
      return isErrno(error, 'ENOENT') ? 'unknown' : false;
    }
  }
  return hasEntries(path) === true ? true : 'unknown';
}

/** Undefined: it cannot be read. Only the first entry is, because there may be very many. */
function hasEntries(path: string): boolean | undefined {
  try {
    const directory = opendirSync(path);
    try {
      return directory.readSync() !== null;
    } finally {
      directory.closeSync();
    }
  } catch {
    return undefined;
  }
}
