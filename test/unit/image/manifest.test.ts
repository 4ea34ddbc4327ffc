/** Manifests of any content are read or refused; test/integration/registry-hostile.test.ts has the cases of registries. */
import { expect } from 'chai';
import fc from 'fast-check';
import { LARGEST_MANIFEST, MEDIA_TYPES, parseManifest } from '../../../lib/image/manifest.js';
import { sampleSize } from '../../support/sample.js';

const digest = `sha256:${'a'.repeat(64)}`;
const config = { mediaType: MEDIA_TYPES.config, digest, size: 1 };
const read = (content: unknown, type?: string) =>
  parseManifest(Buffer.from(JSON.stringify(content)), type, 'name');

describe('manifests of images', () => {
  it('The kind follows from the media type, or from what is there without one', () => {
    const manifest = { schemaVersion: 2, config, layers: [] };
    expect(read(manifest).mediaType).to.equal(MEDIA_TYPES.manifest);
    expect(read(manifest, MEDIA_TYPES.dockerManifest).mediaType).to.equal(
      MEDIA_TYPES.dockerManifest,
    );
    expect(read({ schemaVersion: 2, manifests: [] }).kind).to.equal('index');
    const list = { schemaVersion: 2, mediaType: MEDIA_TYPES.dockerList, manifests: [config] };
    expect(read(list)).to.deep.include({ kind: 'index', manifests: [config] });
  });

  it('The platform of a descriptor is normalized, and one that cannot be read is none', () => {
    const platforms = [
      [
        { os: 'linux', architecture: 'arm64', variant: 'v8' },
        { os: 'linux', architecture: 'arm64' },
      ],
      [{ os: 'linux' }, undefined],
      [{ os: 7, architecture: 'a' }, undefined],
      ['linux/amd64', undefined],
      [null, undefined],
    ] as const;
    for (const [platform, expected] of platforms) {
      const index = read({ schemaVersion: 2, manifests: [{ ...config, platform }] });
      const [first] = index.kind === 'index' ? index.manifests : [];
      expect(JSON.stringify(first?.platform)).to.equal(JSON.stringify(expected));
    }
  });

  it('A manifest of more than 4 MiB is refused', () => {
    const bytes = Buffer.alloc(LARGEST_MANIFEST + 1, 0x20);
    expect(() => parseManifest(bytes, undefined, 'name'))
      .to.throw(/more than 4194304/)
      .with.property('code', 'ERR_INVALID_MANIFEST');
  });

  it('Any JSON is read or refused', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(config, [config], digest, 2, MEDIA_TYPES.index, MEDIA_TYPES.manifest),
    );
    const content = fc.dictionary(
      fc.constantFrom('schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'annotations', '__proto__'), // prettier-ignore
      value,
    );
    fc.assert(
      fc.property(
        content,
        fc.constantFrom(undefined, ...Object.values(MEDIA_TYPES)),
        (fields, type) => {
          try {
            expect(read({ schemaVersion: 2, ...fields }, type).kind).to.match(/manifest|index/);
          } catch (error) {
            expect(error).to.have.property('code', 'ERR_INVALID_MANIFEST');
          }
        },
      ),
      { numRuns: sampleSize(2000) },
    );
  });
});
