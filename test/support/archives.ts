/** Archives of images, made by other tools or by hand. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { TAR_END, tarHeader, tarPadding } from '../../lib/engine/images/tar-writer.js';
import { MEDIA_TYPES } from '../../lib/image/manifest.js';
import { blobOf, digestOf } from './image-store.js';

/** By path; the directory is packed as it is. */
export function packDirectory(directory: string, archive: string): string {
  execFileSync('tar', ['-C', directory, '-cf', archive, '.']);
  return archive;
}

/** @param target such as `docker-archive:/tmp/x.tar:name:tag` */
export function skopeoCopy(source: string, target: string): void {
  const args = ['copy', '--quiet', '--insecure-policy', source, target];
  execFileSync('skopeo', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** The archive with these files, in this order. */
export function tarOf(
  files: readonly (readonly [name: string, content: Buffer | string])[],
): Buffer {
  const parts = files.flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    return [tarHeader({ name, size: bytes.length }), bytes, tarPadding(bytes.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** A layer with one file. */
export function layerOf(size: number, seed: number) {
  const bytes = tarOf([[`file-${seed}`, blobOf(size, seed).bytes]]);
  return { bytes, digest: digestOf(bytes), size: bytes.length };
}

/** One image in the form of `docker save` before version 25. */
export function oldDockerImage(seed: number) {
  const layers = [layerOf(4096, seed), layerOf(8192, seed + 1)];
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created: '2024-02-03T04:05:06.7Z',
      config: { Cmd: ['/bin/true'], Labels: { seed: String(seed) } },
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
      history: [
        { created: '2024-02-03T04:05:05Z', created_by: 'first' },
        { created: '2024-02-03T04:05:06Z', created_by: 'nothing', empty_layer: true },
        { created: '2024-02-03T04:05:06.7Z', created_by: 'last' },
      ],
    }),
  );
  return { layers, config, id: digestOf(config) };
}

/** An image of these layers, plain or compressed with gzip, in the form of `docker save` before version 25. */
export function dockerArchive(tag: string, layers: readonly Buffer[]): Buffer {
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(plain(layer))) },
  });
  const hex = (digest: string) => digest.slice('sha256:'.length);
  const configName = `${hex(digestOf(Buffer.from(config)))}.json`;
  const names = layers.map((layer) => `${hex(digestOf(layer))}/layer.tar`);
  const image = { Config: configName, RepoTags: [tag], Layers: names };
  return tarOf([
    [configName, config],
    ...layers.map((layer, index) => [names[index] ?? '', layer] as const),
    ['manifest.json', JSON.stringify([image])],
  ]);
}

function plain(layer: Buffer): Buffer {
  return layer.readUInt16BE() === 0x1f8b ? gunzipSync(layer) : layer;
}

/** A directory that is packed: layers are `HEX/layer.tar`, and one of them is a link to another, as Docker has them. */
export function writeOldDockerArchive(directory: string, tag: string, seed = 1): string {
  const { layers, config, id } = oldDockerImage(seed);
  const write = (path: string, content: Buffer | string): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  };
  const names = layers.map(({ bytes }, at) => {
    const name = `${String(at).repeat(64)}/layer.tar`;
    write(name, bytes);
    write(`${String(at).repeat(64)}/VERSION`, '1.0');
    write(`${String(at).repeat(64)}/json`, '{}');
    return name;
  });
  const name = `${'a'.repeat(64)}/layer.tar`;
  mkdirSync(join(directory, dirname(name)));
  execFileSync('ln', ['-s', `../${names[1]}`, join(directory, name)]);
  write(`${id.slice('sha256:'.length)}.json`, config);
  write('repositories', '{}');
  const image = {
    Config: `${id.slice('sha256:'.length)}.json`,
    RepoTags: [tag],
    Layers: [names[0], name],
  };
  write('manifest.json', JSON.stringify([image]));
  return packDirectory(directory, `${directory}.tar`);
}

/** An OCI layout with one image, whose parts can be changed. */
export function ociArchive(change: {
  readonly layer?: Buffer;
  readonly name?: string;
  readonly index?: (manifest: object) => unknown;
}): Buffer {
  const { bytes, ...layer } = layerOf(4096, 7);
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { diff_ids: [layer.digest] } }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config: { mediaType: MEDIA_TYPES.config, digest: digestOf(config), size: config.length },
      layers: [{ mediaType: MEDIA_TYPES.layer, ...layer }],
    }),
  );
  const descriptor = {
    mediaType: MEDIA_TYPES.manifest,
    digest: digestOf(manifest),
    size: manifest.length,
    annotations: { 'org.opencontainers.image.ref.name': change.name ?? 'localhost/x:1' },
  };
  const index = change.index?.(descriptor) ?? { schemaVersion: 2, manifests: [descriptor] };
  const name = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`;
  return tarOf([
    ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
    [name(layer.digest), change.layer ?? bytes],
    [name(digestOf(config)), config],
    [name(digestOf(manifest)), manifest],
    ['index.json', JSON.stringify(index)],
  ]);
}
