/** `cgroupParent`: containers in a cgroup that the caller has named, which may have limits of its own. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import { sliceFor } from '../../lib/cgroup/systemd/systemd.js';
import { Engine } from '../../lib/engine/engine.js';
import { testCgroupName } from '../support/dead-runs.js';
import { DetachedContainers, refused, statusIs } from '../support/detached.js';
import { processesIn, untilNothing } from '../support/leftovers.js';
import { isRoot, needsRoot } from '../support/needs.js';
import { ProcessHarness } from '../support/process-harness.js';
import { cgroupOf, eventually, type Hierarchy, hierarchies } from '../support/outside.js';
import { bundledFixture } from '../support/paths.js';
import { Workshop } from '../support/workshop.js';
import type {
  KilledCallerBegins,
  KilledCallerRuns,
  KilledCallerTask,
} from './fixtures/killed-caller.js';
import { skip } from '../support/skip.js';

const SLEEP = ['sleep', '1000'];
const root = needsRoot('a cgroup of one’s own choice');

root.describe('the parent of a container’s cgroups', function () {
  this.timeout(60_000);
  const top = `/${testCgroupName()}`;
  const parent = `${top}/low-1`;
  let shop: Workshop;
  let detached: DetachedContainers;
  let all: Hierarchy[] = [];
  let harness: ProcessHarness | undefined;

  before(async () => {
    shop = await Workshop.open();
    detached = new DetachedContainers(
      await shop.openAnother({ cgroupDriver: 'cgroupfs' }),
      shop.busybox,
      shop.directory,
    );
    all = await hierarchies();
  });

  /** What there is of it below the mount points. */
  const cgroupDirectories = (path: string) =>
    all.map(({ mountPoint }) => mountPoint + path).filter((dir) => existsSync(dir));

  /** Deepest first. */
  async function remove(dir: string): Promise<void> {
    for (const entry of await readdir(dir, { withFileTypes: true }))
      if (entry.isDirectory()) await remove(join(dir, entry.name));
    await rmdir(dir);
  }

  afterEach(async () => {
    await harness?.cleanUp();
    harness = undefined;
    await detached.cleanUp();
    await eventually(async () => {
      for (const dir of cgroupDirectories(top)) await remove(dir);
    });
  });

  after(() => shop.close());

  /** Of the hierarchies in which a container has cgroups. */
  async function expectInParent(id: string): Promise<void> {
    const own = cgroupDirectories(`${parent}/${id}`);
    const v2 = all.some(({ version, controllers }) => version === 1 && controllers.length > 0);
    expect(own).to.have.length.of.at.least(v2 ? 5 : 1);
    for (const dir of own) expect(await processesIn(dir), dir).not.to.deep.equal([]);
    expect(cgroupDirectories(`/caisson/${id}`)).to.deep.equal([]);
  }

  const read = async (...path: string[]) => (await readFile(join(...path), 'utf8')).trim();

  it('The parent is made where it is missing, and stays', async () => {
    const run = shop.engine.run(shop.busybox, SLEEP, { cgroupParent: parent, memory: '64m' });
    await run.started;
    await expectInParent(run.id);
    run.kill();
    expect((await run).signal).to.equal('SIGKILL');
    await untilNothing(() => Promise.resolve(cgroupDirectories(`${parent}/${run.id}`)));
    expect(cgroupDirectories(parent)).not.to.deep.equal([]);
  });

  it('The parent is that of all that is done with a detached container', async () => {
    const container = await detached.start(SLEEP, { cgroupParent: parent.slice(1), memory: '64m' });
    await expectInParent(container.id);
    expect((await container.stats())?.memory?.limit).to.equal(64 << 20);
    const { stdout } = await container.exec(['cat', '/proc/self/cgroup']);
    expect(stdout).to.match(/^(\d+:memory|0:):\/$/m);
    await container.update({ memory: '80m' });
    expect((await container.inspect()).config.options.memory).to.equal('80m');
    await container.pause();
    await statusIs(container, 'paused');
    expect(
      (await detached.engine.list()).find(({ config }) => config.id === container.id)?.status,
    ).to.equal('paused');
    await container.unpause();
    await container.restart({ timeout: 0 });
    await expectInParent(container.id);
    await container.stop({ timeout: 0 });
    await untilNothing(() => Promise.resolve(cgroupDirectories(`${parent}/${container.id}`)));
    // Another process has removed it meanwhile.
    for (const dir of cgroupDirectories(top)) await remove(dir);
    await container.start();
    await expectInParent(container.id);
  });

  it('The parent bounds the containers in it by its own limits', async () => {
    const { version, mountPoint } =
      all.find(({ controllers }) => controllers.includes('cpuset')) ??
      all.find((one) => one.version === 2)!;
    // Made by hand, as the kernel's documentation describes it.
    if (version === 2) await writeFile(join(mountPoint, 'cgroup.subtree_control'), '+cpuset');
    await mkdir(mountPoint + top);
    if (version === 2) await writeFile(join(mountPoint + top, 'cgroup.subtree_control'), '+cpuset');
    await mkdir(mountPoint + parent);
    for (const dir of [top, parent]) {
      await writeFile(join(mountPoint + dir, 'cpuset.cpus'), '0');
      await writeFile(join(mountPoint + dir, 'cpuset.mems'), '0');
    }
    const run = shop.engine.run(shop.busybox, ['grep', 'Cpus_allowed_list', '/proc/self/status'], {
      cgroupParent: parent,
      cpuShares: 512,
    });
    expect((await run).stdout.trim().split(/\s+/)).to.deep.equal(['Cpus_allowed_list:', '0']);
    expect(await read(mountPoint + parent, 'cpuset.cpus')).to.equal('0');
  });

  it('The parent is known to what cleans up after a Node and its cleanup helper that were killed', async () => {
    const roots = { dataRoot: shop.path('dead/data'), runRoot: shop.path('dead/run') };
    const task: KilledCallerTask = {
      ...roots,
      busybox: shop.path('busybox'),
      volume: shop.path('volume'),
      image: 'busybox',
      // Its death signal would end it, were it not for its user.
      argv: ['su', '-s', '/bin/sh', 'nobody', '-c', 'echo here; exec sleep 1000'],
      options: { cgroupParent: parent, init: false },
    };
    harness = await ProcessHarness.start(bundledFixture('killed-caller'), task);
    const { id } = await harness.next<KilledCallerBegins>();
    const { cleanupHelper } = await harness.next<KilledCallerRuns>();
    await expectInParent(id);
    process.kill(cleanupHelper, 'SIGSTOP');
    harness.kill();
    process.kill(cleanupHelper, 'SIGKILL');
    await harness.ended;
    await (await Engine.open(roots)).close();
    await untilNothing(() => Promise.resolve(cgroupDirectories(`${parent}/${id}`)));
    await harness.gone();
  });

  it('A parent that has processes is refused by v2, and the error names the remedy', async function () {
    const { version, mountPoint } =
      all.find(({ controllers }) => controllers.includes('memory')) ??
      all.find((one) => one.version === 2)!;
    if (version === 1) skip(this, 'only cgroup v2 refuses a parent that has processes');
    harness = await ProcessHarness.start(bundledFixture('killed-caller'), {
      dataRoot: shop.path('dead/data'),
      runRoot: shop.path('dead/run'),
      busybox: shop.path('busybox'),
      image: 'busybox',
      argv: ['sh', '-c', 'echo here; sleep 1000'],
    });
    await harness.next<KilledCallerBegins>();
    await harness.next<KilledCallerRuns>();
    await mkdir(mountPoint + top);
    await writeFile(join(mountPoint + top, 'cgroup.procs'), String(harness.pid));
    const error = await refused(
      shop.engine.run(shop.busybox, ['true'], { cgroupParent: top, memory: '64m' }),
      'ERR_START_FAILED',
    );
    expect(error.errno).to.equal('EBUSY');
    expect(error.hint).to.match(/move them/);
  });

  it('The parent is a path, and nothing above its hierarchy', async () => {
    for (const bad of ['..', '/../x', '/', 'a/../../b', '.', 'a b', 'x\n', 5, '/a/./b'])
      await refused(
        shop.engine.run(shop.busybox, ['true'], { cgroupParent: bad as string }),
        'ERR_INVALID_OPTION',
      );
    expect(cgroupDirectories(top)).to.deep.equal([]);
  });

  it('The parent is a slice with systemd, and a path is refused there', async function () {
    if (!isRoot || sliceFor(await detectCgroups(), undefined) === undefined)
      skip(this, 'no systemd manages the cgroups of this machine');
    const scoped = new DetachedContainers(shop.engine, shop.busybox, shop.directory);
    try {
      const container = await scoped.start(SLEEP, { cgroupParent: 'caisson-test.slice' });
      const text = await read('/proc', String((await container.inspect()).state.pid), 'cgroup');
      expect(text).to.equal(
        `0::/caisson.slice/caisson-test.slice/caisson-${container.id}.scope/container`,
      );
      await refused(scoped.create(SLEEP, { cgroupParent: '/path' }), 'ERR_INVALID_OPTION');
      await refused(scoped.create(SLEEP, { cgroupParent: '-.slice' }), 'ERR_INVALID_OPTION');
      const { directory } = await cgroupOf(container.id, 'memory');
      expect(existsSync(directory)).to.equal(false); // not where all others are
    } finally {
      await scoped.cleanUp();
    }
  });
});
