/** Volumes as `docker volume inspect` and `docker volume ls` print them (Volume of Docker's API, v1.50). */
import type { VolumeInfo } from '../engine/volumes/volume-info.js';
import { addFields } from './api-fields.js';
import { humanSize } from './go-units.js';
import { markStringMap, markStruct } from './go-values.js';

export const VOLUME_TABLE = '{{.Driver}}\t{{.Name}}';

/** The fields of a row, in the order in which they are printed as JSON; all are strings. */
export interface VolumeRow {
  readonly Availability: string;
  readonly Driver: string;
  readonly Group: string;
  readonly Labels: string;
  readonly Links: string;
  readonly Mountpoint: string;
  readonly Name: string;
  readonly Scope: string;
  readonly Size: string;
  readonly Status: string;
  /** A method in templates: `{{.Label "key"}}`. */
  readonly Label: (key: string) => string;
}

export const VOLUME_HEADINGS: Readonly<Record<keyof VolumeRow, unknown>> = markStruct('Headings', {
  Availability: 'AVAILABILITY',
  Driver: 'DRIVER',
  Group: 'GROUP',
  Labels: 'LABELS',
  Links: 'LINKS',
  Mountpoint: 'MOUNTPOINT',
  Name: 'VOLUME NAME',
  Scope: 'SCOPE',
  Size: 'SIZE',
  Status: 'STATUS',
  // As Docker: the heading of `com.example.some-name` is `some name`.
  Label: (key: string) => key.slice(key.lastIndexOf('.') + 1).replace(/[-_]/g, ' '),
});

/** What Docker says of what it does not know, or has only for volumes of a cluster. */
const UNKNOWN = 'N/A';

/** @param size bytes of its files, for `docker system df`, which also says how many containers have it */
export function volumeRow(volume: VolumeInfo, size?: number): VolumeRow {
  const { name, driver, labels, mountpoint } = volume;
  return markStruct('Volume', {
    Availability: UNKNOWN,
    Driver: driver,
    Group: UNKNOWN,
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Links: size === undefined ? UNKNOWN : String(volume.containers.length),
    Mountpoint: mountpoint,
    Name: name,
    Scope: 'local',
    Size: size === undefined ? UNKNOWN : humanSize(size, 4),
    Status: UNKNOWN,
    Label: (key: string) => (Object.hasOwn(labels, key) ? (labels[key] ?? '') : ''),
  });
}

export function volumeShape(volume: VolumeInfo): object {
  const { name, driver, created, labels, options, mountpoint } = volume;
  const shape = {
    // Of seconds, in moby's volume/local.
    CreatedAt: created.replace(/\.\d+Z$/, 'Z'),
    Driver: driver,
    Labels: stringMap(labels),
    Mountpoint: mountpoint,
    Name: name,
    Options: stringMap(options),
    Scope: 'local',
  };
  return markStruct('Volume', addFields('Volume', shape));
}

function stringMap(texts: Readonly<Record<string, string>>): object | null {
  return Object.keys(texts).length === 0 ? null : markStringMap({ ...texts });
}
