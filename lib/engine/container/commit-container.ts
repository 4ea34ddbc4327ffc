/** An image from the files of a container, with its configuration. */
import type { Readable } from 'node:stream';
import { startLayer } from '../../archive/changes.js';
import { checkAbortSignal, onAbort } from '../../base/abort-signals.js';
import { withAssignments } from '../../base/assignment.js';
import { boolean, checkOptions, plainString, stringList } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import type { ImageConfig, ImageHealthcheck } from '../../image/image-config.js';
import { baseImage, commitLayer, noImage } from '../images/commit-layer.js';
import { changedConfig } from '../images/config-changes.js';
import { findRecord } from '../images/find-record.js';
import type { ImageInfo } from '../images/image-info.js';
import { imageInfo, shortName } from '../images/image-records.js';
import { imagesContext } from '../images/images-context.js';
import { targetName, withName } from '../images/name-images.js';
import { normalizeEnv } from '../options/env.js';
import type { MountConfig } from '../options/mount-config.js';
import { portsOfContainer } from '../options/ports.js';
import { recordEvent } from '../store/container-events.js';
import type { StoredConfig } from '../store/stored.js';
import type { ContainerContext } from './container-context.js';
import { withChanges } from './diff-container.js';
import { exportContainer } from './export-container.js';
import { inspectContainer } from './inspect-container.js';
import { whilePaused } from './pause-container.js';

/** What the image says beside the container’s own configuration. */
export interface CommitOptions {
  /** Instructions of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR. */
  readonly changes?: readonly string[] | undefined;
  /** Of the image's history. */
  readonly message?: string | undefined;
  /** Of the image. */
  readonly author?: string | undefined;
  /** A running container is paused while its files are read. Default: true. */
  readonly pause?: boolean | undefined;
  /** Ends the commit without an image. A container that was paused for it goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** @param target a name for the image; undefined or empty: none */
export async function commitContainer(
  context: ContainerContext,
  id: string,
  target: string | undefined,
  options: CommitOptions,
): Promise<ImageInfo> {
  const { changes = [], message = '', author = '', pause = true, signal } = checkOptions(options);
  const name = target === undefined || target === '' ? undefined : targetName(target, 'target');
  plainString('message', message);
  plainString('author', author);
  boolean('pause', pause);
  checkAbortSignal(signal);
  signal?.throwIfAborted();
  const { config, status } = await inspectContainer(context, id);
  const { image } = config;
  if (image.kind === 'name' && image.manifest === undefined)
    throw new CaissonError(
      'ERR_UNSUPPORTED_OPTION',
      `container ${shortId(id)} is one of the host image, which is this machine's own`,
      { stage: 'image', path: id, hint: 'commit a container of an image, or of a root directory' },
    );
  const images = imagesContext(context.store);
  await using lease = await images.content.lease();
  const base =
    image.kind === 'name' && image.manifest !== undefined
      ? await baseImage(images, lease, image.manifest)
      : noImage();
  const changed = {
    ...changedConfig(stringList('changes', changes), ownConfig(base.config, config)),
    author,
  };
  const created = new Date().toISOString();
  const createdBy = config.command.join(' ');
  const read = async () => {
    // A root directory is no image: all its files are one layer.
    const step = { created, createdBy, author, comment: message };
    const write = (layer: Readable) =>
      untilAborted(signal, layer, () =>
        commitLayer(images, lease, { ...base, config: changed }, layer, step),
      );
    const { id: imageId, manifest } =
      image.kind === 'name'
        ? await withChanges(context, id, (view) => write(startLayer(view)))
        : await write(exportContainer(context, id));
    await images.content.change((entries) => withName(entries, manifest, name));
    const more = { comment: message, imageID: imageId, imageRef: name === undefined ? '' : shortName(name) }; // prettier-ignore
    recordEvent(context.store, config, 'commit', more);
    return imageInfo(images.content.paths, await findRecord(images, imageId));
  };
  return await (pause && status === 'running' ? whilePaused(context, id, read) : read());
}

/** Reading the layer ends with the signal. @throws the signal's reason; as `work` */
async function untilAborted<T>(
  signal: AbortSignal | undefined,
  layer: Readable,
  work: () => Promise<T>,
): Promise<T> {
  const unlisten = signal && onAbort(signal, () => layer.destroy());
  try {
    signal?.throwIfAborted();
    const result = await work();
    signal?.throwIfAborted();
    return result;
  } catch (error) {
    layer.destroy();
    signal?.throwIfAborted();
    throw error;
  } finally {
    unlisten?.();
  }
}

/** What the container was created with is the image's: as Docker's, whose containers have a configuration of the same kind. */
function ownConfig(base: ImageConfig, config: StoredConfig): ImageConfig {
  const { argv, options, mounts = [] } = config;
  const { entrypoint, user, workdir, stopSignal, labels } = options;
  const asked = entrypoint === undefined ? undefined : [entrypoint].flat().filter((word) => word !== ''); // prettier-ignore
  return {
    ...base,
    // `NAME` without a value takes the image's away.
    env: withAssignments(base.env, normalizeEnv(options.env)),
    entrypoint: asked ?? base.entrypoint,
    cmd: argv.length > 0 ? argv : asked === undefined ? base.cmd : [],
    user: user ?? base.user,
    workdir: workdir ?? base.workdir,
    stopSignal: stopSignal === undefined ? base.stopSignal : String(stopSignal),
    labels: { ...base.labels, ...(labels as Record<string, string> | undefined) },
    exposedPorts: sorted([
      ...base.exposedPorts,
      ...portsOfContainer(options.ports, options.expose).map(
        ({ containerPort, protocol }) => `${containerPort}/${protocol}`,
      ),
    ]),
    volumes: sorted([...base.volumes, ...mounts.filter(isAnonymous).map(({ target }) => target)]),
    healthcheck: ownCheck(config) ?? base.healthcheck,
  };
}

function sorted(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}

function isAnonymous({ from, volume }: MountConfig): boolean {
  return volume?.anonymous === true && from === 'volumes';
}

function ownCheck({ healthcheck }: StoredConfig): ImageHealthcheck | undefined {
  if (healthcheck === undefined) return undefined;
  const { test } = healthcheck;
  return { ...healthcheck, test: typeof test === 'string' ? { shell: test } : { command: test } };
}
