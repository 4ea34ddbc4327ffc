/** Hostile images as a whole, by `load` and `pull`: a typed error, no image, and nothing left. What they consist of is in unpack-hostile and registry-hostile. */
import { expect } from 'chai';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imagesIn } from '../../lib/engine/images-in.js';
import type { Images } from '../../lib/engine/images/images.js';
import { Store } from '../../lib/engine/store/store.js';
import { ContentStore } from '../../lib/image/content/content-store.js';
import { type Descriptor, MEDIA_TYPES } from '../../lib/image/manifest.js';
import { dockerArchive, tarOf } from '../support/archives.js';
import { leftIn } from '../support/image-store.js';
import { needsProgram, needsRoot } from '../support/needs.js';
import { descriptorOf, digestOf, makeImage, pushImage, TestRegistry } from '../support/registry.js';
import { rejectionOf } from '../support/rejection.js';
import { tarArchive } from '../support/tar-archive.js';
import { Workshop } from '../support/workshop.js';

const good = tarArchive({ name: 'd/', type: '5' }, { name: 'd/f', data: 'text' });
const LAYERS: readonly (readonly [what: string, layer: Buffer, code: string])[] = [
  ['a name with `..`', tarArchive({ name: '../../x', data: 'x' }), 'ERR_INVALID_LAYER'],
  ['a hard link to the host', tarArchive({ name: 'p', type: '1', link: '/etc/passwd' }), 'ERR_INVALID_LAYER'],
  ['a write through a link', tarArchive({ name: 'o', type: '2', link: '/tmp' }, { name: 'o/x/', type: '5' }, { name: 'o', type: '2', link: '../../../..' }, { name: 'o/outside/x', data: 'x' }), 'ERR_INVALID_LAYER'],
  ['a whiteout of the root', tarArchive({ name: '.wh..wh..opq' }), 'ERR_INVALID_LAYER'],
  ['a path of 100,000 components', tarArchive({ name: 'a', pax: { path: 'a/'.repeat(100_000) } }), 'ERR_LAYER_TOO_LARGE'],
  ['a stream that ends early', good.subarray(0, 700), 'ERR_INVALID_LAYER'],
]; // prettier-ignore

