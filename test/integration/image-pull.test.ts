/** `engine.images.pull` and `push` with a real registry: what is downloaded, unpacked, shared and continued. */
import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { imagesIn } from '../../lib/engine/images-in.js';
import type { ImageProgress } from '../../lib/image/image-progress.js';
import type { Images } from '../../lib/engine/images/images.js';
import { Store } from '../../lib/engine/store/store.js';
import { ContentStore } from '../../lib/image/content/content-store.js';
import { expectConsistent, leftIn } from '../support/image-store.js';
import { needsSkopeo, pushImage } from '../support/images.js';
import { needsProgram, needsRoot } from '../support/needs.js';
import { sleep } from '../support/outside.js';
import { fixture } from '../support/paths.js';
import { TestRegistry } from '../support/registry.js';
import { rejectionOf } from '../support/rejection.js';
import { SmallDisk } from '../support/small-disk.js';

const needs = [needsSkopeo(), needsProgram('docker-registry')].find((each) => each.it !== it);

/** Of the test with killed processes; scripts/soak has 200. */
const KILLS = Number(process.env['CAISSON_TEST_KILLS'] ?? 8);

(needs ?? { describe }).describe('Pulls and pushes', function () {
  this.timeout(120_000);
  let registry: TestRegistry;
  let directory: string;
  let content: ContentStore;
  let images: Images;
  const children: ChildProcess[] = [];

  before(async () => {
    registry = await TestRegistry.start();
    for (const name of ['busybox', 'forty'] as const) await pushImage(name, registry.host);
  });
  after(() => registry.stop());
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-test-'));
    ({ content, images } = open('data'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    }
    await rm(directory, { recursive: true, force: true });
  });

  function open(name: string) {
    const dataRoot = join(directory, name);
    const store = new Store({ dataRoot, runRoot: join(directory, 'run') });
    store.prepare();
    return { content: new ContentStore(dataRoot), images: imagesIn(store) };
  }

  /** Another process that pulls. */
  function puller(name: string) {
    const args = [fixture('image-puller'), join(directory, 'data'), join(directory, 'run'), name];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, next: async () => ((await lines.next()) as { value: string }).value };
  }

  const unpacked = () => readdirSync(content.paths.layers);

  it('An image is downloaded and unpacked, and a second pull does nothing', async () => {
    const progress: ImageProgress[] = [];
    const name = `${registry.host}/busybox`;
    const first = await images.pull(name, { onProgress: (each) => progress.push(each) });
    expect(first).to.include({ reference: `${name}:latest`, isNew: true });
    expect(first.names).to.deep.equal([`${name}:latest`]);
    expect(first.digests).to.deep.equal([`${name}@${first.pulledDigest}`]);
    expect(progress.map(({ phase }) => phase)).to.include.members([
      'waiting',
      'downloading',
      'done',
    ]);
    expect(unpacked()).to.deep.equal(first.config.diffIds.map((id) => id.replace(':', '-')));
    expect(
      existsSync(join(content.layerPath(first.config.diffIds[0]!), 'root/bin/busybox')),
    ).to.equal(true);
    const phases = new Set<string>();
    const second = await images.pull(name, { onProgress: ({ phase }) => phases.add(phase) });
    expect(second).to.include({ isNew: false, id: first.id });
    expect([...phases]).to.have.members(['exists']);
    expect((await images.pull(`${name}@${first.pulledDigest}`)).isNew).to.equal(false);
    expectConsistent(content);
    expect(leftIn(content)).to.deep.equal([]);
  });

  it('An image of 40 layers is unpacked, and removed with all of them', async () => {
    const { config } = await images.pull(`${registry.host}/forty`);
    expect(config.diffIds).to.have.length(40);
    expect(unpacked()).to.have.length(new Set(config.diffIds).size);
    await images.remove(`${registry.host}/forty`);
    expect(unpacked()).to.deep.equal([]);
    expect(readdirSync(content.paths.blobs)).to.deep.equal([]);
  });

  it('Two processes that pull one image at once download each layer once', async () => {
    const name = `${registry.host}/forty`;
    const both = [puller(name), puller(name)];
    const ends = await Promise.all(both.map(async ({ next }) => JSON.parse(await next()) as { downloaded: number; id: string })); // prettier-ignore
    const { id, config } = await images.inspect(name);
    expect(ends.map((end) => end.id)).to.deep.equal([id, id]);
    const total = ends.reduce((sum, { downloaded }) => sum + downloaded, 0);
    expect(total).to.equal(new Set(config.diffIds).size);
    expectConsistent(content);
    expect(leftIn(content)).to.deep.equal([]);
  });

  it(`A pull that is killed at ${KILLS} random moments is completed by the next one`, async function () {
    this.timeout(30_000 + KILLS * 5000);
    const name = `${registry.host}/forty`;
    for (let kill = 0; kill < KILLS; kill++) {
      const { child } = puller(name);
      // The moment of the kill.
      await sleep(150 + Math.random() * 600);
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
      expectConsistent(content);
      if (kill % 3 === 2) await images.remove(name).catch(() => undefined);
    }
    const { config } = await images.pull(name);
    expect(unpacked()).to.include.members(config.diffIds.map((id) => id.replace(':', '-')));
    await images.prune();
    expectConsistent(content);
    expect(leftIn(content)).to.deep.equal([]);
  });

  it('What is pushed can be pulled elsewhere, with the same digest, and is not uploaded twice', async () => {
    await images.pull(`${registry.host}/busybox`);
    const target = `${registry.host}/copy/busybox:2`;
    await images.tag(`${registry.host}/busybox`, target);
    const phases: string[] = [];
    const pushed = await images.push(target, { onProgress: ({ phase }) => phases.push(phase) });
    expect(phases.at(-1)).to.equal('exists'); // mounted from the repository it came from
    const again = await images.push(target);
    expect(again).to.deep.equal(pushed);
    const other = open('data2');
    const pulled = await other.images.pull(target);
    expect(pulled).to.include({
      pulledDigest: pushed.digest,
      id: (await images.inspect(target)).id,
    });
    expect((await rejectionOf(images.push(`${registry.host}/none`))).code).to.equal(
      'ERR_NO_SUCH_IMAGE',
    );
  });

  it('A pull that cannot succeed leaves the names as they were', async () => {
    for (const [name, code] of [
      [`${registry.host}/none`, 'ERR_NO_SUCH_IMAGE'],
      [`${registry.host}/busybox:none`, 'ERR_NO_SUCH_IMAGE'],
      [`127.0.0.1:1/busybox`, 'ERR_REGISTRY_UNREACHABLE'],
      ['A:B', 'ERR_INVALID_REFERENCE'],
    ] as const)
      expect((await rejectionOf(images.pull(name))).code, name).to.equal(code);
    const wrong = images.pull(`${registry.host}/busybox`, { platform: 'linux/s390x' });
    expect((await rejectionOf(wrong)).code).to.equal('ERR_NO_SUCH_IMAGE');
    const signal = AbortSignal.abort(new Error('stopped'));
    const stopped = await images.pull(`${registry.host}/busybox`, { signal }).then(
      () => 'pulled',
      (error: unknown) => String(error),
    );
    expect(stopped).to.not.equal('pulled');
    expect(content.entries()).to.deep.equal([]);
  });

  needsRoot('a file system of its own').it(
    'On a full disk a pull fails, no name is given, and the next pull succeeds',
    async () => {
      mkdirSync(join(directory, 'small'));
      using disk = SmallDisk.mount(join(directory, 'small'), '2m');
      const small = open('small');
      const error = await rejectionOf(small.images.pull(`${registry.host}/busybox`));
      expect(error.code, error.message).to.equal('ERR_STORAGE');
      expect(small.content.entries()).to.deep.equal([]);
      await small.images.prune();
      expect(leftIn(small.content)).to.deep.equal([]);
      expect(readdirSync(small.content.paths.layers)).to.deep.equal([]);
      expect(readFileSync('/proc/self/mounts', 'utf8')).to.include(disk.path);
      disk.resize('64m');
      await small.images.pull(`${registry.host}/busybox`);
      expectConsistent(small.content);
    },
  );
});
