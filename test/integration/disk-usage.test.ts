/** `engine.usage()` and `engine.pruneUnused()`: what is on the disk, and what is removed of it. */
import { expect } from 'chai';
import { existsSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../../lib/base/ids.js';
import { createContainer } from '../../lib/engine/container/create-container.js';
import { contextOf } from '../../lib/engine/engine.js';
import { Engine } from '../../lib/index.js';
import { ContentStore } from '../../lib/image/content/content-store.js';
import { dockerArchive, layerOf } from '../support/archives.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { expectConsistent } from '../support/image-store.js';
import { rejectionOf } from '../support/rejection.js';

describe('Disk usage', function () {
  this.timeout(60_000);
  let directory: string;
  let engine: Engine;
  let content: ContentStore;
  const layers = [1, 2, 3].map((seed) => layerOf(seed * 10_000, seed));

  // Before the directory is removed.
  afterEach(async () => {
    for (const { config } of await engine.list())
      await (await engine.get(config.id)).remove({ force: true });
    await engine.close();
  });
  setUpFreshDirectory((path) => {
    directory = path;
    content = new ContentStore(join(path, 'data'));
  });
  beforeEach(async () => {
    const [dataRoot, runRoot] = [join(directory, 'data'), join(directory, 'run')];
    engine = await Engine.open({ dataRoot, runRoot });
  });

  /** Of the layers with these indexes. */
  async function load(name: string, ...which: number[]): Promise<void> {
    const archive = dockerArchive(name, which.map((index) => layers[index]?.bytes ?? Buffer.of())); // prettier-ignore
    await engine.images.load(
      (async function* () {
        yield await Promise.resolve(archive);
      })(),
    );
  }

  /** Bytes of the files of the store that the garbage collection removes without images. */
  function blobBytes(): number {
    const { blobs } = content.paths;
    return readdirSync(blobs).reduce((sum, name) => sum + statSync(join(blobs, name)).size, 0);
  }

  it('Nothing is in use where there is nothing', async () => {
    const nothing = { items: [], active: 0, size: 0, reclaimable: 0 };
    expect(await engine.usage()).to.deep.equal({
      images: nothing,
      containers: nothing,
      volumes: nothing,
      builds: nothing,
    });
    expect(await engine.pruneUnused()).to.deep.include({ freed: 0, networks: [] });
  });

  it('Layers that several images have count once, and what a container needs cannot be reclaimed', async () => {
    await load('one:1', 0, 1);
    await load('two:1', 0, 2);
    const before = (await engine.usage()).images;
    const [one, two] = ['one:1', 'two:1'].map((name) =>
      before.items.find(({ image }) => image.names.includes(name)),
    );
    if (one === undefined || two === undefined) throw new Error('an image is missing');
    // The layer that both have: its blob, and its file.
    expect(one.shared).to.equal((layers[0]?.size ?? 0) + 10_000);
    expect(two.shared).to.equal(one.shared);
    expect(before.size).to.equal(one.size + two.size - one.shared);
    expect(before.size).to.equal(blobBytes() + 60_000);
    expect(before).to.include({ active: 0, reclaimable: before.size });
    await engine.create('one:1', ['/bin/true']);
    await engine.create('one:1', ['/bin/true']);
    const after = (await engine.usage()).images;
    expect(after).to.include({ active: 1, size: before.size, reclaimable: two.size - two.shared });
    expect(after.items.map(({ containers }) => containers).sort()).to.deep.equal([0, 2]);
  });

  it('Containers and volumes have the bytes that were written, and those that are in use cannot be reclaimed', async () => {
    const write = (bytes: number) => ['sh', '-c', `head -c ${bytes} /dev/zero | tee /data/file >/file; echo written; exec sleep 1000`]; // prettier-ignore
    const running = await engine.create('host', write(5000), { volumes: ['used:/data'] });
    const stopped = await engine.create('host', write(3000), { volumes: ['/data'] });
    for (const box of [running, stopped]) {
      await box.start();
      for await (const { bytes } of box.logs({ follow: true }))
        if (bytes.includes('written')) break;
    }
    await stopped.kill();
    await stopped.wait();
    await engine.volumes.create('unused');
    const { containers, volumes } = await engine.usage();
    expect(containers.active).to.equal(1);
    expect(containers.items.map(({ size }) => size)).to.deep.equal([3000, 5000]);
    expect(containers).to.include({ size: 8000, reclaimable: 3000 });
    expect(volumes).to.include({ active: 2, size: 8000, reclaimable: 0 });
    expect(volumes.items).to.have.length(3);
    await stopped.remove();
    expect((await engine.usage()).volumes).to.include({ active: 1, size: 8000, reclaimable: 3000 });
  });

  it('Everything that is not in use is removed, and no more than that: as many bytes as can be reclaimed', async () => {
    await load('kept:1', 0, 1);
    await load('gone:1', 0, 2);
    const kept = await engine.create('kept:1', ['/bin/true'], { autoRemove: false });
    const box = await engine.create('host', ['sleep', '1000']);
    await box.start();
    await engine.create('host', ['true'], { labels: { keep: '' } });
    await engine.networks.create('net-1');
    await engine.volumes.create('named');
    const { name: anonymous } = await engine.volumes.create();
    const first = await engine.pruneUnused({ filters: ['label!=keep'], volumes: true });
    expect(first.containers.removed).to.deep.equal([kept.id]);
    expect(first.networks.map(({ name }) => name)).to.deep.equal(['net-1']);
    expect(first.volumes.removed).to.deep.equal([anonymous]);
    expect(first.images).to.deep.include({ untagged: [], deleted: [] });
    const { images } = await engine.usage();
    const second = await engine.pruneUnused({ allImages: true });
    expect(second.images.untagged.toSorted()).to.deep.equal(['gone:1', 'kept:1']);
    expect(second.images.freed).to.equal(images.reclaimable);
    expect(second.images.freed).to.equal(images.size);
    expect(second.freed).to.equal(second.images.freed + second.containers.freed);
    expect((await engine.list()).map(({ config }) => config.id)).to.deep.equal([box.id]);
    expect((await engine.volumes.list()).map(({ name }) => name)).to.deep.equal(['named']);
    expect(blobBytes()).to.equal(0);
    expectConsistent(content);
    await box.kill();
  });

  it('A run that is about to start is its process’s, and removed only without that', async () => {
    const context = contextOf(engine);
    const create = (id: string) => createContainer(context, context, 'host', ['true'], {}, id);
    const [own, left] = [await create(newId()), await create(newId())];
    const owner = join(directory, 'data/containers', left, 'owner');
    rmSync(owner);
    symlinkSync(`1 1 ${newId()}`, owner);
    expect((await engine.prune()).removed).to.deep.equal([left]);
    expect((await engine.list()).map(({ config }) => config.id)).to.deep.equal([own]);
  });

  it('Wrong options are refused before anything is removed', async () => {
    const box = await engine.create('host', ['true']);
    for (const [options, code] of [
      [{ filters: ['until=1h'], volumes: true }, 'ERR_CONFLICTING_OPTIONS'],
      [{ filters: ['nope=1'] }, 'ERR_INVALID_OPTION'],
      [{ filters: ['until=nonsense'] }, 'ERR_INVALID_OPTION'],
      [{ filters: 'label=x' as never }, 'ERR_INVALID_OPTION'],
      [{ allImages: 'yes' as never }, 'ERR_INVALID_OPTION'],
      [{ volumes: 1 as never }, 'ERR_INVALID_OPTION'],
      ['all' as never, 'ERR_INVALID_OPTION'],
    ] as const)
      expect(await rejectionOf(engine.pruneUnused(options))).to.have.property('code', code);
    expect(existsSync(join(directory, 'data/containers', box.id))).to.equal(true);
  });
});
