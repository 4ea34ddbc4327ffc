/** What images occupy on the disk: their blobs and their unpacked layers, each of which several images may have. */
import { statSync } from 'node:fs';
import { storedLayerSize } from '../../image/content/collect.js';
import type { LayoutPaths } from '../../image/content/layout-paths.js';
import { LiveDigests } from '../../image/content/live-digests.js';
import type { UsageOf } from '../views/usage-of.js';
import type { ImageInfo } from './image-info.js';
import { imageInfo, readImages } from './image-records.js';
import { type ImagesContext, imageUsers } from './images-context.js';

/** An image, and what it takes. */
export interface ImageUsage {
  /** As `Images.list` has it. */
  readonly image: ImageInfo;
  /** Bytes of all that the image needs: its layers as they are unpacked, and their blobs. */
  readonly size: number;
  /** Bytes of what other images need, too. */
  readonly shared: number;
  /** How many detached containers were made from it. */
  readonly containers: number;
}

/** @throws ERR_DAMAGED_STATE */
export async function imagesUsage(context: ImagesContext): Promise<UsageOf<ImageUsage>> {
  const { content, store } = context;
  const { paths } = content;
  const records = await readImages(paths, content.entries());
  const users = imageUsers(store).map(({ manifest }) => manifest);
  const sizes = new Map<string, number>();
  const owners = new Map<string, number>();
  const needs = records.map(({ entries, digest }) => {
    const needed = new LiveDigests(paths);
    needed.add([digest, ...entries.map((entry) => entry.digest)]);
    for (const each of needed) {
      if (!sizes.has(each)) sizes.set(each, storedSize(paths, each));
      owners.set(each, (owners.get(each) ?? 0) + 1);
    }
    return [...needed];
  });
  const sum = (digests: Iterable<string>): number =>
    [...digests].reduce((bytes, digest) => bytes + (sizes.get(digest) ?? 0), 0);
  const items = records.map((record, index): ImageUsage => {
    const needed = needs[index] ?? [];
    const manifests = new Set([record.digest, ...record.entries.map(({ digest }) => digest)]);
    return {
      image: imageInfo(paths, record),
      size: sum(needed),
      shared: sum(needed.filter((digest) => (owners.get(digest) ?? 0) > 1)),
      containers: users.filter((manifest) => manifests.has(manifest)).length,
    };
  });
  const kept = new Set(needs.filter((_, index) => items[index]?.containers !== 0).flat());
  const size = sum(sizes.keys());
  const active = items.filter(({ containers }) => containers > 0).length;
  return { items, active, size, reclaimable: size - sum(kept) };
}

/** Of the blob with that digest, and of the layer with that diff id or chain id: of what is there. */
export function storedSize(paths: LayoutPaths, digest: string): number {
  const blob = statSync(paths.blob(digest), { throwIfNoEntry: false })?.size ?? 0;
  return blob + (storedLayerSize(paths.layer(digest)) ?? 0);
}
