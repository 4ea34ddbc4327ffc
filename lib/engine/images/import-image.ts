/** `Images.import`. */
import { checkOptions, invalid, plainString, stringList } from '../../base/check.js';
import { MEDIA_TYPES } from '../../image/manifest.js';
import { formatPlatform, hostPlatform, parsePlatform } from '../../image/platform.js';
import { recordImageEvent } from '../store/image-events.js';
import { archiveBytes, type ArchiveInput } from './archive-input.js';
import { changedConfig } from './config-changes.js';
import { unpackImage } from './ensure-layers.js';
import { findRecord } from './find-record.js';
import type { ImageInfo } from './image-info.js';
import { imageInfo, shortName } from './image-records.js';
import type { ImagesContext } from './images-context.js';
import { writeBlob } from './load-archive.js';
import { targetName, withName } from './name-images.js';
import { badArchive } from './tar-reader.js';
import { emptyConfig, writeImage } from './write-image.js';

/** What the image says. */
export interface ImportOptions {
  /** Instructions of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, USER, VOLUME, WORKDIR. */
  readonly changes?: readonly string[] | undefined;
  /** Of the image's history. */
  readonly message?: string | undefined;
  /** What the files are for: `linux/arm64`. Default: this machine's. */
  readonly platform?: string | undefined;
}

export async function importImage(
  context: ImagesContext,
  input: ArchiveInput,
  target: string | undefined,
  options: ImportOptions,
): Promise<ImageInfo> {
  const { changes = [], message = 'Imported from -', platform: text } = checkOptions(options);
  const name = target === undefined || target === '' ? undefined : targetName(target, 'target');
  const platform = text === undefined ? hostPlatform() : parsePlatform(text);
  if (platform.os !== 'linux')
    throw invalid('platform', formatPlatform(platform), 'has another operating system than linux');
  plainString('message', message);
  const changed = changedConfig(stringList('changes', changes), emptyConfig(platform));
  const { content, store } = context;
  await using lease = await content.lease();
  const layer = await writeBlob(await lease.newBlob(), checked(archiveBytes(input)));
  const created = new Date().toISOString();
  const { id, manifest } = await writeImage(lease, {
    config: { ...changed, created, diffIds: [layer.digest] },
    history: [{ created, comment: message, emptyLayer: false }],
    layers: [{ mediaType: MEDIA_TYPES.layer, ...layer }],
  });
  await unpackImage(context, lease, manifest.digest, {});
  await content.change((entries) => withName(entries, manifest, name));
  const shown = name === undefined ? id : shortName(name);
  recordImageEvent(store.paths.runRoot, id, 'import', shown);
  return imageInfo(content.paths, await findRecord(context, id));
}

const BLOCK = 512;

/** That it is an archive at all; what is in it is checked when it is unpacked. */
async function* checked(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  let start = Buffer.alloc(0);
  for await (const part of bytes) {
    if (size < BLOCK) {
      start = Buffer.concat([start, part.subarray(0, BLOCK - size)]);
      if (start.length === BLOCK && !isHeader(start)) throw badArchive('is not a tar archive');
    }
    size += part.length;
    yield part;
  }
  if (size === 0 || size % BLOCK !== 0) throw badArchive('is not a tar archive, or was cut short');
}

function isHeader(block: Buffer): boolean {
  const sum = block.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const said = block
    .toString('latin1', 148, 156)
    .replace(/[\0 ]+$/, '')
    .trim();
  return block.every((byte) => byte === 0) || Number.parseInt(said, 8) === sum;
}
