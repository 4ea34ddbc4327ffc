/** The files of a container, as a process of caisson-archive gets them before it: running or not. */
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { copyOutput, type ViewProcess } from '../../archive/view-process.js';
import type { View, ViewBind } from '../../archive/view.js';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { findUserNamespaceIds, type UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { withLock } from '../../host/locks.js';
import { resolveImage, type ResolvedImage } from '../../image/snapshots/resolve.js';
import { normalizeStorageOpt } from '../options/storage-opt.js';
import { settleLayers } from '../store/frozen-layers.js';
import { rootOf } from '../store/image-of.js';
import { mountsOf } from '../store/volumes-of.js';
import type { ContainerInfo, StoredConfig } from '../store/stored.js';
import type { ContainerContext } from './container-context.js';
import { inspectContainer, statusOf, storedContainer } from './inspect-container.js';
import { noSuchContainer, type Store } from '../store/store.js';
import { volumesToFill } from './volumes-to-fill.js';

/**
 * Runs `work` with the files of the container as they are now. One that does not run is not started meanwhile.
 *
 * @throws ERR_NO_SUCH_CONTAINER, ERR_LOCK_TIMEOUT, ERR_NO_SUCH_IMAGE
 */
export function withView<T>(
  context: ContainerContext,
  id: string,
  work: (view: View, info: ViewInfo) => Promise<T>,
): Promise<T> {
  return whileSettled(context, id, async (info, runs) =>
    work(await (runs ? viewOfProcess(context, info) : layersView(context, info)), info),
  );
}

type ViewInfo = Pick<ContainerInfo, 'config' | 'state'>;

/**
 * Runs `work` with the container as it is now. One that does not run is neither started nor forked meanwhile.
 *
 * @throws ERR_NO_SUCH_CONTAINER, ERR_LOCK_TIMEOUT
 */
export async function whileSettled<T>(
  context: ContainerContext,
  id: string,
  work: (info: ViewInfo, runs: boolean) => Promise<T>,
): Promise<T> {
  const { store } = context;
  for (;;) {
    const info = await inspectContainer(context, id);
    if (hasProcess(info)) return work(info, true);
    if (info.status === 'removing') throw noSuchContainer(id);
    const result = await withLock(store.paths.runRoot, id, async () => {
      const { config, state, damaged } = storedContainer(store, id);
      const status = await statusOf(context, config, { state, damaged });
      // Started meanwhile.
      if (hasProcess({ state, status })) return undefined;
      settleLayers(store, config);
      return { value: await work({ config, state }, false) };
    });
    if (result !== undefined) return result.value;
  }
}

/** The output of a process with the container's files, which fails with what has gone wrong. Destroying it ends the process. */
export function streamOfView(
  context: ContainerContext,
  id: string,
  start: (view: View, signal: AbortSignal) => Promise<ViewProcess>,
): Readable {
  const stream = new PassThrough();
  const ended = new AbortController();
  stream.once('close', () => ended.abort());
  void withView(context, id, async (view) => {
    await copyOutput(await start(view, ended.signal), stream, ended.signal);
  }).catch((error: unknown) => {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return stream;
}

/** Paused ones too. */
function hasProcess({ state, status }: Pick<ContainerInfo, 'state' | 'status'>): boolean {
  return (status === 'running' || status === 'paused') && state.pid !== 0;
}

type RunningView = View & { readonly kind: 'running' };

/** Undefined where it does not run. @throws ERR_NO_SUCH_CONTAINER */
export async function runningView(
  context: ContainerContext,
  id: string,
): Promise<RunningView | undefined> {
  const info = await inspectContainer(context, id);
  return hasProcess(info) ? viewOfProcess(context, info) : undefined;
}

async function viewOfProcess(
  context: ContainerContext,
  { config, state }: Pick<ContainerInfo, 'config' | 'state'>,
): Promise<RunningView> {
  const { root } = (await imageAndUsers(context, config)).image;
  return {
    kind: 'running',
    pid: state.pid,
    startTime: state.startTime,
    ownUserNamespace: state.idBase !== 0 || (await findUserNamespaceIds()) !== undefined,
    parts: root.kind === 'direct' ? ['/'] : root.views.map(({ to }) => to),
  };
}

async function layersView(
  context: ContainerContext,
  info: Pick<ContainerInfo, 'config' | 'state'>,
): Promise<View> {
  const { config } = info;
  const { image, users } = await imageAndUsers(context, config);
  if (normalizeStorageOpt(config.options.storageOpt) !== undefined)
    throw notMounted(config, 'its layer has a size (storageOpt)');
  return {
    kind: 'layers',
    users,
    directory: context.store.directory(config.id),
    root: image.root,
    readOnly: config.options.readOnly === true,
    binds: [...image.binds.map(ofImage), ...(await bindsOf(context.store, info, image))],
  };
}

/** Of the host image. */
function ofImage({ source, to }: ResolvedImage['binds'][number]): ViewBind {
  return { source, target: to, recursive: true, readOnly: true };
}

async function bindsOf(
  store: Store,
  { config, state }: Pick<ContainerInfo, 'config' | 'state'>,
  { root }: ResolvedImage,
): Promise<ViewBind[]> {
  const mounts = mountsOf(config);
  if (mounts.length === 0) return [];
  const { volumeSources } = await import('../start/start-volumes.js');
  const containersRoot = dirname(store.directory(config.id));
  const { sources } = volumeSources({ store, containersRoot }, mounts, config.id);
  const plain = (target: string) => {
    const found = sources.get(target);
    return found?.driver === undefined ? found?.directory : undefined;
  };
  // A root that is read-only cannot take what is written to the volume.
  const unfilled =
    state.startedAt === '' && config.options.readOnly !== true
      ? volumesToFill(root, join(store.directory(config.id), 'upper'), mounts, plain)
      : undefined;
  return mounts.flatMap(({ type, source, within, volume, target, options }): ViewBind[] => {
    if (unfilled?.has(target) === true) return [];
    const flags = {
      target,
      recursive: options.includes('rbind'),
      readOnly: options.includes('ro'),
    };
    if (type === 'bind' && source !== undefined) {
      const below = within === undefined ? undefined : relative(within, source);
      return below === undefined
        ? [{ source, ...flags }]
        : [{ base: within, source: below === '' ? '.' : below, ...flags }];
    }
    const found = sources.get(target);
    if (found === undefined) return [];
    if (found.driver !== undefined)
      throw notMounted(config, 'a volume is a file system that is mounted while it runs');
    const { directory } = found;
    // Before the first start there may be none.
    if (!existsSync(directory)) return [];
    return [{ base: directory, source: volume?.subpath ?? '.', ...flags }];
  });
}

function notMounted({ id }: StoredConfig, why: string): CaissonError {
  return new CaissonError(
    'ERR_UNSUPPORTED_OPTION',
    `container ${shortId(id)} does not run, and ${why}: its files can only be reached while it runs`,
    { stage: 'files', path: id, hint: 'start it first' },
  );
}

interface ImageAndUsers {
  readonly image: ResolvedImage;
  /** Undefined for root. */
  readonly users: UserNamespaceIds | undefined;
}

export async function imageAndUsers(
  { store }: ContainerContext,
  config: StoredConfig,
): Promise<ImageAndUsers> {
  const users = await findUserNamespaceIds();
  const image = await resolveImage(rootOf(store, config), store.paths.dataRoot, {
    rootless: users !== undefined,
  });
  return { image, users };
}
