/** `volumesFrom`: the mounts of other containers. */
import { conflicting, invalid, stringList } from '../../base/check.js';
import type { MountConfig } from './mount-config.js';
import { inOrder } from './mounts.js';

export interface VolumesFrom {
  /** Name, id, or the beginning of an id. */
  readonly container: string;
  readonly readOnly: boolean;
}

const NONE: readonly VolumesFrom[] = Object.freeze([]);

/** `NAME[:mode]`, as of moby's volume/mounts/linux_parser.go, ParseVolumesFrom. */
export function normalizeVolumesFrom(value: readonly string[] | undefined): readonly VolumesFrom[] {
  if (value === undefined) return NONE;
  return stringList('volumesFrom', value).map((text) => {
    const [container = '', mode, ...more] = text.split(':');
    if (container === '' || more.length > 0)
      throw invalid('volumesFrom', text, 'is not CONTAINER[:ro|:rw]');
    const parts = mode?.split(',').filter((part) => part !== 'z' && part !== 'Z') ?? [];
    const wrong = parts.find((part) => part !== 'ro' && part !== 'rw');
    if (mode === '' || wrong !== undefined)
      throw invalid('volumesFrom', text, `has the mode "${wrong ?? ''}"`, 'ro or rw');
    if (parts.length > 1) throw conflicting('volumesFrom', `"${text}" has more than one mode`);
    return { container, readOnly: parts[0] === 'ro' };
  });
}

/** What a container is given of another one's mounts: its volumes and binds. */
export function givenMounts(
  mounts: readonly MountConfig[],
  { readOnly }: VolumesFrom,
): MountConfig[] {
  return mounts
    .filter(({ type }) => type !== 'tmpfs')
    .map((mount) => ({
      ...mount,
      // As Docker: its first container has filled it.
      ...(mount.volume === undefined ? {} : { volume: { ...mount.volume, noCopy: true } }),
      options:
        readOnly && !mount.options.includes('ro')
          ? [...mount.options, ...(mount.options.includes('rbind') ? ['ro', 'rro'] : ['ro'])]
          : mount.options,
      from: 'volumesFrom',
    }));
}

/**
 * Those of its own go before, unless they are the image's. Of those of several containers, the last one is taken.
 *
 * @param given in the order of the containers
 */
export function withGivenMounts(
  own: readonly MountConfig[],
  given: readonly (readonly MountConfig[])[],
): readonly MountConfig[] {
  const byTarget = new Map<string, MountConfig>();
  for (const mount of own) if (mount.from === 'image') byTarget.set(mount.target, mount);
  for (const mount of given.flat()) byTarget.set(mount.target, mount);
  for (const mount of own) if (mount.from !== 'image') byTarget.set(mount.target, mount);
  return inOrder([...byTarget.values()]);
}
