/** What the cache of builds occupies, and its removal. */
import { BuildCache } from '../../build/build-cache.js';
import { LiveDigests } from '../../image/content/live-digests.js';
import type { UsageOf } from '../views/usage-of.js';
import { storedSize } from './image-usage.js';
import { collectUnused, type ImagesContext, imageUsers } from './images-context.js';

/** What a build has done, and the next one need not do. */
export interface CachedBuildStep {
  /** Hex digits. */
  readonly key: string;
  /** ISO 8601: when it was done. */
  readonly created: string;
  /** ISO 8601: when a build has used it last. */
  readonly used: string;
  /** Bytes that neither an image nor a container needs, with what steps before it need. */
  readonly size: number;
}

/** What was removed. */
export interface PrunedBuilds {
  /** Keys of steps. */
  readonly removed: readonly string[];
  /** Bytes. */
  readonly freed: number;
}

/** None of it is in use. What images and containers need is not counted. @throws ERR_DAMAGED_STATE */
export function buildCacheUsage({ content, store }: ImagesContext): UsageOf<CachedBuildStep> {
  const { paths } = content;
  const others = new LiveDigests(paths);
  others.add(content.entries().map(({ digest }) => digest));
  others.add(imageUsers(store).map(({ manifest }) => manifest));
  const own = new Map<string, number>();
  const items = new BuildCache(paths.root).steps().map(({ manifest, ...step }): CachedBuildStep => {
    const needed = new LiveDigests(paths);
    needed.add([manifest]);
    let size = 0;
    for (const digest of [...needed].filter((each) => !others.has(each))) {
      if (!own.has(digest)) own.set(digest, storedSize(paths, digest));
      size += own.get(digest) ?? 0;
    }
    return { ...step, size };
  });
  const size = [...own.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { items, active: 0, size, reclaimable: size };
}

/** @param before milliseconds since 1970: steps that a build has used since then stay @throws ERR_STORAGE, ERR_REMOVE_FAILED */
export async function pruneBuildCache(
  context: ImagesContext,
  before = Infinity,
): Promise<PrunedBuilds> {
  const removed = new BuildCache(context.content.paths.root).forget(before);
  if (removed.length === 0) return { removed, freed: 0 };
  const { bytes } = await collectUnused(context);
  return { removed, freed: bytes };
}
