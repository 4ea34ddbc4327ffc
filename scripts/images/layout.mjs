// Writes an image as an OCI image layout (image-layout.md of the OCI image specification): a directory that skopeo and umoci read.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** A time that is in no file of this machine: archives are the same whenever they are made. */
export const CREATED = '2024-02-29T12:34:56Z';
export const EPOCH = Date.parse(CREATED) / 1000;

const MEDIA_TYPES = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  none: 'application/vnd.oci.image.layer.v1.tar',
};

/** GOARCH of this machine. */
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch;

export class Layout {
  layers = [];
  diffIds = [];
  history = [];

  constructor(directory) {
    this.directory = directory;
  }

  async create() {
    await mkdir(join(this.directory, 'blobs/sha256'), { recursive: true });
    await writeFile(join(this.directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  }

  /**
   * A layer on top of those before.
   * @param {Buffer | string} tar an archive, or the path of one
   * @param {string} createdBy for the history
   * @param {'gzip' | 'zstd' | 'none'} compression
   */
  async addLayer(tar, createdBy, compression = 'gzip') {
    const diff = createHash('sha256');
    const blob = createHash('sha256');
    let size = 0;
    const partial = join(this.directory, 'partial');
    const source = Buffer.isBuffer(tar) ? Readable.from([tar]) : createReadStream(tar);
    const counted = async function* (chunks) {
      for await (const chunk of chunks) {
        blob.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    };
    const digested = async function* (chunks) {
      for await (const chunk of chunks) {
        diff.update(chunk);
        yield chunk;
      }
    };
    const compress = { gzip: createGzip, none: () => new PassThrough(), zstd }[compression];
    await pipeline(source, digested, compress(), counted, createWriteStream(partial));
    const digest = `sha256:${blob.digest('hex')}`;
    await rename(partial, this.blobPath(digest));
    this.layers.push({ mediaType: MEDIA_TYPES[compression], digest, size });
    this.diffIds.push(`sha256:${diff.digest('hex')}`);
    this.history.push({ created: CREATED, created_by: createdBy });
  }

  /** Writes configuration, manifest and index; the image has the tag `latest`. */
  async finish(config, annotations) {
    // What changed only the configuration is in the history without a layer.
    this.history.push({ created: CREATED, created_by: 'CONFIG', empty_layer: true });
    const image = await this.addBlob('application/vnd.oci.image.config.v1+json', {
      created: CREATED,
      architecture,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: this.diffIds },
      history: this.history,
    });
    const manifest = await this.addBlob('application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: image,
      layers: this.layers,
      ...(annotations === undefined ? {} : { annotations }),
    });
    const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'latest' } };
    await writeFile(
      join(this.directory, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [named] }),
    );
  }

  async addBlob(mediaType, value) {
    const data = Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`;
    await writeFile(this.blobPath(digest), data);
    return { mediaType, digest, size: data.length };
  }

  blobPath(digest) {
    return join(this.directory, 'blobs', digest.replace(':', '/'));
  }
}

/** zlib of Node.js 20 has no zstd. */
function zstd() {
  return async function* (chunks) {
    const parts = [];
    for await (const chunk of chunks) parts.push(chunk);
    const { status, stdout, error } = spawnSync('zstd', ['-q', '-c'], {
      input: Buffer.concat(parts),
      maxBuffer: 2 ** 30,
    });
    if (status !== 0) throw error ?? new Error('zstd failed');
    yield stdout;
  };
}
