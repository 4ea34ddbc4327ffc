/**
 * A directory that a layer uses and does not contain has the attributes of the one below it. Where those are not what it
 * was unpacked with, the layer is unpacked once more for this chain of layers (decision 0026).
 */
import { lstatSync } from 'node:fs';
import type { IdRun, UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { pathBytes } from './archive-report.js';
import type { GivenDirectory } from './directory-archive.js';
import type { UnpackedLayer } from './unpack-layer.js';

/** What an implied directory is unpacked with. */
const USUAL = { mode: 0o755, uid: 0, gid: 0 } as const;

/**
 * The implied directories of the layer that have other attributes below it.
 *
 * @param below the layers below, from the lowest to the one next to it
 * @param users of a rootless user
 * @returns none: the layer can be used as it is; otherwise for `UnpackOptions.directories`
 */
export function differentBelow(
  layer: UnpackedLayer,
  below: readonly UnpackedLayer[],
  users?: UserNamespaceIds,
): GivenDirectory[] {
  const different: GivenDirectory[] = [];
  for (const path of layer.implied) {
    const bytes = path === '.' ? Buffer.alloc(0) : pathBytes(path);
    const found = findBelow(bytes, below, users);
    if (found === undefined) continue;
    if (found.mode === USUAL.mode && found.uid === USUAL.uid && found.gid === USUAL.gid) continue;
    different.push({ ...found, path: pathBytes(path) });
  }
  return different;
}

/** Of the uppermost layer that contains it itself. */
function findBelow(
  path: Buffer,
  below: readonly UnpackedLayer[],
  users: UserNamespaceIds | undefined,
): Omit<GivenDirectory, 'path'> | undefined {
  for (const layer of [...below].reverse()) {
    const root = Buffer.from(`${layer.path}/root`);
    const state = stateOf(root, path);
    if (state === 'hidden') return undefined;
    if (state === 'missing' || layer.implied.some((one) => same(one, path))) continue;
    return {
      mode: Number(state.mode & 0o7777n),
      uid: insideOf(users?.uids, Number(state.uid)),
      gid: insideOf(users?.gids, Number(state.gid)),
      modified: state.mtimeNs,
    };
  }
  return undefined;
}

const same = (implied: string, path: Buffer): boolean =>
  implied === '.' ? path.length === 0 : pathBytes(implied).equals(path);

/** Component by component: a link, a file or a whiteout hides what is below it. */
function stateOf(root: Buffer, path: Buffer) {
  let stats = lstatSync(root, { bigint: true });
  for (let end = 0; end < path.length;) {
    const next = path.indexOf('/', end + 1);
    end = next < 0 ? path.length : next;
    const part = Buffer.concat([root, Buffer.from('/'), path.subarray(0, end)]);
    const found = lstatSync(part, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return 'missing';
    if (!found.isDirectory()) return 'hidden';
    stats = found;
  }
  return stats;
}

/** The id in the user namespace of the user's containers. */
function insideOf(runs: readonly IdRun[] | undefined, id: number): number {
  if (runs === undefined) return id;
  const run = runs.find(({ outside, count }) => id >= outside && id < outside + count);
  return run === undefined ? 0 : run.inside + id - run.outside;
}
