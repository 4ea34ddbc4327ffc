/** What stands for a volume in the specification of a container. */
import type { DriverMount } from '../../volumes/driver-options.js';
import type { MountConfig } from '../options/mount-config.js';

/** Where a volume of a container is. */
export interface VolumeSource {
  /** Its directory on the host. */
  readonly directory: string;
  /** In place of the directory. */
  readonly driver?: DriverMount | undefined;
}

/** By target. */
export type VolumeSources = ReadonlyMap<string, VolumeSource>;

export const NO_VOLUMES: VolumeSources = new Map();

/** A volume that is a directory as a bind; another mount is returned as it is. */
export function asBind(mount: MountConfig, sources: VolumeSources): MountConfig {
  const { volume, target } = mount;
  const source = sources.get(target);
  if (volume === undefined || source === undefined) return mount;
  const { directory, driver } = source;
  const from = driver?.device ?? directory;
  if (driver?.type === 'tmpfs')
    return {
      ...mount,
      type: 'tmpfs',
      options: [...driver.options, 'nodev', ...(mount.options.includes('ro') ? ['ro'] : [])],
    };
  const own = driver?.options.includes('ro') === true ? ['ro', 'rro'] : [];
  return {
    ...mount,
    type: 'bind',
    source: volume.subpath === undefined ? from : `${from}/${volume.subpath}`,
    ...(volume.subpath === undefined ? {} : { within: from }),
    options: [
      ...mount.options,
      ...own,
      ...(volume.noCopy === true || volume.subpath !== undefined ? [] : [COPY_UP]),
    ],
  };
}

/** Of a mount in the specification: if it is empty, it gets what the image has there. Only caisson has this option. */
export const COPY_UP = 'copy-up';
