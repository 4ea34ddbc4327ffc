/** The files of a stage as an image without a configuration, and containers of it. */
import { startLayer } from '../../archive/changes.js';
import { newId } from '../../base/ids.js';
import { emptyConfig, writeImage } from '../images/write-image.js';
import { type BaseImage, baseImage, commitLayer } from '../images/commit-layer.js';
import { createContainer } from '../container/create-container.js';
import { changesView } from '../container/diff-container.js';
import { type ContainerFiles, filesOf } from '../container/file-access.js';
import { disposeContainer } from '../container/remove-container.js';
import type { CreateOptions } from '../options/create-options.js';
import type { BuildSession, StageFiles } from './build-session.js';

/** Those of an image. The same layers are the same digest. */
export async function stageFiles(
  { lease, options }: BuildSession,
  { layers, config: { diffIds } }: BaseImage,
): Promise<StageFiles> {
  const { manifest } = await writeImage(lease, {
    config: { ...emptyConfig(options.platform), diffIds },
    history: layers.map(() => ({ emptyLayer: false })),
    layers,
  });
  return { manifest: manifest.digest, layers, diffIds };
}

/** @throws ERR_INVALID_IMAGE if it is not there any more */
export async function knownFiles(
  { images, lease }: BuildSession,
  manifest: string,
): Promise<StageFiles> {
  const { layers, config } = await baseImage(images, lease, manifest);
  return { manifest, layers, diffIds: config.diffIds };
}

export interface BuildContainer {
  /** Long id. */
  readonly id: string;
  readonly files: ContainerFiles;
}

/**
 * A container that exists until `work` has ended. It belongs to this process: the next engine removes it where this
 * process was killed.
 */
export async function withContainer<T>(
  { context, options: { signal } }: BuildSession,
  { manifest }: Pick<StageFiles, 'manifest'>,
  work: (container: BuildContainer) => Promise<T>,
  argv: readonly string[] = ['/'],
  options: CreateOptions = {},
): Promise<T> {
  signal?.throwIfAborted();
  const image = { kind: 'image', name: manifest, manifest } as const;
  const more = { logDriver: 'none', ...options };
  const id = await createContainer(context, context, image, argv, more, newId());
  try {
    return await work({ id, files: filesOf(context, id) });
  } finally {
    await disposeContainer(context, id);
  }
}

/**
 * What the container has changed, as a layer above the files that it was made from.
 *
 * @param hidden paths that are no part of it, but for their removal
 */
export async function withChanges(
  { context, images, lease, options: { platform, signal } }: BuildSession,
  { layers, diffIds }: StageFiles,
  container: BuildContainer,
  hidden: readonly string[] = [],
): Promise<StageFiles> {
  const layer = startLayer(await changesView(context, container.id), hidden);
  const base = {
    config: { ...emptyConfig(platform), diffIds },
    history: layers.map(() => ({ emptyLayer: false })),
    layers,
  };
  const abort = () => layer.destroy(signal?.reason as Error);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const { manifest } = await commitLayer(images, lease, base, layer, {});
    const made = await baseImage(images, lease, manifest.digest);
    return { manifest: manifest.digest, layers: made.layers, diffIds: made.config.diffIds };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
