/**
 * The registry of the bench, Debian's docker-registry on a loopback address, and what is in it: the images of
 * scripts/make-images, each several times. Each of these has other digests than the others, so that an engine whose
 * store cannot be emptied has nothing of it: zeros behind the end of each layer's archive, which mean nothing.
 */
import { execFile } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, gzipSync } from 'node:zlib';
import { type Descriptor, MEDIA_TYPES } from '../lib/image/manifest.js';
import { TAR_END, tarHeader } from '../lib/engine/images/tar-writer.js';
import type { RegistryClient } from '../lib/image/registry/registry-client.js';
import type { BlobSource } from '../lib/image/registry/transfer.js';
import { descriptorOf, digestOf, sourceOf, TestRegistry } from '../test/support/registry.js';
import { repository, type Workspace } from './workspace.js';

const run = promisify(execFile);

interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly source: BlobSource;
}

interface LayoutLayer {
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** Of the archive. */
  readonly digest: Hash;
}

/** An image of scripts/make-images. */
export interface MadeImage {
  readonly name: string;
  readonly config: object;
  readonly layers: readonly LayoutLayer[];
  /** Of its layers, as they are in the layout. */
  readonly paths: readonly string[];
}

const BLOCK = 512;
const PIECE = 1 << 20;

export class BenchRegistry implements AsyncDisposable {
  private constructor(private readonly registry: TestRegistry) {}

  static async start(workspace: Workspace): Promise<BenchRegistry> {
    const registry = await TestRegistry.start();
    workspace.atExit(`kill -9 ${registry.pid}; rm -rf '${registry.directory}'`);
    return new BenchRegistry(registry);
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return this.registry.host;
  }

  /** @returns its name, without the registry's */
  async pushVariant(image: MadeImage, number: number): Promise<string> {
    const zeros = Buffer.alloc(BLOCK * (number + 1));
    const layers = image.layers.map(({ mediaType, bytes, digest }): Layer => {
      // A further member of gzip continues the data of the one before.
      const gzip = mediaType === MEDIA_TYPES.layerGzip;
      const more = Buffer.concat([bytes, gzip ? gzipSync(zeros) : zeros]);
      return {
        descriptor: descriptorOf(more, mediaType),
        diffId: `sha256:${digest.copy().update(zeros).digest('hex')}`,
        source: sourceOf(more, PIECE),
      };
    });
    return this.push(`${image.name}:${number}`, layers, image.config);
  }

  /** The root, and above it layers of a file each. */
  async pushLayers(root: string, count: number): Promise<string> {
    const { stdout } = await run('tar', ['-C', root, '-c', '.'], {
      encoding: 'buffer',
      maxBuffer: 2 ** 30,
    });
    const small = Array.from({ length: count - 1 }, (_, at) =>
      Buffer.concat([tarHeader({ name: `layer-${at}`, size: 0 }), TAR_END]),
    );
    const layers = [stdout, ...small].map((bytes): Layer => {
      const descriptor = descriptorOf(bytes, MEDIA_TYPES.layer);
      return { descriptor, diffId: descriptor.digest, source: sourceOf(bytes, PIECE) };
    });
    return this.push(`layers:${count}`, layers, {});
  }

  /** One layer with one file of so many MiB, not compressed. */
  async pushLarge(mib: number): Promise<string> {
    const piece = createHash('shake256', { outputLength: PIECE }).update('large').digest();
    const parts = [
      tarHeader({ name: 'large', size: mib * PIECE }),
      ...Array<Buffer>(mib).fill(piece),
      TAR_END,
    ];
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    const digest = `sha256:${hash.digest('hex')}`;
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    const source: BlobSource = {
      // eslint-disable-next-line @typescript-eslint/require-await -- as the interface has it
      async *read(offset) {
        let at = 0;
        for (const part of parts) {
          if (at + part.length > offset) yield part.subarray(Math.max(0, offset - at));
          at += part.length;
        }
      },
    };
    const layer = { descriptor: { mediaType: MEDIA_TYPES.layer, digest, size }, diffId: digest };
    return this.push('large:1', [{ ...layer, source }], {});
  }

  private async push(name: string, layers: readonly Layer[], config: object): Promise<string> {
    const client = await this.registry.open(name, { stallTimeout: 60_000 });
    try {
      for (const { descriptor, source } of layers) await client.pushBlob(descriptor, source);
      await pushConfig(client, layers, config);
    } finally {
      await client.close();
    }
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry.stop();
  }
}

async function pushConfig(
  client: RegistryClient,
  layers: readonly Layer[],
  config: object,
): Promise<void> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
  const bytes = Buffer.from(
    JSON.stringify({ architecture, os: 'linux', config: {}, ...config, rootfs }),
  );
  const descriptor = descriptorOf(bytes, MEDIA_TYPES.config);
  await client.pushBlob(descriptor, sourceOf(bytes));
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: descriptor,
    layers: layers.map((layer) => layer.descriptor),
  };
  await client.pushManifest(Buffer.from(JSON.stringify(manifest)), MEDIA_TYPES.manifest);
}

/** Makes the image, which takes minutes the first time. */
export async function makeImage(name: 'big' | 'forty'): Promise<MadeImage> {
  const { stdout } = await run(`${repository}scripts/make-images`, [name]);
  const blobs = `${stdout.trim()}/blobs/sha256/`;
  const parse = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as never;
  const blob = ({ digest }: Descriptor) => blobs + digest.replace('sha256:', '');
  const index: { readonly manifests: readonly [Descriptor] } = await parse(
    `${stdout.trim()}/index.json`,
  );
  const manifest: { readonly config: Descriptor; readonly layers: readonly Descriptor[] } =
    await parse(blob(index.manifests[0]));
  const config: object = await parse(blob(manifest.config));
  const layers: LayoutLayer[] = [];
  for (const layer of manifest.layers) {
    const bytes = await readFile(blob(layer));
    if (digestOf(bytes) !== layer.digest) throw new Error(`${blob(layer)} is damaged`);
    const { mediaType } = layer;
    const isGzip = mediaType === MEDIA_TYPES.layerGzip;
    if (!isGzip && mediaType !== MEDIA_TYPES.layer)
      throw new Error(`the image ${name} has a layer of the type ${mediaType}`);
    const archive = isGzip ? await promisify(gunzip)(bytes) : bytes;
    layers.push({ mediaType, bytes, digest: createHash('sha256').update(archive) });
  }
  return { name, config, layers, paths: manifest.layers.map(blob) };
}
