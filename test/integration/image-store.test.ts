/** The image store on disk, with several processes that change it at once, and with killed ones. */
import { expect } from 'chai';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CaissonError } from '../../lib/index.js';
import { ContentStore } from '../../lib/image/content/content-store.js';
import { holdImage } from '../../lib/image/snapshots/image-hold.js';
import { blobOf, expectConsistent, leftIn, putImage } from '../support/image-store.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { needsSkopeo } from '../support/images.js';
import { needsRoot } from '../support/needs.js';
import { fixture } from '../support/paths.js';
import { sleep } from '../support/outside.js';
import { rejectionOf } from '../support/rejection.js';
import { SmallDisk } from '../support/small-disk.js';

/** Of the test with killed processes; scripts/soak has 200. */
const KILLS = Number(process.env['CAISSON_TEST_KILLS'] ?? 12);

describe('The image store', function () {
  this.timeout(60_000);
  let directory: string;
  let store: ContentStore;
  const children: ChildProcess[] = [];

  setUpFreshDirectory((path) => {
    directory = path;
    store = new ContentStore(join(path, 'data'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    }
  });

  /** Another process; its lines come as they are printed. */
  function worker(...args: readonly string[]) {
    const child = spawn(
      process.execPath,
      [fixture('image-store-worker'), join(directory, 'data'), ...args],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      child,
      next: async () => ((await lines.next()) as { value: string }).value,
      finish: () => child.stdin.end(),
    };
  }

  const ingestWhole = async (size: number, seed: number) => {
    await using lease = await store.lease();
    const { bytes, ...blob } = blobOf(size, seed);
    const ingest = await lease.ingest(blob);
    const offset = ingest?.offset;
    try {
      await ingest?.write(bytes.subarray(ingest.offset));
      await ingest?.commit();
    } catch (error) {
      await ingest?.close();
      throw error;
    }
    return { offset, ...blob };
  };

  it('A new store is an OCI image layout, and an image in it has the name of its entry', async () => {
    const { digest, size } = await putImage(store, 'docker.io/library/one:latest', 1);
    const { root } = store.paths;
    expect(JSON.parse(readFileSync(join(root, 'oci-layout'), 'utf8'))).to.deep.equal({
      imageLayoutVersion: '1.0.0',
    });
    const index = JSON.parse(readFileSync(join(root, 'index.json'), 'utf8')) as object;
    expect(index).to.have.property('schemaVersion', 2);
    expect(index).to.have.deep.property('manifests', [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest,
        size,
        annotations: { 'org.opencontainers.image.ref.name': 'docker.io/library/one:latest' },
      },
    ]);
    expect(leftIn(store)).to.deep.equal([]);
  });

  needsSkopeo().it('An image of the store is read by skopeo by its full name', async () => {
    const { digest } = await putImage(store, 'docker.io/library/one:latest', 1);
    const name = `oci:${store.paths.root}:docker.io/library/one:latest`;
    const text = execFileSync('skopeo', ['inspect', name], { encoding: 'utf8' });
    expect(JSON.parse(text)).to.have.property('Digest', digest);
  });

  it('Two processes that want one blob write it once: the second one waits for the first', async () => {
    const first = worker('ingest', '2000000', '1');
    expect(await first.next()).to.equal('begun');
    const second = worker('ingest', '2000000', '1');
    expect(await second.next()).to.equal('waiting');
    for (const each of [first, second]) each.finish();
    expect([await first.next(), await second.next()]).to.deep.equal(['2000000', '0']);
    expectConsistent(store);
  });

  it('If the process that writes a blob is killed, the one that waits continues with what was written', async () => {
    const first = worker('ingest', '2000000', '1');
    expect(await first.next()).to.equal('begun');
    const second = worker('ingest', '2000000', '1');
    expect(await second.next()).to.equal('waiting');
    first.child.kill('SIGKILL');
    second.finish();
    expect(await second.next()).to.equal('begun');
    expect(Number(await second.next()))
      .to.be.greaterThan(0)
      .and.to.be.lessThan(2_000_000);
    expectConsistent(store);
  });

  it('A partial blob is continued where it ended, and its digest is that of all bytes', async () => {
    const { bytes, ...blob } = blobOf(300_000, 2);
    await using lease = await store.lease();
    const first = await lease.ingest(blob);
    await first!.write(bytes.subarray(0, 123_456));
    await first!.close();
    const second = await lease.ingest(blob);
    expect(second!.offset).to.equal(123_456);
    const parts: Buffer[] = [];
    for await (const part of second!.written()) parts.push(part);
    expect(Buffer.concat(parts).equals(bytes.subarray(0, 123_456))).to.equal(true);
    await second!.write(bytes.subarray(123_456));
    await second!.commit();
    expect(readFileSync(store.blobPath(blob.digest)).equals(bytes)).to.equal(true);
    expect(await lease.ingest(blob)).to.equal(undefined);
  });

  it('A blob with other bytes, with more, or with fewer is refused, and the next try succeeds', async () => {
    const { bytes, ...blob } = blobOf(5000, 3);
    await using lease = await store.lease();
    const attempt = async (content: Uint8Array) => {
      const ingest = await lease.ingest(blob);
      try {
        await ingest!.write(content);
        await ingest!.commit();
      } finally {
        await ingest!.close().catch(() => undefined);
      }
    };
    for (const content of [
      Buffer.alloc(5000),
      Buffer.concat([bytes, Buffer.from('x')]),
      bytes.subarray(0, 4999),
    ]) {
      const error = await rejectionOf(attempt(content));
      expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
      expect(store.has(blob)).to.equal(false);
    }
    expect((await ingestWhole(5000, 3)).offset).to.equal(4999);
    expect(store.has(blob)).to.equal(true);
  });

  it('The collection keeps what the index, a lease, a container or a process needs, and nothing else', async () => {
    const named = await putImage(store, 'localhost/named:1', 1);
    const ofContainer = await putImage(store, 'localhost/container:1', 2);
    const used = await putImage(store, 'localhost/used:1', 3);
    const leased = await putImage(store, 'localhost/leased:1', 4);
    const unused = await putImage(store, 'localhost/unused:1', 5);
    const lease = await store.lease();
    await lease.pin(leased.digest);
    const use = holdImage(join(directory, 'data'), used.digest, 'used');
    for (const image of [named, ofContainer, used, leased, unused])
      for (const { digest } of image.layers)
        mkdirSync(join(store.layerPath(digest), 'root'), { recursive: true });
    await store.change((entries) => entries.filter(({ name }) => name === 'localhost/named:1'));
    const roots = () => [ofContainer.digest];

    const isWhole = (image: typeof named) =>
      [image, ...image.layers].every((blob) => store.has(blob)) &&
      image.layers.every(({ digest }) => existsSync(store.layerPath(digest)));
    const first = await store.collect({ roots });
    expect([named, ofContainer, used, leased].map(isWhole)).to.deep.equal([true, true, true, true]);
    // The layer that it shares with others stays.
    expect(first.blobs).to.have.length(3);
    expect(first.layers).to.deep.equal([unused.layers[1]!.digest]);
    expect(first.bytes).to.be.greaterThan(20_000);
    expect(store.has(unused)).to.equal(false);

    use.release();
    await lease.close();
    await store.collect();
    expect([named, ofContainer, used, leased].map(isWhole)).to.deep.equal([true, false, false, false]); // prettier-ignore
    expect(readdirSync(store.paths.blobs)).to.have.length(4);
    expectConsistent(store);
    expect(leftIn(store)).to.deep.equal([]);
  });

  it('A blob that was found after it was pinned is not removed by a collection that runs meanwhile', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const blob = await ingestWhole(2000, seed);
      await using lease = await store.lease();
      const [, ingest] = await Promise.all([store.collect(), lease.ingest(blob)]);
      if (ingest === undefined) expect(store.has(blob)).to.equal(true);
      else await ingest.remove();
    }
  });

  /** With layers that are unpacked. */
  const putUnpacked = async (name: string) => {
    const image = await putImage(store, name, 1);
    const paths = image.layers.map(({ digest }) => store.layerPath(digest));
    for (const path of paths) mkdirSync(join(path, 'root'), { recursive: true });
    return { ...image, isWhole: () => [image, ...image.layers].every((blob) => store.has(blob)) && paths.every((path) => existsSync(path)) }; // prettier-ignore
  };

  it('A container that is stored while a collection looks for unused images keeps its image', async () => {
    const image = await putUnpacked('localhost/late:1');
    await store.change(() => []);
    // It was held before the collection had its manifest locked, and is stored and free now.
    let looks = 0;
    const roots = () => (looks++ === 0 ? [] : [image.digest]);
    expect((await store.collect({ roots })).blobs).to.deep.equal([]);
    expect(image.isWhole()).to.equal(true);
    await store.collect();
    expect(image.isWhole()).to.equal(false);
  });

  it('No process begins to use an image after a collection has decided to remove it', async () => {
    const image = await putUnpacked('localhost/late:1');
    await store.change(() => []);
    const hold = () =>
      spawnSync(
        process.execPath,
        [fixture('image-store-worker'), join(directory, 'data'), 'hold', image.digest],
        { encoding: 'utf8' },
      ).stdout.trim();
    expect(hold()).to.equal('held');
    const found: string[] = [];
    const roots = () => {
      // The second look is the decision: from here on another process does not get it.
      if (found.push(hold()) === 2) expect(image.isWhole()).to.equal(true);
      return [];
    };
    await store.collect({ roots });
    expect(found).to.deep.equal(['held', 'ERR_NO_SUCH_IMAGE']);
    expect(readdirSync(store.paths.blobs)).to.deep.equal([]);
    expect(readdirSync(store.paths.layers)).to.deep.equal([]);
    expect(hold()).to.equal('ERR_NO_SUCH_IMAGE');
  });

  it('More images than a collection locks at once are removed by one, and strange files with them', async () => {
    for (let seed = 0; seed < 70; seed++) await putImage(store, `localhost/image:${seed}`, seed);
    await store.change((entries) => entries.slice(0, 1));
    mkdirSync(join(store.paths.blobs, 'directory'));
    writeFileSync(join(store.paths.blobs, 'no-json'), '{"layers":');
    writeFileSync(join(store.paths.blobs, 'null'), '{"layers":[null,{"digest":7}]}');
    const { blobs } = await store.collect();
    expect(blobs).to.have.length(69 * 3 + 1 + 3);
    expect(readdirSync(store.paths.blobs)).to.have.length(4);
    expectConsistent(store);
  });

  it('An image that is not there (any more) cannot be used', async () => {
    const { digest } = await putImage(store, 'localhost/gone:1', 1);
    await store.change(() => []);
    await store.collect();
    expect(() => holdImage(join(directory, 'data'), digest, 'gone'))
      .to.throw(CaissonError)
      .with.property('code', 'ERR_NO_SUCH_IMAGE');
    expect((await rejectionOf(store.readJson(digest))).code).to.equal('ERR_INVALID_IMAGE');
  });

  it('A manifest that was changed on the disk, and an index that is none, are errors', async () => {
    const { digest } = await putImage(store, 'localhost/one:1', 1);
    writeFileSync(store.blobPath(digest), '{"schemaVersion":2}');
    expect((await rejectionOf(store.readJson(digest))).code).to.equal('ERR_INVALID_IMAGE');
    for (const text of ['', '[]', '{"manifests":{}}', '{"manifests":[{"digest":"sha256:../x"}]}']) {
      writeFileSync(store.paths.index, text);
      const error = await rejectionOf(store.collect());
      expect(error.code, text).to.equal('ERR_DAMAGED_STATE');
    }
    expect(store.has(blobOf(9000, 1))).to.equal(true);
  });

  it(`Processes that are killed at ${KILLS} random moments leave a store that is consistent`, async function () {
    this.timeout(20_000 + KILLS * 2000);
    for (let kill = 0; kill < KILLS; kill++) {
      const workers = [worker('images'), worker('images')];
      for (const { next } of workers) expect(await next()).to.equal('begun');
      // The moment of the kill.
      await sleep(Math.random() * 120);
      for (const { child } of workers) {
        child.kill('SIGKILL');
        await once(child, 'close');
      }
      expectConsistent(store);
    }
    const { digest } = await putImage(store, 'localhost/last:1', 6);
    await store.change((entries) => entries.filter((entry) => entry.digest === digest));
    await store.collect();
    expectConsistent(store);
    expect(leftIn(store)).to.deep.equal([]);
    expect(readdirSync(store.paths.blobs)).to.have.length(4);
  });

  needsRoot('a file system of its own').it(
    'On a full disk nothing half is left, and the next try succeeds when there is space',
    async () => {
      mkdirSync(join(directory, 'data'));
      using disk = SmallDisk.mount(join(directory, 'data'), '4m');
      const before = await putImage(store, 'localhost/before:1', 1);
      const error = await rejectionOf(ingestWhole(6 << 20, 7));
      expect(error.code).to.equal('ERR_STORAGE');
      expect(error.errno).to.equal('ENOSPC');
      expect(readFileSync(store.paths.unfinished(blobOf(6 << 20, 7).digest))).to.have.length(0);
      disk.fill();
      const full = await rejectionOf(putImage(store, 'localhost/after:1', 2));
      expect(full.code).to.equal('ERR_STORAGE');
      const tag = await rejectionOf(
        store.change((entries) => [...entries, { ...entries[0]!, name: 'localhost/tag:1' }]),
      );
      expect(tag.code).to.equal('ERR_STORAGE');
      expect(store.entries().map(({ name }) => name)).to.deep.equal(['localhost/before:1']);
      expectConsistent(store);
      disk.free();
      await putImage(store, 'localhost/after:1', 2);
      await store.collect();
      expectConsistent(store);
      expect(leftIn(store)).to.deep.equal([]);
      expect(store.has(before)).to.equal(true);
    },
  );
});
