/** Image stores: small images in them, and whether one is consistent. */
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContentStore } from '../../lib/image/content/content-store.js';
import { type Descriptor, MEDIA_TYPES } from '../../lib/image/manifest.js';

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The same bytes for the same seed. */
export function blobOf(size: number, seed: number) {
  const line = createHash('sha256').update(String(seed)).digest();
  const bytes = Buffer.alloc(size, line);
  return { bytes, digest: digestOf(bytes), size };
}

/** An image with two layers, of which images with seeds of the same parity share one. */
export async function putImage(
  store: ContentStore,
  name: string | undefined,
  seed: number,
): Promise<Descriptor & { readonly layers: readonly Descriptor[] }> {
  await using lease = await store.lease();
  const layers: Descriptor[] = [];
  for (const content of [blobOf(9000, seed % 2), blobOf(20_000, 100 + seed)]) {
    const ingest = await lease.ingest(content);
    if (ingest !== undefined) {
      await ingest.write(content.bytes.subarray(ingest.offset));
      await ingest.commit();
    }
    layers.push({ mediaType: MEDIA_TYPES.layer, digest: content.digest, size: content.size });
  }
  const put = (value: object) => lease.put(Buffer.from(JSON.stringify(value)));
  const config = await put({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    seed,
  });
  const manifest = {
    mediaType: MEDIA_TYPES.manifest,
    ...(await put({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config: { mediaType: MEDIA_TYPES.config, ...config },
      layers,
    })),
  };
  await store.change((entries) => [
    ...entries.filter((entry) => entry.name !== name),
    { ...manifest, name },
  ]);
  return { ...manifest, layers };
}

/** What is in `blobs/` is whole, and what the index names is there with all that it needs. */
export function expectConsistent(store: ContentStore): void {
  const { blobs } = store.paths;
  for (const name of existsSync(blobs) ? readdirSync(blobs) : [])
    expect(digestOf(readFileSync(join(blobs, name))), name).to.equal(`sha256:${name}`);
  for (const { digest } of store.entries()) {
    const manifest = JSON.parse(readFileSync(store.blobPath(digest), 'utf8')) as {
      config: Descriptor;
      layers: Descriptor[];
    };
    for (const blob of [manifest.config, ...manifest.layers])
      expect(store.has(blob), `${blob.digest} of ${digest}`).to.equal(true);
  }
}

/** What else than images is in it. */
export function leftIn(store: ContentStore): string[] {
  const { root, ingest, trash } = store.paths;
  return [
    ...readdirSync(root).filter((name) => name.startsWith('index.json.')),
    ...readdirSync(ingest),
    ...readdirSync(trash),
  ];
}