describe('Hostile images', function () {
  this.timeout(60_000);
  let directory: string;
  let content: ContentStore;
  let images: Images;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-test-'));
    const store = new Store({ dataRoot: join(directory, 'data'), runRoot: join(directory, 'run') });
    store.prepare();
    content = new ContentStore(join(directory, 'data'));
    images = imagesIn(store);
    mkdirSync(join(directory, 'outside'));
    writeFileSync(join(directory, 'outside/x'), 'secret');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function expectRefused(work: Promise<unknown>, code: string, what: string): Promise<void> {
    const error = await rejectionOf(work);
    expect(error.code, `${what}: ${error.message}`).to.equal(code);
    expect(await images.list(), what).to.deep.equal([]);
    await images.prune();
    expect(readdirSync(content.paths.blobs), what).to.deep.equal([]);
    expect(readdirSync(content.paths.layers), what).to.deep.equal([]);
    expect(leftIn(content), what).to.deep.equal([]);
    expect(readFileSync(join(directory, 'outside/x'), 'utf8'), what).to.equal('secret');
    expect(readdirSync(directory).sort(), what).to.deep.equal(['data', 'outside', 'run']);
  }

  /** As an archive in OCI form, whose blobs have the digests that they should have. */
  function layoutOf(blobs: readonly Buffer[], top: Descriptor): Buffer {
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [top] };
    const files = blobs.map((blob) => [`blobs/sha256/${digestOf(blob).slice(7)}`, blob] as const);
    return tarOf([
      ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
      ...files,
      ['index.json', JSON.stringify(index)],
    ]);
  }
  const json = (value: object) => Buffer.from(JSON.stringify(value));
  async function* streamOf(bytes: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += 5000) yield bytes.subarray(at, at + 5000);
  }

  for (const [what, layer, code] of LAYERS)
    it(`An archive of an image with ${what} in its second layer is refused`, () =>
      expectRefused(images.load(streamOf(dockerArchive('x:1', [good, layer]))), code, what));

  it('Layers and configurations of other media types are refused', async () => {
    const { config, layers } = makeImage([good]);
    const withTypes = (layerType: string, configType: string = MEDIA_TYPES.config) => {
      const manifest = json({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: descriptorOf(config, configType),
        layers: [descriptorOf(layers[0]!, layerType)],
      });
      return layoutOf([config, good, manifest], descriptorOf(manifest, MEDIA_TYPES.manifest));
    };
    for (const type of [
      'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      'application/vnd.oci.image.layer.nondistributable.v1.tar',
      'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
      'text/plain',
    ])
      await expectRefused(images.load(streamOf(withTypes(type))), 'ERR_INVALID_IMAGE', type);
    const artifact = withTypes(MEDIA_TYPES.layer, 'application/vnd.cncf.helm.config.v1+json');
    await expectRefused(images.load(streamOf(artifact)), 'ERR_INVALID_IMAGE', 'an artifact');
    await images.load(streamOf(withTypes(MEDIA_TYPES.layer)));
    expect(await images.list()).to.have.length(1);
  });

  it('Indexes in indexes are followed for a few steps', async () => {
    const image = makeImage([good]);
    const blobs = [image.config, good, image.manifest];
    let top = image.descriptor;
    for (let depth = 0; depth < 20; depth++) {
      const index = json({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [top] });
      blobs.push(index);
      top = descriptorOf(index, MEDIA_TYPES.index);
    }
    await expectRefused(images.load(streamOf(layoutOf(blobs, top))), 'ERR_INVALID_IMAGE', 'deep');
  });

  needsProgram('docker-registry').describe('from a registry', () => {
    let registry: TestRegistry;
    before(async () => {
      registry = await TestRegistry.start();
    });
    after(() => registry.stop());

    for (const [index, [what, layer, code]] of LAYERS.entries())
      it(`An image with ${what} in its second layer is refused`, async () => {
        const client = await registry.open(`hostile-${index}:1`);
        await pushImage(client, makeImage([good, layer]));
        await client.close();
        const pull = images.pull(`${registry.host}/hostile-${index}:1`);
        await expectRefused(pull, code, what);
      });

    it('An image with another diff id than its layer has is refused', async () => {
      const client = await registry.open('other:1');
      const image = makeImage([good]);
      const other = json({
        ...(JSON.parse(image.config.toString()) as object),
        rootfs: { type: 'layers', diff_ids: [digestOf(Buffer.from('other'))] },
      });
      const manifest = json({
        ...(JSON.parse(image.manifest.toString()) as object),
        config: descriptorOf(other, MEDIA_TYPES.config),
      });
      const descriptor = descriptorOf(manifest, MEDIA_TYPES.manifest);
      await pushImage(client, { ...image, config: other, manifest, descriptor });
      await client.close();
      const pull = images.pull(`${registry.host}/other:1`);
      await expectRefused(pull, 'ERR_DIGEST_MISMATCH', 'another diff id');
    });
  });

  needsRoot('device nodes are made for root only').it(
    'The devices of a layer are nodes that a container cannot open',
    async () => {
      const shop = await Workshop.open();
      try {
        const busybox = tarArchive({
          name: 'bin/busybox',
          mode: 0o755,
          data: readFileSync(shop.path('busybox/bin/busybox')),
        });
        const devices = tarArchive(
          { name: 'null', type: '3', mode: 0o666, major: 1, minor: 3 },
          { name: 'block', type: '4', mode: 0o666, major: 7, minor: 0 },
        );
        await shop.engine.images.load(streamOf(dockerArchive('devices:1', [busybox, devices])));
        const script =
          'for f in null block; do /bin/busybox stat -c %F /$f; /bin/busybox cat /$f; done; true';
        for (const userns of ['auto', 'host'] as const) {
          const { stdout, stderr } = await shop.engine.run(
            'devices:1',
            ['/bin/busybox', 'sh', '-c', script],
            { userns },
          );
          expect(stdout).to.equal('character special file\nblock special file\n');
          expect(
            stderr.match(/(?:Permission denied|Operation not permitted)/g),
            stderr,
          ).to.have.length(2);
        }
      } finally {
        await shop.close();
      }
    },
  );
});
