/** Making a detached container. */
import { checkOnProgress } from '../../image/image-progress.js';
import { cgroupLocation } from '../../cgroup/parent.js';
import { isRecord } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import type { RootfsImage } from '../../image/rootfs.js';
import type { ContainerContext } from './container-context.js';
import { type CreateOptions, splitOptions } from '../options/create-options.js';
import { newId } from '../../base/ids.js';
import { normalize } from '../options/config.js';
import type { MountConfig } from '../options/mount-config.js';
import { withImageDefaults } from '../options/image-options.js';
import { ensureImage } from '../images/ensure-image.js';
import { holdImage } from '../../image/snapshots/image-hold.js';
import {
  NO_DEFAULTS,
  type PinnedImage,
  type ResolvedImage,
  resolveImage,
} from '../../image/snapshots/resolve.js';
import { imageOf, storedImage } from '../store/image-of.js';
import { recordEvent } from '../store/container-events.js';
import { randomName } from '../../base/random-name.js';
import { checkDetached } from '../start/prepare-detached.js';
import type { StartContext } from '../start/context.js';
import { pinImages } from '../start/start-images.js';
import { withJoinedIds } from '../start/joined-namespaces.js';
import { nameInUse, type Store } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';
import { anonymousNames } from '../store/volumes-of.js';

const NAME_ATTEMPTS = 20;

/**
 * @param image one that is pinned may be in no index; then the caller's lease keeps it
 * @param runId of a run, which ends with this process
 * @returns the long id
 */
export async function createContainer(
  context: ContainerContext,
  startContext: StartContext,
  image: string | RootfsImage | PinnedImage,
  argv: readonly string[],
  options: CreateOptions,
  runId?: string,
): Promise<string> {
  const { run: asked } = checkOptionsBefore(image, options);
  const { pull, platform, onProgress, ...others } = options;
  checkOnProgress(onProgress);
  const { dataRoot } = startContext;
  const check = () => {
    normalize(argv.length === 0 ? ['true'] : argv, asked, NO_DEFAULTS, startContext.host);
  };
  await ensureImage(startContext, image, { pull, platform, onProgress, check });
  const rootless = startContext.users !== undefined;
  const resolved = await resolveImage(image, dataRoot, { rootless, platform });
  const { manifest, name } = resolved;
  // A garbage collection keeps the image until the container is stored, and then for the container.
  const hold = manifest === undefined ? undefined : holdImage(dataRoot, manifest, name);
  try {
    const [id, isRun] = [runId ?? newId(), runId !== undefined];
    return await createFrom(resolved, context, startContext, image, argv, others, id, isRun);
  } finally {
    hold?.release();
  }
}

async function createFrom(
  resolved: ResolvedImage,
  context: ContainerContext,
  startContext: StartContext,
  image: string | RootfsImage | PinnedImage,
  argv: readonly string[],
  others: CreateOptions,
  id: string,
  isRun: boolean,
): Promise<string> {
  const { run, detached } = splitOptions(
    resolved.manifest === undefined ? others : withImageDefaults(others, resolved.defaults),
  );
  const chosen = storedImage(image, resolved);
  const config = await checkDetached(startContext, imageOf(chosen), argv, run, detached.autoRemove);
  if (config.policy !== undefined) {
    const { checkNames } = await import('../start/bridge-connection.js');
    await checkNames(await startContext.networks(), config, (warning) =>
      startContext.warn(warning),
    );
  }
  const joined = await withJoinedIds(context.store, run);
  const { mounts, holds } = await pinImages(startContext, config.mounts);
  try {
    const made = {
      version: 1,
      id,
      created: new Date().toISOString(),
      image: chosen,
      argv,
      command: config.args,
      options: { ...joined, name: undefined, labels: config.labels },
      ...detached,
      ...cgroupLocation(startContext.slice, run.cgroupParent),
      ...ownMounts(mounts),
    } as const;
    await addContainer(context, startContext, made, config.name, isRun);
    return id;
  } finally {
    for (const hold of holds) hold.release();
  }
}

async function addContainer(
  { store }: ContainerContext,
  startContext: StartContext,
  made: Omit<StoredConfig, 'name'>,
  wanted: string | undefined,
  isRun: boolean,
): Promise<void> {
  const { id } = made;
  const name = await claimName(store, id, wanted);
  const stored: StoredConfig = { ...made, name };
  try {
    const add = () => store.add(stored, isRun ? startContext.owner : undefined);
    if (stored.mounts === undefined) await add();
    else await addWithVolumes(store, startContext, id, stored.mounts, add);
  } catch (cause) {
    await store.releaseName(name, id);
    const { deleteUnreadable } = await import('./recover.js');
    await deleteUnreadable(store, id).catch(() => undefined);
    if (cause instanceof CaissonError) throw cause;
    throw new CaissonError('ERR_START_FAILED', `cannot write to ${store.directory(id)}`, {
      stage: 'config',
      path: store.directory(id),
      cause,
    });
  }
  recordEvent(store, stored, 'create');
}

/** Mistakes are found before an image is pulled. The test of a health check may be the image's. */
function checkOptionsBefore(
  image: string | RootfsImage | PinnedImage,
  options: CreateOptions,
): ReturnType<typeof splitOptions> {
  const { healthcheck } = options;
  const isImages = typeof image === 'string' && image !== 'host' && isRecord(healthcheck) && healthcheck.test === undefined; // prettier-ignore
  return splitOptions(
    isImages ? { ...options, healthcheck: { ...healthcheck, test: 'true' } } : options,
  );
}

/** Of a container whose options do not say all of its mounts: its anonymous volumes get names, and names of images may be others' later. */
function ownMounts(mounts: readonly MountConfig[]): Pick<StoredConfig, 'mounts'> {
  if (mounts.every(({ type, from }) => type !== 'volume' && type !== 'image' && from !== 'volumesFrom')) return {}; // prettier-ignore
  return {
    mounts: mounts.map((mount) =>
      mount.volume === undefined || mount.volume.name !== undefined
        ? mount
        : { ...mount, volume: { ...mount.volume, name: newId(), anonymous: true } },
    ),
  };
}

/** Its volumes exist as long as it does: nothing removes one between its creation and that of the container. */
export async function addWithVolumes(
  store: Store,
  { volumes: locks }: StartContext,
  id: string,
  mounts: readonly MountConfig[],
  add: () => Promise<void>,
): Promise<void> {
  const { volumesContext } = await import('./volumes-context-of.js');
  const { ensureVolumes } = await import('../volumes/create-volume.js');
  const context = volumesContext(store, locks);
  await context.volumes.locked(async () => {
    const made = await ensureVolumes(context, mounts);
    try {
      for (const name of anonymousNames(mounts))
        await context.volumes.addUser(name, id, made.includes(name));
      await add();
    } catch (error) {
      for (const name of made)
        await (await context.volumes.remove(name, locks, context.removeTree))().catch(() => undefined); // prettier-ignore
      throw error;
    }
  });
}

export async function claimName(
  store: Store,
  id: string,
  wanted: string | undefined,
): Promise<string> {
  if (wanted !== undefined) {
    if (await store.claimName(wanted, id)) return wanted;
    throw nameInUse(wanted, await store.named(wanted));
  }
  for (let attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
    const name = randomName(attempt);
    if (await store.claimName(name, id)) return name;
  }
  throw new CaissonError('ERR_NAME_IN_USE', 'no free name was found', { stage: 'config' });
}
