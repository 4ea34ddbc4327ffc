/** `Engine.build`: an image from a Dockerfile (decision 0027). */
import type { Readable } from 'node:stream';
import { planBuild } from '../../build/build-plan.js';
import { parseDockerfile } from '../../build/dockerfile.js';
import { hostPlatform } from '../../image/platform.js';
import type { ContainerContext } from '../container/container-context.js';
import { unpackImage } from '../images/ensure-layers.js';
import { findRecord } from '../images/find-record.js';
import type { ImageInfo } from '../images/image-info.js';
import { imageInfo, shortName } from '../images/image-records.js';
import { imagesContext } from '../images/images-context.js';
import { withName } from '../images/name-images.js';
import { writeImage } from '../images/write-image.js';
import type { StartContext } from '../start/context.js';
import { recordImageEvent } from '../store/image-events.js';
import { BuildCache } from '../../build/build-cache.js';
import { openInput } from './build-input.js';
import { type BuildOptions, checkBuildOptions } from './build-options.js';
import type { BuildSession, BuiltStage } from './build-session.js';
import { buildStage } from './build-stage.js';
import { withSecretDirectory } from './secret-directory.js';
import { withWorkDirectory } from './work-directory.js';

export async function buildImage(
  context: ContainerContext & StartContext,
  input: string | Readable | undefined,
  given: BuildOptions,
): Promise<ImageInfo> {
  const options = checkBuildOptions(given);
  options.signal?.throwIfAborted();
  const images = imagesContext(context.store);
  await images.content.prepare();
  const { runRoot } = context.store.paths;
  const withDirectories = (work: (directory: string, secrets: string) => Promise<ImageInfo>) =>
    withSecretDirectory(runRoot, options.secrets.size > 0, (secrets) =>
      withWorkDirectory(images.content.paths, (directory) => work(directory, secrets)),
    );
  return withDirectories(async (directory, secretDirectory) => {
    const { source, files } = await openInput(input, options, directory);
    const dockerfile = parseDockerfile(source);
    const { buildArgs, target, platform } = options;
    const plan = planBuild(dockerfile, { target, buildArgs, platform, buildPlatform: hostPlatform() }); // prettier-ignore
    await using lease = await images.content.lease();
    const session: BuildSession = {
      context,
      images,
      lease,
      options,
      dockerfile,
      plan,
      files,
      cache: new BuildCache(images.content.paths.root),
      directory,
      secretDirectory,
      stages: new Map(),
      found: new Map(),
      count: 0,
    };
    let last: BuiltStage | undefined;
    for (const stage of plan.stages)
      session.stages.set(stage.stage.index, (last = await buildStage(session, stage)));
    return await store(session, last!);
  });
}

/** Writes the configuration, and gives the image its names. */
async function store(
  { images, lease, options, context }: BuildSession,
  { files, config, history, created }: BuiltStage,
): Promise<ImageInfo> {
  const { content } = images;
  options.signal?.throwIfAborted();
  const time = created === '' ? new Date().toISOString() : created;
  const { id, manifest } = await writeImage(lease, {
    config: {
      ...config,
      created: time,
      labels: { ...config.labels, ...options.labels },
      diffIds: files.diffIds,
    },
    history: history.map((entry) => ({ ...entry, created: entry.created === '' ? time : entry.created })),
    layers: files.layers,
  });
  await unpackImage(images, lease, manifest.digest, { signal: options.signal });
  const { names } = options;
  await content.change((entries) =>
    (names.length === 0 ? [undefined] : names).reduce<ReturnType<typeof withName>>(
      (all, name) => withName(all, manifest, name),
      [...entries],
    ),
  );
  const shown = names.map(shortName);
  recordImageEvent(context.store.paths.runRoot, id, 'build', shown[0] ?? id);
  options.tell({ kind: 'image', id, names });
  return imageInfo(content.paths, await findRecord(images, id));
}
