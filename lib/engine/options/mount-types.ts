/** What a caller may say of mounts: one `--mount`, in camelCase. */

import type { Size } from '../../base/units.js';

/** How mounts and unmounts that come later pass between the source and the container: mount_namespaces(7). */
export type BindPropagation = 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';

/** One `--mount`. */
export type MountOption = BindMountOption | VolumeMountOption | TmpfsMountOption | ImageMountOption;

/**
 * Mounts below the source: `enabled`, they come along, and are read-only with `readOnly`, as far as the kernel can make them so;
 * `disabled`, they do not come along; `writable`, `readOnly` is for the source alone; `readonly`, all of them are read-only.
 */
export type BindRecursive = 'enabled' | 'disabled' | 'writable' | 'readonly';

/** A directory or file of the host. */
export interface BindMountOption {
  /** Which kind of mount it is. */
  readonly type: 'bind';
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  /**
   * Absolute path on the host of a directory that the source is in, for one that others can change: the kernel resolves the
   * source beneath it (openat2(2), RESOLVE_BENEATH), and a link or `..` that leads out of it is an error. The directory
   * itself is trusted. With `volumes` the option `beneath=`.
   */
  readonly within?: string | undefined;
  /** Default false. */
  readonly readOnly?: boolean | undefined;
  /** Default `rprivate`. */
  readonly bindPropagation?: BindPropagation | undefined;
  /** Default `enabled`, which `true` means, too; `false` is `disabled`. */
  readonly bindRecursive?: boolean | BindRecursive | undefined;
  /** Default: that of `MountOptions`. */
  readonly idmap?: VolumeUser | undefined;
}

/** A volume, or a part of one. */
export interface VolumeMountOption {
  /** Which kind of mount it is. */
  readonly type: 'volume';
  /** Name of a volume, which is created if it does not exist. Default: an anonymous one. */
  readonly source?: string | undefined;
  /** Absolute path in the container. */
  readonly target: string;
  /** Default false. */
  readonly readOnly?: boolean | undefined;
  /** An empty volume stays empty. Default: it gets what the image has at the target. */
  readonly volumeNoCopy?: boolean | undefined;
  /** Of a volume that is created. */
  readonly volumeLabels?: Readonly<Record<string, string>> | readonly string[] | undefined;
  /** Of a volume that is created. Default `local`, the only one. */
  readonly volumeDriver?: string | undefined;
  /** Of a volume that is created: `CreateVolumeOptions.driverOptions`. */
  readonly volumeOptions?: Readonly<Record<string, string>> | undefined;
  /** A directory or file of the volume, which has to exist: a relative path. */
  readonly volumeSubpath?: string | undefined;
}

/**
 * The user of the host that stands for the container's user (`user`, mostly root) in a bind. Files that the container makes
 * there belong to that user, files with set-user-id bits too.
 *
 * `host`: each user of the container is the host's with the same number, its root the host's root, as with Docker. The
 * others map one user, and all other users are nobody there: `owner`, the owner of the source; `caller`, the user that has
 * started this process, before sudo(8); `nobody`, 65534.
 */
export type VolumeUser = 'host' | 'owner' | 'caller' | 'nobody';

/** An empty file system in memory. */
export interface TmpfsMountOption {
  /** Which kind of mount it is. */
  readonly type: 'tmpfs';
  /** Absolute path in the container. */
  readonly target: string;
  /** Default false. */
  readonly readOnly?: boolean | undefined;
  /** Default: half of the memory limit, else of the machine’s memory. */
  readonly tmpfsSize?: Size | undefined;
  /**
   * Permission bits as a number or as octal digits. Default: those of the directory that is there, which also gives its
   * owner, else `0o1777`.
   */
  readonly tmpfsMode?: number | string | undefined;
}

/** The files of an image, read-only. */
export interface ImageMountOption {
  /** Which kind of mount it is. */
  readonly type: 'image';
  /** Name or id of an image that this machine has. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  /** A directory or file of the image: a relative path. Default: all of it. */
  readonly imageSubpath?: string | undefined;
  /** It always is. */
  readonly readOnly?: true | undefined;
}
