/** A data root without room: what was asked for fails with one kind of error, nothing half is there, and it succeeds when there is room. */
import { expect } from 'chai';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ContentStore } from '../../lib/image/content/content-store.js';
import { Engine } from '../../lib/index.js';
import { dockerArchive, packDirectory, tarOf } from '../support/archives.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { blobOf, expectConsistent, leftIn } from '../support/image-store.js';
import { needsRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { rejectionOf } from '../support/rejection.js';
import { SmallDisk } from '../support/small-disk.js';
import { makeBusybox } from '../support/workshop.js';

const MIB = 2 ** 20;

needsRoot('a file system of its own').describe('Images on a full disk', function () {
  this.timeout(60_000);
  let directory: string;
  let disk: SmallDisk;
  let engine: Engine;
  let content: ContentStore;

  // Before the directory is removed.
  afterEach(async () => {
    for (const { config } of await engine.list())
      await (await engine.get(config.id)).remove({ force: true });
    await engine.close();
    disk[Symbol.dispose]();
  });
  setUpFreshDirectory((path) => (directory = path));
  beforeEach(async () => {
    const [dataRoot, runRoot] = [join(directory, 'data'), join(directory, 'run')];
    mkdirSync(dataRoot);
    disk = SmallDisk.mount(dataRoot, '8m');
    engine = await Engine.open({ dataRoot, runRoot });
    content = new ContentStore(dataRoot);
  });

  /** With busybox, and one more layer. */
  function archive(layer: Buffer): string {
    const tree = packDirectory(
      makeBusybox(join(directory, 'busybox')),
      join(directory, 'tree.tar'),
    );
    const path = join(directory, 'image.tar');
    writeFileSync(path, dockerArchive('full:1', [gzipSync(readFileSync(tree)), layer]));
    return path;
  }
  const tree = () =>
    packDirectory(makeBusybox(join(directory, 'busybox')), join(directory, 'tree.tar'));

  const runs = async (argv: readonly string[], name = 'full:1') =>
    (await engine.run(name, argv, { pull: 'never' })).stdout;

  /** What has failed has left no image, and after a collection nothing else. */
  async function expectNothing(images: readonly string[] = []): Promise<void> {
    expect((await engine.images.list()).flatMap(({ names }) => names)).to.deep.equal(images);
    expectConsistent(content);
    await engine.images.prune();
    expect(leftIn(content)).to.deep.equal([]);
    if (images.length > 0) return;
    expect(readdirSync(content.paths.blobs)).to.deep.equal([]);
    expect(readdirSync(content.paths.layers)).to.deep.equal([]);
  }

  async function expectFull(work: Promise<unknown>): Promise<void> {
    const error = await rejectionOf(work);
    expect(error.code, error.message).to.equal('ERR_STORAGE');
    expect(error.errno, error.message).to.equal('ENOSPC');
  }

  it('An image that is loaded, and a tree that is imported', async () => {
    const path = archive(tarOf([['data', blobOf(6 * MIB, 1).bytes]]));
    await expectFull(engine.images.load(path));
    await expectNothing();
    const large = join(directory, 'large.tar');
    writeFileSync(large, tarOf([['data', blobOf(9 * MIB, 1).bytes]]));
    await expectFull(engine.images.import(large, 'imported:1'));
    await expectNothing();
    disk.resize('64m');
    await engine.images.load(path);
    expect(await runs(['sh', '-c', 'wc -c </data'])).to.equal(`${6 * MIB}\n`);
    await engine.images.import(tree(), 'imported:1');
    expect(await runs(['echo', 'x'], 'imported:1')).to.equal('x\n');
  });

  it('A layer that has room as a blob, and none unpacked', async () => {
    const path = archive(gzipSync(tarOf([['data', blobOf(12 * MIB, 1).bytes]])));
    await expectFull(engine.images.load(path));
    await expectNothing();
    disk.resize('64m');
    await engine.images.load(path);
    expect(await runs(['sh', '-c', 'wc -c </data'])).to.equal(`${12 * MIB}\n`);
    expectConsistent(content);
  });

  it('A container that is committed: it stays as it is', async () => {
    disk.resize('64m');
    await engine.images.load(archive(tarOf([['small', 'x']])));
    const container = await engine.create('full:1', ['sh', '-c', 'head -c 3000000 /dev/urandom >/big; echo written; exec sleep 1000']); // prettier-ignore
    await container.start();
    for await (const { bytes } of container.logs({ follow: true })) if (bytes.includes('written')) break; // prettier-ignore
    disk.fill();
    await expectFull(container.commit('committed:1'));
    expect((await container.inspect()).status).to.equal('running');
    await expectNothing(['full:1']);
    disk.free();
    await container.commit('committed:1');
    expect(await runs(['sh', '-c', 'wc -c </big'], 'committed:1')).to.equal('3000000\n');
    await container.kill();
  });

  it('A new volume that gets what the image has: the next start completes it', async () => {
    disk.resize('64m');
    const files = Array.from({ length: 30 }, (_, index) => [`data/${index}`, blobOf(100_000, index).bytes] as const); // prettier-ignore
    await engine.images.load(archive(tarOf(files)));
    await engine.volumes.create('fresh');
    const container = await engine.create('full:1', ['sh', '-c', 'cat /data/* | wc -c; cat /data/29 | wc -c'], { volumes: ['fresh:/data'] }); // prettier-ignore
    const run = () => engine.run('full:1', ['sh', '-c', 'cat /data/* | wc -c'], { volumes: ['fresh:/data'], pull: 'never' }); // prettier-ignore
    // Room for a part of it, and for what a start writes beside it.
    disk.fill(MIB);
    const error = await rejectionOf(run());
    expect(error.errno, error.message).to.equal('ENOSPC');
    disk.free();
    expect((await run()).stdout).to.equal('3000000\n');
    expect((await container.startAttached()).exitCode).to.equal(0);
    await eventually(async () => expect((await container.inspect()).status).to.equal('exited'));
    expect((await engine.usage()).volumes.size).to.equal(3_000_000);
  });

  it('Names that are given and taken away', async () => {
    disk.resize('64m');
    await engine.images.load(archive(tarOf([['small', 'x']])));
    disk.fill();
    await expectFull(engine.images.tag('full:1', 'other:1'));
    // The index without a name is shorter, but it is a new file.
    await expectFull(engine.images.remove('full:1'));
    expect((await engine.images.list()).flatMap(({ names }) => names)).to.deep.equal(['full:1']);
    disk.free();
    await engine.images.tag('full:1', 'other:1');
    await engine.images.remove('full:1');
    expect(await runs(['echo', 'x'], 'other:1')).to.equal('x\n');
  });
});
