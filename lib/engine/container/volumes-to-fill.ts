/**
 * Volumes that get the image's files at the first start of a container (copy-up). Docker copies when it creates the container. Here a volume
 * that is still empty is not mounted for `cp` and `container.files` before that: they see the files that will be copied, and what they write
 * is copied with these.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
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
    if (directory === undefined || entriesOf(directory) !== 0) return false;
    return layers.some((layer) => (entriesBelow(layer, target) ?? 0) > 0);
  });
  return new Set(found.map(({ target }) => target));
}

function layersOf(root: RootPlan, upper: string): readonly string[] {
  if (root.kind === 'direct') return [root.path];
  // The image `host` shows its layers elsewhere.
  const isPlain = root.views.length === 1 && root.views[0]?.from === '.';
  return isPlain ? [upper, ...root.lowers] : [];
}

/** Undefined: it is no directory, or links lead to it. */
function entriesBelow(layer: string, target: string): number | undefined {
  let path = layer;
  for (const name of target.split('/').filter((each) => each !== '')) {
    path = join(path, name);
    try {
      if (!lstatSync(path).isDirectory()) return undefined;
    } catch {
      return undefined;
    }
  }
  return entriesOf(path);
}

function entriesOf(directory: string): number | undefined {
  try {
    return readdirSync(directory).length;
  } catch {
    return undefined;
  }
}
