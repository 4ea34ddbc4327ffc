/** `Volumes.create`: what a caller may ask for, checked. */
import { checkOptions, invalid, isRecordOrList, plainString, stringList, unsupported } from '../../base/check.js'; // prettier-ignore
import { splitAssignment } from '../../base/assignment.js';
import { newId } from '../../base/ids.js';
import { ANONYMOUS_LABEL, type StoredVolume } from '../../volumes/stored-volume.js';
import { checkDriverOptions } from '../../volumes/driver-options.js';
import { checkVolumeName } from '../../volumes/volume-name.js';
import type { MountConfig } from '../options/mount-config.js';
import { normalizeLabels } from '../options/labels.js';
import { recordVolumeEvent } from '../store/volume-events.js';
import type { VolumesContext } from './volumes-context.js';

/** How a volume is made. */
export interface CreateVolumeOptions {
  /** Default: `local`, the only one. */
  readonly driver?: 'local' | undefined;
  /**
   * Of Docker's driver `local`: `type`, `device` and `o`, as for mount(8). `o: 'bind'` with a `device` is a directory of the host in
   * place of one of caisson's.
   */
  readonly driverOptions?: Readonly<Record<string, string>> | readonly string[] | undefined;
  /** `{ key: value }` or `['key=value']`. */
  readonly labels?: Readonly<Record<string, string>> | readonly string[] | undefined;
}

const OPTION_NAMES: Readonly<Record<keyof CreateVolumeOptions, true>> = {
  driver: true,
  driverOptions: true,
  labels: true,
};

/** A volume as it is asked for, checked. */
export type VolumePlan = Omit<StoredVolume, 'version' | 'created'>;

/**
 * @param name undefined: 64 random hexadecimal digits, and the volume is anonymous
 * @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION
 */
export function planVolume(name: string | undefined, options: CreateVolumeOptions): VolumePlan {
  for (const key of Object.keys(checkOptions(options)))
    if (!Object.hasOwn(OPTION_NAMES, key)) throw unsupported(key, options[key as keyof typeof options], 'is not an option of a volume'); // prettier-ignore
  const { driver = 'local' } = options;
  if (driver !== 'local') throw unsupported('driver', driver, 'is not supported', 'local');
  const labels = normalizeLabels(options.labels);
  return {
    name: name === undefined ? newId() : checkVolumeName('name', name),
    driver,
    labels: name === undefined ? { ...labels, [ANONYMOUS_LABEL]: '' } : labels,
    options: checkDriverOptions('driverOptions', textsOf(options.driverOptions)),
  };
}

function textsOf(value: CreateVolumeOptions['driverOptions']): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isRecordOrList(value))
    throw invalid('driverOptions', value, 'is neither a record nor an array');
  if (Array.isArray(value))
    return Object.fromEntries(
      stringList('driverOptions', value).map((text) => {
        const { name, value: of = '' } = splitAssignment(text);
        return [name, of];
      }),
    );
  for (const [key, text] of Object.entries(value)) plainString(`driverOptions.${key}`, text);
  return { ...(value as Readonly<Record<string, string>>) };
}

/** As Docker: one that is there already is returned as it is. */
export async function createVolume(
  context: VolumesContext,
  plan: VolumePlan,
): Promise<StoredVolume> {
  return context.volumes.locked(() => ensureVolume(context, plan));
}

/** The caller holds the lock of all volumes. @throws ERR_STORAGE, ERR_DAMAGED_STATE */
export async function ensureVolume(
  { store, volumes, removeTree }: VolumesContext,
  plan: VolumePlan,
): Promise<StoredVolume> {
  const known = volumes.get(plan.name);
  if (known !== undefined) return known;
  const volume: StoredVolume = { version: 1, ...plan, created: new Date().toISOString() };
  await volumes.add(volume, removeTree);
  recordVolumeEvent(store.paths.runRoot, volume.name, 'create');
  return volume;
}

/** Those of a container that do not exist. The caller holds the lock of all volumes. @returns the names of those that were made */
export async function ensureVolumes(
  context: VolumesContext,
  mounts: readonly MountConfig[],
): Promise<string[]> {
  const made: string[] = [];
  for (const { volume } of mounts) {
    if (volume?.name === undefined || context.volumes.get(volume.name) !== undefined) continue;
    const { name, anonymous, labels = {}, driverOptions: options = {} } = volume;
    const all = anonymous === true ? { ...labels, [ANONYMOUS_LABEL]: '' } : labels;
    await ensureVolume(context, { name, driver: 'local', labels: all, options });
    made.push(name);
  }
  return made;
}
