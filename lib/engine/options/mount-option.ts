/** One mount of the option `mounts`, checked. */
import { conflicting, invalid, plainString, unsupported } from '../../base/check.js';
import { parseSize } from '../../base/units.js';
import { checkDriverOptions } from '../../volumes/driver-options.js';
import { checkVolumeName } from '../../volumes/volume-name.js';
import { normalizeLabels } from './labels.js';
import {
  bindOptions,
  checkSource,
  checkSubpath,
  checkTarget,
  checkVolumeUser,
  checkWithin,
  PROPAGATIONS,
} from './mount-checks.js';
import type {
  BindMountOption,
  BindRecursive,
  ImageMountOption,
  MountOption,
  TmpfsMountOption,
  VolumeMountOption,
} from './mount-types.js';
import { type MountConfig, volumeMount, type VolumeUse } from './mount-config.js';
import { tmpfsOptions } from './tmpfs.js';

export function checkMount(mount: MountOption): MountConfig {
  if (typeof mount !== 'object' || mount === null) throw invalid('mounts', mount, 'is not a mount');
  const target = checkTarget('mounts', mount.target);
  switch (mount.type) {
    case 'bind':
      return checkBind(mount, target);
    case 'volume':
      return checkVolume(mount, target);
    case 'tmpfs':
      return checkTmpfs(mount, target);
    case 'image':
      return checkImage(mount, target);
  }
  const type: unknown = (mount as { type?: unknown }).type;
  const types = 'volume, bind, tmpfs or image';
  throw type === 'npipe' || type === 'cluster'
    ? unsupported('mounts', type, 'is a type of mount that caisson does not have', types)
    : invalid('mounts', type, 'is not a type of mount', types);
}

function checkBind(mount: BindMountOption, target: string): MountConfig {
  const propagation = mount.bindPropagation ?? 'rprivate';
  if (!PROPAGATIONS.has(propagation)) throw invalid('mounts', propagation, 'is not a propagation');
  const source = checkSource('mounts', mount.source);
  const readOnly = mount.readOnly ?? false;
  const recursive = checkRecursive(mount.bindRecursive ?? true);
  if ((recursive === 'writable' || recursive === 'readonly') && !readOnly)
    throw conflicting('mounts', `bindRecursive "${recursive}" is for binds with readOnly`);
  if (recursive === 'readonly' && propagation !== 'rprivate')
    throw conflicting('mounts', 'bindRecursive "readonly" is for binds with bindPropagation "rprivate"'); // prettier-ignore
  return {
    type: 'bind',
    source,
    ...(mount.within === undefined ? {} : { within: checkWithin('mounts', mount.within, source) }),
    target,
    options: bindOptions(recursive, readOnly, propagation),
    ...(mount.idmap === undefined ? undefined : { idmap: checkVolumeUser('mounts', mount.idmap) }),
    from: 'mounts',
  };
}

function checkRecursive(value: NonNullable<BindMountOption['bindRecursive']>): BindRecursive {
  if (value === true) return 'enabled';
  if (value === false) return 'disabled';
  if (value === 'enabled' || value === 'disabled' || value === 'writable' || value === 'readonly')
    return value;
  throw invalid('mounts', value, 'is not a value of bindRecursive', 'enabled, disabled, writable or readonly'); // prettier-ignore
}

function checkVolume(mount: VolumeMountOption, target: string): MountConfig {
  const { source, volumeDriver, volumeOptions, volumeLabels, volumeSubpath } = mount;
  if (volumeDriver !== undefined && volumeDriver !== '' && volumeDriver !== 'local')
    throw unsupported('mounts', volumeDriver, 'is not supported', 'local');
  const labels = normalizeLabels(volumeLabels);
  const driverOptions = checkDriverOptions('mounts', volumeOptions ?? {});
  const volume: VolumeUse = {
    // As Docker, which sends an empty text for a missing source.
    ...(source === undefined || source === '' ? {} : { name: checkVolumeName('mounts', source) }),
    ...(mount.volumeNoCopy === true ? { noCopy: true } : {}),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(Object.keys(driverOptions).length === 0 ? {} : { driverOptions }),
    ...(volumeSubpath === undefined ? {} : { subpath: checkSubpath('mounts', volumeSubpath) }),
  };
  if (volume.subpath !== undefined && volume.name === undefined)
    throw invalid('mounts', volumeSubpath, 'is in no volume: an anonymous one is empty');
  return volumeMount('mounts', target, volume, mount.readOnly ?? false);
}

function checkImage(mount: ImageMountOption, target: string): MountConfig {
  const { source, imageSubpath } = mount;
  const name = plainString('mounts', source);
  if (name === '') throw invalid('mounts', name, 'is not the name of an image');
  if (name === 'host') throw unsupported('mounts', name, 'is not mounted: it is this machine');
  if ((mount.readOnly as unknown) === false)
    throw unsupported('mounts', false, 'is not possible for readOnly: the files of an image do not change'); // prettier-ignore
  const subpath = imageSubpath === undefined ? {} : { subpath: checkSubpath('mounts', imageSubpath) }; // prettier-ignore
  return { type: 'image', image: { name, ...subpath }, target, options: ['ro', 'nosuid'], from: 'mounts' }; // prettier-ignore
}

function checkTmpfs(mount: TmpfsMountOption, target: string): MountConfig {
  const asked: string[] = [];
  if (mount.tmpfsSize !== undefined) asked.push(`size=${parseSize('mounts', mount.tmpfsSize)}`);
  const mode = mount.tmpfsMode;
  if (mode !== undefined) asked.push(`mode=${typeof mode === 'number' ? mode.toString(8) : mode}`);
  if (mount.readOnly === true) asked.push('ro');
  return { type: 'tmpfs', target, options: tmpfsOptions('mounts', asked), from: 'mounts' };
}
