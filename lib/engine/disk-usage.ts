/** `Engine.usage`: what is on the disk, and what of it is not in use. */
import { volumesContext } from './container/volumes-context-of.js';
import type { ContainerContext } from './container/container-context.js';
import { listContainers } from './container/list-containers.js';
import { buildCacheUsage, type CachedBuildStep } from './images/build-cache-usage.js';
import { type ImageUsage, imagesUsage } from './images/image-usage.js';
import { imagesContext } from './images/images-context.js';
import { layerSize, sizeOnDisk } from './start/layer-size.js';
import { frozenDirectory } from './store/frozen-layers.js';
import { isActive } from './store/store.js';
import type { ContainerInfo } from './store/stored.js';
import type { UsageOf } from './views/usage-of.js';
import type { VolumeInfo } from './volumes/volume-info.js';
import { volumesOf } from './volumes/volumes.js';

/** A container, and what it has written. */
export interface ContainerDiskUsage {
  /** As `Engine.list` has it. */
  readonly container: ContainerInfo;
  /** Bytes in its writable layer. */
  readonly size: number;
}

/** A volume, and what is in it. */
export interface VolumeDiskUsage {
  /** As `Volumes.list` has it. */
  readonly volume: VolumeInfo;
  /** Bytes of its files. */
  readonly size: number;
}

/** What `Engine.usage` reports. */
export interface DiskUsage {
  /** One is in use if a detached container was made from it. What several images have counts once. */
  readonly images: UsageOf<ImageUsage>;
  /** Detached containers, with the layers that forks share. One is in use if it runs, is paused, or will be restarted. */
  readonly containers: UsageOf<ContainerDiskUsage>;
  /** One is in use if a detached container has it. */
  readonly volumes: UsageOf<VolumeDiskUsage>;
  /** Steps of earlier builds. What images and detached containers need is not counted. */
  readonly builds: UsageOf<CachedBuildStep>;
}

/** @throws ERR_DAMAGED_STATE */
export async function diskUsage(context: ContainerContext): Promise<DiskUsage> {
  const { store } = context;
  const [images, containers, volumes] = await Promise.all([
    imagesUsage(imagesContext(store)),
    containersUsage(context),
    volumesUsage(context),
  ]);
  return { images, containers, volumes, builds: buildCacheUsage(imagesContext(store)) };
}

async function containersUsage(context: ContainerContext): Promise<UsageOf<ContainerDiskUsage>> {
  const found = await listContainers(context);
  const items = await Promise.all(
    found.map(async (container) => ({
      container,
      size: await layerSize(context.store.directory(container.config.id)),
    })),
  );
  const usage = summed(items, ({ container }) => isActive(container.state));
  const frozen = await frozenUsage(context, found);
  return {
    ...usage,
    size: usage.size + frozen.size,
    reclaimable: usage.reclaimable + frozen.reclaimable,
  };
}

/** Of the layers that forks share: each counts once, and is in use if one of its containers is. */
async function frozenUsage(
  { store }: ContainerContext,
  containers: readonly ContainerInfo[],
): Promise<Pick<UsageOf<unknown>, 'size' | 'reclaimable'>> {
  const layers = new Map<string, boolean>();
  for (const { config, state } of containers)
    for (const layer of config.layers ?? [])
      layers.set(layer, layers.get(layer) === true || isActive(state));
  const found = await Promise.all(
    [...layers].map(async ([layer, active]) => ({
      active,
      size: await sizeOnDisk(frozenDirectory(store, layer)),
    })),
  );
  return summed(found, ({ active }) => active);
}

async function volumesUsage({ store }: ContainerContext): Promise<UsageOf<VolumeDiskUsage>> {
  const context = volumesContext(store);
  const found = await volumesOf(() => Promise.resolve(context)).list();
  const items = await Promise.all(
    found.map(async (volume) => ({ volume, size: await sizeOnDisk(volume.mountpoint) })),
  );
  return summed(items, ({ volume }) => volume.containers.length > 0);
}

function summed<T extends { readonly size: number }>(
  items: readonly T[],
  isUsed: (item: T) => boolean,
): UsageOf<T> {
  const sum = (some: readonly T[]): number => some.reduce((bytes, { size }) => bytes + size, 0);
  const unused = items.filter((item) => !isUsed(item));
  return {
    items,
    active: items.length - unused.length,
    size: sum(items),
    reclaimable: sum(unused),
  };
}
