/** The parsers of what registries and archives of images say. */
import assert from 'node:assert/strict';

import { readTar } from '../../lib/engine/images/tar-reader.js';
import { parseImageConfig } from '../../lib/image/image-config.js';
import { parseManifest } from '../../lib/image/manifest.js';
import { familiarName, fullName, parseReference } from '../../lib/image/reference.js';
import { archiveOf, gnuBlock, paxBlock, tarBlock, withChecksums } from '../support/tar-blocks.js';
import { allowed, JSON_WORDS, type Target, texts } from './target.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

const archive: Target = {
  name: 'load-archive',
  seeds: [
    archiveOf(tarBlock({ name: 'manifest.json', type: '0', content: Buffer.from('[]') })),
    archiveOf(
      paxBlock([
        ['path', 'a/b'],
        ['size', '3'],
      ]),
      tarBlock({ name: 'x', type: '0', content: Buffer.from('abc') }),
      tarBlock({ name: 'link', type: '2', target: 'a/b' }),
    ),
    archiveOf(gnuBlock('L', 'd/'.repeat(80)), gnuBlock('K', 'e'.repeat(90)), tarBlock({ name: 'x', type: '1' })), // prettier-ignore
  ],
  words: texts('../', '/', './', '\0', 'ustar', '12 path=..\n', ' size=', '77777777777', 'GNU.sparse.x=', 'x', 'L', 'K', 'g'), // prettier-ignore
  async run(bytes) {
    // Of the others, hardly one gets beyond the first checksum.
    if ((bytes[0] ?? 0) % 8 !== 0) withChecksums(bytes);
    const source = (async function* () {
      for (let at = 0; at < bytes.length; at += 700)
        yield await Promise.resolve(bytes.subarray(at, at + 700));
    })();
    let total = 0;
    try {
      for await (const { name, target, body } of readTar(source)) {
        assert(!name.startsWith('/') && !name.includes('\0') && !name.split('/').includes('..'));
        assert(name.length <= 4096 && target.length <= 4096);
        for await (const part of body) total += part.length;
      }
    } catch (error) {
      allowed(error);
    }
    assert(total <= bytes.length);
    assert.deepEqual(await source.next(), { done: true, value: undefined });
  },
};

const documents: Target = {
  name: 'image-documents',
  seeds: texts(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: DIGEST, size: 7 },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: DIGEST, size: 7 }], // prettier-ignore
    }),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: DIGEST, size: 7, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }], // prettier-ignore
    }),
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      created: '2024-01-02T03:04:05Z',
      config: { Env: ['A=1'], Cmd: ['x'], Volumes: { '/v': {} }, ExposedPorts: { '80/tcp': {} }, Labels: { a: 'b' }, Healthcheck: { Test: ['CMD', 'x'], Interval: 1e9 } }, // prettier-ignore
      rootfs: { type: 'layers', diff_ids: [DIGEST] },
    }),
  ),
  words: [...JSON_WORDS, ...texts('"digest":', '"size":', '"layers":', '"Volumes":', DIGEST, '/../')], // prettier-ignore
  run(bytes) {
    try {
      const manifest = parseManifest(bytes, undefined, 'name');
      const blobs = manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers]; // prettier-ignore
      for (const { digest, size } of blobs)
        assert(/^sha256:[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(size) && size >= 0);
    } catch (error) {
      allowed(error);
    }
    try {
      const { diffIds, volumes, labels } = parseImageConfig(bytes, 'name');
      assert(diffIds.every((id) => /^sha256:[0-9a-f]{64}$/.test(id)));
      assert(volumes.every((path) => path.startsWith('/') && !path.split('/').includes('..')));
      assert(Object.values(labels).every((value) => typeof value === 'string'));
    } catch (error) {
      allowed(error);
    }
  },
};

const references: Target = {
  name: 'image-references',
  seeds: texts('debian', 'debian:12', 'localhost:5000/a/b:c', `[::1]:80/x@${DIGEST}`, 'docker.io/library/a:b'), // prettier-ignore
  words: texts(':', '/', '@', '.', '-', '_', '__', 'A', '[', ']', 'sha256:', '\0', '\n', 'é'),
  run(bytes) {
    try {
      const parsed = parseReference(bytes.toString('utf8'));
      assert.deepEqual(parseReference(fullName(parsed)), parsed);
      assert.deepEqual(parseReference(familiarName(parsed)), parsed);
    } catch (error) {
      allowed(error);
    }
  },
};

export const IMAGE_TARGETS: readonly Target[] = [archive, documents, references];
