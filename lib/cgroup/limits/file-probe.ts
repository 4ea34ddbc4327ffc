/**
 * Which files a container's cgroup will have. A hierarchy's root lacks many of them, so the only way to know is a new
 * directory. Done only if a limit depends on it, once per process and controller.
 */
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises';
import { threadId } from 'node:worker_threads';
import type { LinuxResources } from '../../oci/runtime-spec.js';
import { detectCgroups } from '../detect.js';
import { type CgroupHierarchy, type CgroupLayout, makeLayout } from '../layout.js';

let latest: CgroupLayout | undefined;
/** Probes run one after the other. */
let queue: Promise<void> = Promise.resolve();
/** `<mount point> <controller>` of the completed probes. */
const tried = new Set<string>();

/** The machine's layout, with what `planCgroups` needs to know for these limits. Cached results cost nothing. */
export async function layoutFor(resources: LinuxResources): Promise<CgroupLayout> {
  latest ??= await detectCgroups();
  if (unknownTo(latest, resources).size > 0) {
    queue = queue.then(async () => {
      // An earlier probe in the queue may have found it already.
      for (const [hierarchy, controllers] of unknownTo(await current(), resources)) {
        latest = await probe(await current(), hierarchy, controllers);
      }
    });
    await queue;
  }
  return latest;
}

async function current(): Promise<CgroupLayout> {
  return latest ?? (await detectCgroups());
}

/** The controllers whose files decide about these limits, and are not known yet. */
function unknownTo(
  { controllers, mode }: CgroupLayout,
  resources: LinuxResources,
): Map<CgroupHierarchy, string[]> {
  const { blockIO, hugepageLimits = [], memory, cpu } = resources;
  const names: string[] = [];
  if (blockIO !== undefined) {
    const { weight, leafWeight, weightDevice = [] } = blockIO;
    const weights = weight !== undefined || leafWeight !== undefined || weightDevice.length > 0;
    // v1 shows the throttles at the root; v2 shows nothing there.
    if (mode === 'v2' || weights)
      names.push(controllers.get('blkio')?.version === 1 ? 'blkio' : 'io');
  }
  if (hugepageLimits.length > 0) names.push('hugetlb');
  if (memory !== undefined && controllers.get('memory')?.version === 2) names.push('memory');
  if (cpu !== undefined && controllers.get('cpu')?.version === 2) names.push('cpu');
  const unknown = new Map<CgroupHierarchy, string[]>();
  for (const name of names) {
    const hierarchy = controllers.get(name);
    // The files of a delegated cgroup are known, because it is not a root.
    if (hierarchy === undefined || hierarchy.delegated === true) continue;
    if (tried.has(`${hierarchy.mountPoint} ${name}`)) continue;
    unknown.set(hierarchy, [...(unknown.get(hierarchy) ?? []), name]);
  }
  return unknown;
}

/** A layout that knows more, or the same one where looking is not possible: then the launch meets the error. */
async function probe(
  layout: CgroupLayout,
  { mountPoint, version }: CgroupHierarchy,
  controllers: readonly string[],
): Promise<CgroupLayout> {
  for (const name of controllers) tried.add(`${mountPoint} ${name}`);
  const found = await childFilesOf(mountPoint, version === 2 ? controllers : []).catch(
    () => undefined,
  );
  if (found === undefined) return layout;
  const hierarchies = layout.hierarchies.map((h) => {
    if (h.mountPoint !== mountPoint) return h;
    const probed = new Set([...(h.probed ?? []), ...(version === 2 ? controllers : h.controllers)]);
    return { ...h, probed, childFiles: new Set([...(h.childFiles ?? []), ...found]) };
  });
  return makeLayout(hierarchies, layout.disabled);
}

/** Makes `caisson-probe-<pid>` at the mount point, lists it, and removes it again. */
async function childFilesOf(mountPoint: string, enable: readonly string[]): Promise<string[]> {
  if (enable.length > 0) {
    // As the launch does for its parent: without it a v2 child shows no controller's files.
    const value = enable.map((name) => `+${name}`).join(' ');
    await writeFile(`${mountPoint}/cgroup.subtree_control`, value);
  }
  // Worker threads share the pid. A directory of that name is one that a killed process has left.
  const dir = `${mountPoint}/caisson-probe-${process.pid}${threadId === 0 ? '' : `-${threadId}`}`;
  await mkdir(dir, { recursive: true });
  try {
    return await readdir(dir);
  } finally {
    await rmdir(dir);
  }
}
