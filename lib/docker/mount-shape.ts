/** The mounts of a container as `docker inspect` prints them (MountPoint and Mount of Docker's API, v1.50). */
import { parseSize } from '../base/units.js';
import { labelsOf } from '../engine/options/labels.js';
import type { MountConfig } from '../engine/options/mount-config.js';
import type { MountOption } from '../engine/options/mount-types.js';
import type { StoredConfig } from '../engine/store/stored.js';
import { mountsOf } from '../engine/store/volumes-of.js';
import { addFields } from './api-fields.js';
import { markStringMap } from './go-values.js';

/** `Mounts`, in the engine's order and with its defaults. `--tmpfs` is not a mount point in Docker. */
export function mountPoints(
  config: Pick<StoredConfig, 'mounts' | 'options'>,
  directoryOf: (volume: string) => string = () => '',
): readonly object[] {
  const modes = new Map(
    (config.options.volumes ?? []).map((text) => {
      const [, target = '', mode = ''] = text.split(':');
      return [target, mode];
    }),
  );
  return mountsOf(config)
    .filter(({ from }) => from !== 'tmpfs')
    .map((mount) => {
      const { type, volume, image, source = image?.name ?? '', target, options } = mount;
      const name = volume?.name;
      return addFields('MountPoint', {
        Type: type,
        ...(name === undefined ? {} : { Name: name }),
        Source: name === undefined ? source : directoryOf(name),
        Destination: target,
        ...(name === undefined ? {} : { Driver: 'local' }),
        Mode: modeOf(mount, modes),
        RW: !options.includes('ro'),
        Propagation:
          type === 'bind'
            ? (options.find((option) => /^r?(?:private|shared|slave)$/.test(option)) ?? '')
            : '',
      });
    });
}

/** Docker gives each volume that was asked for the mode `z` if it has none (setBindModeIfNull). */
function modeOf({ from, target, volume }: MountConfig, modes: ReadonlyMap<string, string>): string {
  const given = from === 'volumes' ? (modes.get(target) ?? '') : '';
  if (given !== '' || volume === undefined) return given;
  const alone = volume.anonymous === true && from === 'volumes';
  return alone || from === 'image' || from === 'volumesFrom' ? '' : 'z';
}

/** `Config.Volumes`: the anonymous ones of `-v`, and those of the image, also where something else is mounted. */
export function configVolumes(
  { mounts = [] }: StoredConfig,
  ofImage: readonly string[] = [],
): Record<string, object> | null {
  const targets = mounts
    .filter(
      ({ from, volume }) => volume?.anonymous === true && (from === 'volumes' || from === 'image'),
    ) // prettier-ignore
    .map(({ target }) => target);
  const all = [...new Set([...ofImage, ...targets])];
  return all.length === 0 ? null : Object.fromEntries(all.map((target) => [target, {}]));
}

/** `HostConfig.Binds`: those of `-v` with a source. */
export function bindTexts(volumes: readonly string[] | undefined): readonly string[] | null {
  const binds = volumes?.filter((text) => text.includes(':')) ?? [];
  return binds.length === 0 ? null : binds;
}

/** As it was requested with `--mount`. */
export function apiMount(mount: MountOption): object {
  const { type, target } = mount;
  const common = { Target: target, ...(mount.readOnly === true ? { ReadOnly: true } : {}) };
  if (type === 'bind') {
    const { source, bindPropagation, bindRecursive } = mount;
    const bind = {
      ...(bindPropagation === undefined ? {} : { Propagation: bindPropagation }),
      ...(bindRecursive === false || bindRecursive === 'disabled' ? { NonRecursive: true } : {}),
      ...(bindRecursive === 'writable' ? { ReadOnlyNonRecursive: true } : {}),
      ...(bindRecursive === 'readonly' ? { ReadOnlyForceRecursive: true } : {}),
    };
    return { Type: type, Source: source, ...common, ...optional('BindOptions', bind) };
  }
  if (type === 'volume') {
    const { source = '', volumeNoCopy, volumeLabels, volumeSubpath } = mount;
    const { volumeDriver, volumeOptions } = mount;
    const driver = {
      ...(volumeDriver === undefined ? {} : { Name: volumeDriver }),
      ...(volumeOptions === undefined ? {} : { Options: markStringMap({ ...volumeOptions }) }),
    };
    const volume = {
      ...(volumeNoCopy === true ? { NoCopy: true } : {}),
      ...(volumeLabels === undefined
        ? {}
        : { Labels: markStringMap({ ...labelsOf(volumeLabels) }) }),
      ...(volumeSubpath === undefined ? {} : { Subpath: volumeSubpath }),
      ...optional('DriverConfig', driver),
    };
    const from = source === '' ? {} : { Source: source };
    return { Type: type, ...from, ...common, ...optional('VolumeOptions', volume) };
  }
  if (type === 'image') {
    const { source, imageSubpath } = mount;
    const image = imageSubpath === undefined ? {} : { Subpath: imageSubpath };
    return { Type: type, Source: source, ...common, ...optional('ImageOptions', image) };
  }
  const { tmpfsSize, tmpfsMode } = mount;
  const tmpfs = {
    ...(tmpfsSize === undefined ? {} : { SizeBytes: parseSize('mounts', tmpfsSize) }),
    ...(tmpfsMode === undefined
      ? {}
      : { Mode: typeof tmpfsMode === 'number' ? tmpfsMode : parseInt(tmpfsMode, 8) }),
  };
  return { Type: type, ...common, ...optional('TmpfsOptions', tmpfs) };
}

/** Go leaves out a pointer that is nil. */
function optional(name: string, value: object): object {
  return Object.keys(value).length > 0 ? { [name]: value } : {};
}
