/** Images go to and come from a real registry. */
import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { MEDIA_TYPES } from '../../lib/image/manifest.js';
import { parsePlatform } from '../../lib/image/platform.js';
import { uploadBlob } from '../../lib/image/registry/push-blob.js';
import { RegistrySession } from '../../lib/image/registry/registry-session.js';
import { RETRIES } from '../../lib/image/registry/retry.js';
import type { BlobSource } from '../../lib/image/registry/transfer.js';
import { Transport } from '../../lib/image/registry/transport.js';
import { BreakingRelay } from '../support/breaking-relay.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { needsProgram } from '../support/needs.js';
import {
  descriptorOf,
  digestOf,
  makeImage,
  MemorySink,
  pushImage,
  sourceOf,
  TestRegistry,
} from '../support/registry.js';
import { rejectionOf } from '../support/rejection.js';

const run = promisify(execFile);

needsProgram('docker-registry').describe('images in a registry', () => {
  let registry: TestRegistry;
  before(async () => {
    registry = await TestRegistry.start();
  });
  after(() => registry.stop());

  for (const docker of [false, true])
    it(`An image in the format of ${docker ? 'Docker' : 'OCI'} is pushed, and pulled by its tag and its digest`, async () => {
      const name = docker ? 'docker' : 'oci';
      const image = makeImage([randomBytes(200_000), randomBytes(10), Buffer.alloc(0)], { docker });
      const client = await registry.open(`${name}:1`);
      await pushImage(client, image);
      const byTag = await client.resolve();
      expect(byTag.descriptor).to.deep.equal(image.descriptor);
      expect(Buffer.from(byTag.bytes).equals(image.manifest)).to.equal(true);
      expect(byTag.indexes).to.deep.equal([]);
      expect(await client.head()).to.equal(image.descriptor.digest);
      const pinned = await registry.open(`${name}@${image.descriptor.digest}`);
      expect((await pinned.resolve()).descriptor).to.deep.equal(image.descriptor);
      const { config, layers } = byTag.manifest;
      for (const [i, descriptor] of [config, ...layers].entries()) {
        const sink = new MemorySink();
        const progress: number[] = [];
        await client.fetchBlob(descriptor, sink, {
          onProgress: (current) => progress.push(current),
        });
        expect(sink.bytes.equals([image.config, ...image.layers][i]!)).to.equal(true);
        expect(progress.at(-1) ?? 0).to.equal(descriptor.size);
      }
      await Promise.all([client.close(), pinned.close()]);
    });

  it('An index leads to the manifest of a platform, and says what there is if there is none', async () => {
    const client = await registry.open('multi:1');
    const images = ['amd64', 'arm64'].map((architecture) =>
      makeImage([Buffer.from(architecture)], { architecture }),
    );
    for (const image of images) await pushImage(client, image, image.descriptor.digest);
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.index,
        manifests: images.map(({ descriptor }, i) => ({
          ...descriptor,
          platform: { os: 'linux', architecture: ['amd64', 'arm64'][i] },
        })),
      }),
    );
    await client.pushManifest(index, MEDIA_TYPES.index);
    for (const [i, text] of ['linux/amd64', 'linux/arm64/v8'].entries()) {
      const { descriptor, indexes } = await client.resolve(parsePlatform(text));
      expect(descriptor.digest).to.equal(images[i]!.descriptor.digest);
      expect(indexes.map((each) => each.descriptor.digest)).to.deep.equal([digestOf(index)]);
    }
    const error = await rejectionOf(client.resolve(parsePlatform('linux/s390x')));
    expect(error.code).to.equal('ERR_NO_SUCH_IMAGE');
    expect(error.hint).to.equal('it has images for linux/amd64, linux/arm64');
    await client.close();
  });

  it('A download continues after the bytes that are there, and begins again if these were wrong', async () => {
    const blob = randomBytes(300_000);
    const client = await registry.open('range:1');
    await client.pushBlob(descriptorOf(blob), sourceOf(blob));
    const begun = new MemorySink(blob.subarray(0, 123_457));
    const seen: number[] = [];
    await client.fetchBlob(descriptorOf(blob), begun, { onProgress: (now) => seen.push(now) });
    expect(begun.bytes.equals(blob)).to.equal(true);
    expect(begun.resets).to.equal(0);
    expect(seen[0]).to.be.above(123_457);
    const wrong = new MemorySink(Buffer.alloc(123_457));
    await client.fetchBlob(descriptorOf(blob), wrong);
    expect(wrong.bytes.equals(blob)).to.equal(true);
    expect(wrong.resets).to.equal(1);
    const whole = new MemorySink(blob);
    await client.fetchBlob(descriptorOf(blob), whole);
    expect(whole.resets).to.equal(0);
    const tooMuch = new MemorySink(Buffer.concat([blob, blob]));
    await client.fetchBlob(descriptorOf(blob), tooMuch);
    expect(tooMuch.bytes.equals(blob)).to.equal(true);
    await client.close();
  });

  it('A sink that hashes what it has is not read, and its digest decides', async () => {
    class Hashing extends MemorySink {
      override read(): never {
        throw new Error('it was read');
      }
      digest(): string {
        return digestOf(this.bytes);
      }
    }
    const blob = randomBytes(300_000);
    const client = await registry.open('hashing:1');
    await client.pushBlob(descriptorOf(blob), sourceOf(blob));
    for (const [begun, resets] of [
      [blob.subarray(0, 1000), 0],
      [Buffer.alloc(1000), 1],
    ] as const) {
      // prettier-ignore
      const sink = new Hashing(begun);
      await client.fetchBlob(descriptorOf(blob), sink);
      expect(sink.bytes.equals(blob)).to.equal(true);
      expect(sink.resets).to.equal(resets);
    }
    await client.close();
  });

  it('A large blob is sent in pieces, and continues after each break of the connection', async () => {
    const blob = randomBytes(1_000_000);
    const relay = await BreakingRelay.start(registry.host, 150_000);
    const { host } = relay;
    const transport = new Transport({ env: {}, certificateDirectories: [], unverified: new Set() });
    const retries = { ...RETRIES, attempts: 3, delay: 5 };
    const session = new RegistrySession({ host, insecure: false, credentials: undefined, transport, retries, stallTimeout: 5000 }); // prettier-ignore
    const offsets: number[] = [];
    const source = sourceOf(blob, 10_000);
    const counted: BlobSource = {
      read: (offset) => {
        offsets.push(offset);
        return source.read(offset);
      },
    };
    try {
      await uploadBlob({ session, path: 'pieces' }, descriptorOf(blob), counted, {}, 100_000);
    } finally {
      await transport.close();
      await relay.stop();
    }
    expect(relay.broken).to.be.above(3);
    // It never began again.
    expect(offsets.filter((offset) => offset === 0).length).to.be.below(3);
    const client = await registry.open('pieces:1');
    const sink = new MemorySink();
    await client.fetchBlob(descriptorOf(blob), sink);
    expect(sink.bytes.equals(blob)).to.equal(true);
    await client.close();
  });

  it('A blob is uploaded once, and taken over from another repository', async () => {
    const blob = randomBytes(1_000_003);
    const client = await registry.open('push/one:1');
    const other = await registry.open('push/two:1');
    const descriptor = descriptorOf(blob);
    expect(await client.hasBlob(descriptor)).to.equal(false);
    expect(await client.pushBlob(descriptor, sourceOf(blob))).to.equal('uploaded');
    expect(await client.pushBlob(descriptor, sourceOf(blob))).to.equal('exists');
    expect(await other.pushBlob(descriptor, sourceOf(blob), { mountFrom: ['push/none', 'push/one'] })).to.equal('mounted'); // prettier-ignore
    expect(await other.hasBlob(descriptor)).to.equal(true);
    const sink = new MemorySink();
    await other.fetchBlob(descriptor, sink);
    expect(sink.bytes.equals(blob)).to.equal(true);
    await Promise.all([client.close(), other.close()]);
  });

  it('Bytes with another digest or size than announced are refused by the registry or before', async () => {
    const client = await registry.open('wrong:1');
    const blob = randomBytes(1000);
    const error = await rejectionOf(
      client.pushBlob(descriptorOf(blob), sourceOf(randomBytes(1000))),
    );
    expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
    const short = await rejectionOf(client.pushBlob(descriptorOf(blob), sourceOf(blob.subarray(1)))); // prettier-ignore
    expect(short.code).to.equal('ERR_DIGEST_MISMATCH');
    expect(await client.hasBlob(descriptorOf(blob))).to.equal(false);
    await client.close();
  });

  it('What the registry does not have is ERR_NO_SUCH_IMAGE', async () => {
    const client = await registry.open('missing:1');
    for (const ask of [
      () => client.resolve(),
      () => client.head(),
      () => client.manifest(digestOf(Buffer.from('x'))),
      () => client.fetchBlob(descriptorOf(Buffer.from('x')), new MemorySink()),
    ]) {
      const error = await rejectionOf(ask());
      expect(error.code).to.equal('ERR_NO_SUCH_IMAGE');
      expect(error.hint).to.be.a('string');
    }
    await client.close();
  });

  it('A registry that is not running is ERR_REGISTRY_UNREACHABLE', async () => {
    const stopped = await TestRegistry.start();
    const client = await stopped.open('any:1');
    await stopped.stop();
    const error = await rejectionOf(client.resolve());
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(error.errno).to.equal('ECONNREFUSED');
  });

  it('A transfer ends with ERR_ABORTED when its signal is aborted', async () => {
    const client = await registry.open('abort:1');
    const blob = randomBytes(4_000_000);
    await client.pushBlob(descriptorOf(blob), sourceOf(blob));
    const controller = new AbortController();
    const sink = new MemorySink();
    const error = await rejectionOf(
      client.fetchBlob(descriptorOf(blob), sink, {
        signal: controller.signal,
        onProgress: () => controller.abort(),
      }),
    );
    expect(error.code).to.equal('ERR_ABORTED');
    expect(sink.offset).to.be.within(1, blob.length - 1);
    expect((await rejectionOf(client.resolve(undefined, controller))).code).to.equal('ERR_ABORTED');
    await client.close();
  });

  needsProgram('skopeo').describe('beside skopeo', () => {
    let directory: string;
    setUpFreshDirectory((path) => (directory = path));

    it('Skopeo pulls what was pushed, byte for byte', async () => {
      const image = makeImage([randomBytes(70_000), randomBytes(5)]);
      const client = await registry.open('for/skopeo:1');
      await pushImage(client, image);
      await client.close();
      await skopeo(`docker://${registry.host}/for/skopeo:1`, `dir:${directory}/out`);
      expect(readFileSync(`${directory}/out/manifest.json`).equals(image.manifest)).to.equal(true);
      for (const blob of [image.config, ...image.layers])
        expect(readFileSync(`${directory}/out/${digestOf(blob).slice(7)}`).equals(blob)).to.equal(true); // prettier-ignore
    });

    it('What skopeo has pushed is pulled, byte for byte', async () => {
      // Layers that are not compressed would be changed by skopeo.
      const layers = [70_000, 5].map((length) => gzipSync(randomBytes(length)));
      const image = makeImage(layers, { docker: true });
      const source = join(directory, 'in');
      mkdirSync(source);
      writeFileSync(join(source, 'manifest.json'), image.manifest);
      writeFileSync(join(source, 'version'), 'Directory Transport Version: 1.1\n');
      for (const blob of [image.config, ...image.layers])
        writeFileSync(join(source, digestOf(blob).slice(7)), blob);
      await skopeo(`dir:${source}`, `docker://${registry.host}/from/skopeo:1`);
      const client = await registry.open('from/skopeo:1');
      const { manifest, bytes } = await client.resolve();
      expect(Buffer.from(bytes).equals(image.manifest)).to.equal(true);
      for (const [i, layer] of manifest.layers.entries()) {
        const sink = new MemorySink();
        await client.fetchBlob(layer, sink);
        expect(sink.bytes.equals(image.layers[i]!)).to.equal(true);
      }
      await client.close();
    });

    const skopeo = (from: string, to: string) =>
      run('skopeo', [
        'copy',
        '--insecure-policy',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        from,
        to,
      ]);
  });
});
