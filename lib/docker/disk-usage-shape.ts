/** What `docker system df` prints (docker/cli, cli/command/formatter/disk_usage.go). */
import type { DiskUsage } from '../engine/disk-usage.js';
import type { UsageOf } from '../engine/views/usage-of.js';
import { humanDuration, humanSize } from './go-units.js';
import { markStruct } from './go-values.js';
import { imageUsageRow } from './image-shape.js';
import { type PsRow, psShape } from './ps-shape.js';
import { volumeRow } from './volume-shape.js';

export const USAGE_TABLE = '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}';
/** With `--verbose`. */
export const IMAGE_USAGE_TABLE =
  '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}';
export const CONTAINER_USAGE_TABLE =
  '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}';
export const VOLUME_USAGE_TABLE = '{{.Name}}\t{{.Links}}\t{{.Size}}';
export const CACHE_USAGE_TABLE =
  '{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}';

/** In the order in which they are printed as JSON. */
export interface UsageRow {
  readonly Active: string;
  readonly Reclaimable: string;
  readonly Size: string;
  readonly TotalCount: string;
  readonly Type: string;
}

export const USAGE_HEADINGS: Readonly<Record<keyof UsageRow, string>> = markStruct('Headings', {
  Active: 'ACTIVE',
  Reclaimable: 'RECLAIMABLE',
  Size: 'SIZE',
  TotalCount: 'TOTAL',
  Type: 'TYPE',
});

export const CACHE_HEADINGS = markStruct('Headings', {
  CacheType: 'CACHE TYPE',
  CreatedSince: 'CREATED',
  ID: 'CACHE ID',
  LastUsedSince: 'LAST USED',
  Shared: 'SHARED',
  Size: 'SIZE',
  UsageCount: 'USAGE',
});

export function usageRows({ images, containers, volumes, builds }: DiskUsage): UsageRow[] {
  return [
    usageRow('Images', images),
    usageRow('Containers', containers),
    usageRow('Local Volumes', volumes),
    usageRow('Build Cache', builds),
  ];
}

function usageRow(Type: string, { items, active, size, reclaimable }: UsageOf<unknown>): UsageRow {
  const share = size > 0 ? ` (${Math.trunc((reclaimable * 100) / size)}%)` : '';
  return markStruct('Usage', {
    Active: String(active),
    Reclaimable: `${humanSize(reclaimable, 4)}${share}`,
    Size: humanSize(size, 4),
    TotalCount: String(items.length),
    Type,
  });
}

export interface VerboseUsage {
  readonly Images: readonly object[];
  readonly Containers: readonly object[];
  readonly Volumes: readonly object[];
  readonly BuildCache: readonly object[];
}

/** @param imageOf the name of a container's image, if that is another one than the container was created with */
export function verboseUsage(
  { images, containers, volumes, builds }: DiskUsage,
  now: Date,
  noTrunc: boolean,
  imageOf: (container: DiskUsage['containers']['items'][number]) => string | undefined,
): VerboseUsage {
  return markStruct('Usage', {
    Images: images.items.map((item) => imageUsageRow(item, now, noTrunc)),
    Containers: containers.items.map((item): PsRow => {
      const { container, size } = item;
      return psShape(container, now, { noTrunc, image: imageOf(item), size: { writable: size } });
    }),
    Volumes: volumes.items.map(({ volume, size }) => volumeRow(volume, size)),
    BuildCache: builds.items.map(({ key, created, used, size }) =>
      markStruct('BuildCache', {
        CacheType: 'regular',
        CreatedSince: since(created, now),
        ID: noTrunc ? key : key.slice(0, 12),
        LastUsedSince: since(used, now),
        Shared: 'false',
        Size: humanSize(size, 3),
        UsageCount: '',
      }),
    ),
  });
}

function since(time: string, now: Date): string {
  return `${humanDuration(now.getTime() - Date.parse(time))} ago`;
}
