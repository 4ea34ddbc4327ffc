/** A data root that is full or read-only: what was asked for is done as a whole, or not at all, and is said. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Container } from '../../../lib/engine/container/container.js';
import { contextOf, Engine } from '../../../lib/engine/engine.js';
import { rootfs } from '../../../lib/image/rootfs.js';
import { storageError } from '../../../lib/base/storage.js';
import { DetachedContainers, logOf, refused, statusIs } from '../../support/detached.js';
import { isRoot, needsControllers, needsRoot } from '../../support/needs.js';
import { cgroupsOf, eventually } from '../../support/outside.js';
import { SmallDisk } from '../../support/small-disk.js';
import { makeBusybox } from '../../support/workshop.js';

const MIB = 2 ** 20;
const SLEEP = ['sleep', '1000'];
const disks = needsRoot('a file system of its own takes root');
const limits = needsControllers('memory');

describe('a data root that takes no more', function () {
  this.timeout(60_000);
  let directory: string;
  let disk: SmallDisk;
  let detached: DetachedContainers;
  let full = false;

  before(async () => {
    if (!isRoot) return;
    directory = await realpath(await mkdtemp(join(tmpdir(), 'caisson-test-')));
    mkdirSync(join(directory, 'data'));
    disk = SmallDisk.mount(join(directory, 'data'));
    const roots = { dataRoot: join(directory, 'data'), runRoot: join(directory, 'run') };
    const engine = await Engine.open(roots);
    detached = new DetachedContainers(
      engine,
      rootfs(makeBusybox(join(directory, 'busybox'))),
      directory,
    );
  });

  afterEach(async () => {
    if (full) disk.free();
    full = false;
    await detached?.cleanUp();
  });

  after(async () => {
    await detached?.engine.close();
    disk?.[Symbol.dispose]();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  function fill(): void {
    full = true;
    disk.fill();
  }

  const names = () => readdirSync(join(directory, 'data/names')).sort();
  const files = (container: Container) => readdirSync(detached.path(container)).sort();

  async function memoryLimit(container: Container): Promise<number> {
    for (const path of await cgroupsOf(container.id)) {
      for (const file of ['memory.limit_in_bytes', 'memory.max']) {
        if (existsSync(join(path, file))) return Number(await readFile(join(path, file), 'utf8'));
      }
    }
    throw new Error('no memory limit');
  }

  for (const running of [false, true]) {
    disks.it(
      `C23: a rename that finds no room leaves the old name, and the new one to others (${running ? 'running' : 'not running'})`,
      async () => {
        const container = await detached.create(SLEEP, { name: 'before' });
        if (running) await container.start();
        const there = files(container);
        fill();
        const error = await refused(container.rename('after'), 'ERR_STORAGE');
        expect([error.errno, error.message]).to.deep.equal(['ENOSPC', error.message]);
        expect(error.message).to.match(/no space is left/);
        expect(names()).to.deep.equal(['before']);
        expect((await container.inspect()).config.name).to.equal('before');
        expect(files(container)).to.deep.equal(there);
        disk.free();
        full = false;
        await container.rename('after');
        expect(names()).to.deep.equal(['after']);
      },
    );
  }

  disks.it('C23: a rename on a read-only disk changes nothing', async () => {
    const container = await detached.create(SLEEP, { name: 'before' });
    // Not while a supervisor that is leaving has its log open.
    await eventually(() => disk.readOnly(true));
    try {
      const error = await refused(container.rename('after'), 'ERR_STORAGE');
      expect(error.errno).to.equal('EROFS');
      await refused(detached.create(SLEEP, { name: 'other' }), 'ERR_STORAGE');
      await refused(container.start(), 'ERR_STORAGE');
      await refused(container.remove(), 'ERR_STORAGE');
    } finally {
      disk.readOnly(false);
    }
    expect(names()).to.deep.equal(['before']);
    await statusIs(container, 'created');
  });

  (isRoot ? limits : disks).it(
    'C23: an update that finds no room for the new limit leaves the old one in the kernel, on the disk and with the supervisor',
    async () => {
      const container = await detached.start(SLEEP, {
        memory: 100 * MIB,
        memorySwap: -1,
        restart: 'always',
      });
      const there = files(container);
      fill();
      const change = { memory: 50 * MIB, restart: 'no' };
      const error = await refused(container.update(change), 'ERR_STORAGE');
      expect(error.errno).to.equal('ENOSPC');
      expect(await memoryLimit(container)).to.equal(100 * MIB);
      const { config } = await container.inspect();
      expect([config.options.memory, config.restart.name]).to.deep.equal([100 * MIB, 'always']);
      expect(files(container)).to.deep.equal(there);
      disk.free();
      full = false;
      await container.update(change);
      expect(await memoryLimit(container)).to.equal(50 * MIB);
    },
  );

  (isRoot ? limits : disks).it(
    'C23: what the kernel and the supervisor were told is taken back when the new configuration cannot be put in place',
    async () => {
      const container = await detached.start('trap "exit 3" TERM; while :; do sleep 0.05; done', {
        name: 'before',
        memory: 100 * MIB,
        memorySwap: -1,
        restart: 'on-failure:1',
      });
      const { store } = contextOf(detached.engine);
      const stage = store.stageConfig.bind(store);
      let told = 0;
      store.stageConfig = async (config) => {
        const staged = await stage(config);
        staged.commit = async () => {
          told = await memoryLimit(container);
          throw storageError('config.json', Object.assign(new Error('rename'), { code: 'EIO' }));
        };
        return staged;
      };
      try {
        const change = { memory: 50 * MIB, restart: 'no' };
        const error = await refused(container.update(change), 'ERR_STORAGE');
        expect([error.errno, told]).to.deep.equal(['EIO', 50 * MIB]);
        await refused(container.rename('after'), 'ERR_STORAGE');
      } finally {
        store.stageConfig = stage;
      }
      expect(names()).to.deep.equal(['before']);
      const { config } = await container.inspect();
      expect([config.name, config.options.memory]).to.deep.equal(['before', 100 * MIB]);
      expect(files(container).filter((name) => name.startsWith('config'))).to.have.length(1);
      expect(await memoryLimit(container)).to.equal(100 * MIB);
      process.kill((await container.inspect()).state.pid, 'SIGTERM');
      await eventually(async () => {
        const { status, state } = await container.inspect();
        expect([status, state.restartCount]).to.deep.equal(['running', 1]);
      });
      expect(await memoryLimit(container), 'of the next run').to.equal(100 * MIB);
      const events = await detached.events(container);
      expect(events.at(-1)?.attributes['name']).to.equal('before');
    },
  );

  disks.it('C23: a container whose state has no room is not started', async () => {
    const container = await detached.create(['sh', '-c', 'echo ran; sleep 1000']);
    fill();
    const error = await refused(container.start(), 'ERR_STORAGE');
    expect([error.errno, error.message]).to.deep.equal(['ENOSPC', error.message]);
    expect(error.message).to.match(/no space is left/);
    await detached.expectQuiet(container);
    await statusIs(container, 'created');
    disk.free();
    full = false;
    await container.start();
    await statusIs(container, 'running');
  });

  disks.it(
    'C23: a container that has started once is started, stopped and removed on a full disk',
    async () => {
      const container = await detached.start(['true']);
      await container.wait();
      fill();
      await container.start();
      await container.wait();
      const { state } = await container.inspect();
      expect([state.status, state.exitCode]).to.deep.equal(['exited', 0]);
      await container.remove();
      await detached.expectGone(container);
    },
  );

  disks.it(
    'B6: a full data root is an error of its own that says so, and of that container alone',
    async () => {
      const good = await detached.start('while :; do echo alive; sleep 0.05; done');
      await good.waitFor({ log: 'alive' });
      fill();
      const error = await refused(detached.create(SLEEP, { name: 'one-more' }), 'ERR_STORAGE');
      expect([error.errno, error.hint]).to.deep.equal(['ENOSPC', error.hint]);
      expect(error.message).to.match(/^cannot write .*no space is left on its file system/);
      expect(error.hint).to.match(/prune/);
      expect(names()).not.to.include('one-more');
      // What writes to its own layer is told by its own system call, and others go on.
      await statusIs(good, 'running');
      await good.kill();
      expect(await logOf(good)).to.match(/^alive\n/);
    },
  );
});
