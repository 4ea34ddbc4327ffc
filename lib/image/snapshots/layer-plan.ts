/** From the layers of an image, as they are unpacked, to a root. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { isErrno } from '../../base/errno.js';
import type { RootPlan } from '../../program/launch-input.js';
import type { LayoutPaths } from '../content/layout-paths.js';
import { chainIds } from '../content/references.js';
import { tooManyLayers } from '../image-config.js';
import { MOST_LAYERS } from '../manifest.js';

/** The tree below the directory of a layer. */
const ROOT = 'root';

/**
 * @param diffIds the lowest layer first
 * @param name of the image, for errors
 * @throws ERR_INVALID_IMAGE for too many layers, and for one that is not unpacked
 */
export async function planLayers(
  paths: LayoutPaths,
  diffIds: readonly string[],
  name: string,
): Promise<RootPlan> {
  const chain = chainIds(diffIds);
  const found = await Promise.all(
    diffIds.map((diffId, index) => directoriesOf(paths, diffId, chain[index] ?? diffId, name)),
  );
  const lowers = withoutRepeats(found.reverse().flat());
  if (lowers.length > MOST_LAYERS) throw tooManyLayers(name, lowers.length);
  return {
    kind: 'overlay',
    lowers: lowers.length === 0 ? [await emptyLayer(paths)] : lowers,
    views: [{ from: '.', to: '/' }],
    readOnly: false,
    base: paths.layers,
    fixed: true,
  };
}

/**
 * Overlay refuses a directory that is a lower twice. What the upper one of the two has, it has in place of all that is below it,
 * so that the lower one changes nothing.
 *
 * @param directories the top one first
 */
export function withoutRepeats(directories: readonly string[]): readonly string[] {
  return [...new Set(directories)];
}

/** What the layer has for this chain of layers only, if anything, above what all chains share (decision 0026). */
async function directoriesOf(
  paths: LayoutPaths,
  diffId: string,
  chainId: string,
  name: string,
): Promise<readonly string[]> {
  const directories = [...new Set([chainId, diffId])].map((id) => join(paths.layer(id), ROOT));
  const there = await Promise.all(directories.map(isDirectory));
  const found = directories.filter((_, index) => there[index]);
  if (found.length > 0) return found;
  throw new CaissonError(
    'ERR_INVALID_IMAGE',
    `the layer ${diffId} of the image ${name} is not unpacked`,
    { stage: 'image', path: name, hint: 'pull or load the image again' },
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Of an image without layers (`FROM scratch`): overlay wants one. */
async function emptyLayer(paths: LayoutPaths): Promise<string> {
  const path = join(paths.root, 'empty');
  await mkdir(path, { recursive: true, mode: 0o755 });
  return path;
}
