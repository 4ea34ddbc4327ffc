/** What `Volumes.list` and `Volumes.inspect` report. */
import { isAnonymous, type StoredVolume } from '../../volumes/stored-volume.js';
import type { VolumesContext } from './volumes-context.js';

/** A volume, as it is now. */
export interface VolumeInfo {
  /** Of an anonymous one: 64 hexadecimal digits. */
  readonly name: string;
  /** There is no other. */
  readonly driver: 'local';
  /** ISO 8601, UTC. */
  readonly created: string;
  /** Its directory on the host. Owners of its files are those that a container sees; of a rootless user's, as they are mapped. */
  readonly mountpoint: string;
  /** Without a name of its own: it is removed with its container (`autoRemove`, `remove({ volumes: true })`). */
  readonly anonymous: boolean;
  /** By key. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of the driver. */
  readonly options: Readonly<Record<string, string>>;
  /** Long ids of the detached containers that have it. */
  readonly containers: readonly string[];
}

export function volumeInfo(
  { volumes }: Pick<VolumesContext, 'volumes'>,
  volume: StoredVolume,
  containers: readonly string[] = [],
): VolumeInfo {
  const { version: _, ...stored } = volume;
  return {
    ...stored,
    mountpoint: volumes.dataOf(volume.name),
    anonymous: isAnonymous(volume),
    containers,
  };
}
