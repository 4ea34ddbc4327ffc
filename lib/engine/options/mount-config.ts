/** A mount that was asked for, checked. */
import type { VolumeUser } from './mount-types.js';

/** Its options are those of the OCI spec. */
export interface MountConfig {
  /** Which kind of mount it is. */
  readonly type: 'bind' | 'tmpfs' | 'volume' | 'image';
  /** Absolute path on the host; of a bind only. */
  readonly source?: string;
  /** The source is resolved beneath this directory, which its path begins with. */
  readonly within?: string;
  /** Of a volume only. */
  readonly volume?: VolumeUse;
  /** Of an image only. */
  readonly image?: ImageUse;
  /** Absolute, normalized, never `/`, never at or below /proc. */
  readonly target: string;
  /** As mount(8) has them. */
  readonly options: readonly string[];
  /** The user of the host that stands for the container's user there, if one was given. */
  readonly idmap?: VolumeUser | undefined;
  /** The option that it came from, for error texts. */
  readonly from: 'volumes' | 'mounts' | 'tmpfs' | 'volumesFrom' | 'image';
}

/** A volume of a container. */
export interface VolumeUse {
  /** Undefined: an anonymous one, which a detached container gets a name for when it is created. */
  readonly name?: string;
  /** It was anonymous when it was asked for. */
  readonly anonymous?: boolean;
  /** An empty one stays empty. */
  readonly noCopy?: boolean;
  /** Of one that has to be created. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Of one that has to be created, too. */
  readonly driverOptions?: Readonly<Record<string, string>>;
  /** What of it is mounted: a relative path. */
  readonly subpath?: string;
}

/** An image whose files a container has. */
export interface ImageUse {
  /** As it was given. */
  readonly name: string;
  /** Digest of its manifest: of a detached container, which keeps the image that the name meant when it was created. */
  readonly manifest?: string;
  /** What of it is mounted: a relative path. */
  readonly subpath?: string;
}

export function volumeMount(
  from: MountConfig['from'],
  target: string,
  volume: VolumeUse,
  readOnly: boolean,
): MountConfig {
  const options = readOnly ? ['rbind', 'rprivate', 'ro', 'rro'] : ['rbind', 'rprivate'];
  return { type: 'volume', volume, target, options, from };
}
