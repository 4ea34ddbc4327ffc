/** Writable layers that have a size: `storageOpt`, `--storage-opt`. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Container } from '../../../lib/engine/container/container.js';
import { layerSize, sizeOnDisk } from '../../../lib/engine/start/layer-size.js';
import { rootfs } from '../../../lib/image/rootfs.js';
import {
  type DetachedContainers,
  logOf,
  supervisorOf,
  refused,
  statusIs,
  untilLogged,
  untilStatus,
  setUpDetached,
} from '../../support/detached.js';
import { imageIn, loopDevicesOf } from '../../support/loop-devices.js';
import { isRoot, needsLoopDevices, needsRoot } from '../../support/needs.js';
import { ProcessHarness } from '../../support/process-harness.js';
import { eventually } from '../../support/outside.js';
import { debugNative, fixture, repository } from '../../support/paths.js';
import type { Workshop } from '../../support/workshop.js';
import type { QuotaFaults } from '../fixtures/quota-faults.js';
import { skip } from '../../support/skip.js';

const MIB = 2 ** 20;
const SIZE = 16 * MIB;
const loops = needsLoopDevices();
const debug = needsRoot('what a step of root’s start leaves');

/** Until nothing more fits, not a byte and not a name. */
const FILL =
  'dd if=/dev/zero of=/full bs=64k 2>&1; dd if=/dev/zero of=/rest bs=1 2>/dev/null; ' +
  'i=0; while true >/n$i; do i=$((i+1)); done 2>/dev/null; ';

describe('a writable layer with a size', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  const storageOpt = { size: '16m' };
  const directoryOf = (container: Container) => detached.path(container);

  /** Nothing of its layer is attached or mounted any more. */
  async function expectDetached(image: ReturnType<typeof imageIn>): Promise<void> {
    await eventually(() => expect(loopDevicesOf(image)).to.deep.equal([]));
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    expect(mounts).not.to.include(shop.path('data'));
  }

  it('B6: a run that fills its layer gets ENOSPC at the size, and no other container does', async function () {
    if (!isRoot) skip(this, 'needs root: layers with a size are mounted');
    await using box = await shop.session({ storageOpt });
    await using good = await shop.session();
    const { output } = await box.try('dd if=/dev/zero of=/x bs=64k');
    expect(output).to.match(/No space left on device/);
    const size = Number(await box.sh('stat -c %s /x'));
    expect(size).to.be.within(SIZE * 0.9, SIZE);
    expect(await box.sh('df -k / | tail -n1 | tr -s " " | cut -d " " -f 2')).to.equal('16384');
    // Its layer is not on the disk.
    expect(readdirSync(shop.path('data/containers', box.id))).to.deep.equal(['owner']);
    expect(await good.sh('dd if=/dev/zero of=/x bs=1M count=32 2>&1 && stat -c %s /x')).to.match(
      new RegExp(`\n${32 * MIB}$`),
    );
  });

  it('B6: a run that fills its layer with empty files gets ENOSPC, as their names and inodes are memory', async function () {
    if (!isRoot) skip(this, 'needs root: layers with a size are mounted');
    await using box = await shop.session({ storageOpt });
    const { output } = await box.try(
      'i=0; while [ $i -lt 20000 ] && true >/n$i; do i=$((i+1)); done; echo made $i',
    );
    expect(output).to.match(/No space left on device/);
    expect(Number(/^made (\d+)$/m.exec(output)?.[1])).to.be.within(SIZE / 8192, SIZE / 4096);
    expect(await box.sh('rm /n1* && head -c 5000 /dev/zero >/x && stat -c %s /x')).to.equal('5000');
  });

  loops.it(
    'B6: a detached container that fills its layer gets ENOSPC at the size, and no other container does',
    async () => {
      const container = await detached.start(`${FILL} stat -c 'full %s' /full; sleep 1000`, {
        storageOpt: ['size=16m'],
      });
      const good = await detached.start(
        'dd if=/dev/zero of=/x bs=1M count=32 && echo well; sleep 1000',
      );
      await untilLogged(container, 'full ');
      await untilLogged(good, 'well');
      expect(await logOf(container)).to.match(/No space left on device/);
      const size = Number(/^full (\d+)$/m.exec(await logOf(container))?.[1]);
      expect(size).to.be.within(SIZE * 0.75, SIZE);
      // Neither does the host's disk have more of it, whatever the container asks the kernel to write.
      const image = statSync(join(directoryOf(container), 'layer.img'));
      expect(image.size).to.equal(SIZE);
      expect(image.blocks * 512).to.be.at.most(SIZE + MIB);
      expect(image.mode & 0o7777).to.equal(0o600);
      expect(readdirSync(directoryOf(container))).not.to.include('upper');
    },
  );

  loops.it(
    'B6: what is in such a layer, a full one too, survives stops, kills of the supervisor and new users',
    async () => {
      const container = await detached.create(
        'test -e /mine || { touch /mine; chown 1000:1001 /mine; cp /bin/busybox /s; chmod 4755 /s; }; ' +
          `echo run $(stat -c %u:%g /mine) $(stat -c %a /s); ${FILL} echo is full; sleep 1000`,
        { storageOpt },
      );
      const full = async () => {
        await untilLogged(container, 'is full');
        return layerSize(directoryOf(container));
      };
      await container.start();
      const size = await full();
      expect(size).to.be.within(SIZE * 0.75, SIZE);
      await container.stop({ timeout: 0 });
      expect(await layerSize(directoryOf(container)), 'stopped').to.equal(size);
      expect(await sizeOnDisk(directoryOf(container))).to.equal(size);
      await container.start();
      // The files are written again, which takes a block more or less for their tables.
      expect(await full()).to.be.closeTo(size, 64 * 1024);
      process.kill(await supervisorOf(container), 'SIGKILL');
      await untilStatus(container, 'exited');
      await expectDetached(imageIn(directoryOf(container)));
      await container.start();
      await full();
      await container.restart({ timeout: 0 });
      expect(await full()).to.be.closeTo(size, 64 * 1024);
      const runs = (await logOf(container)).match(/^run .*$/gm);
      expect(runs).to.deep.equal(Array(4).fill('run 1000:1001 4755'));
    },
  );

  loops.it('B6: such a container is forked before its first start only', async () => {
    const container = await detached.create('echo x >/x', { storageOpt });
    const fork = detached.adopt(await container.fork());
    await fork.start();
    expect(await fork.wait()).to.include({ exitCode: 0 });
    await refused(fork.fork(), 'ERR_UNSUPPORTED_OPTION');
  });

  loops.it(
    'B6: nothing is left of such a layer when its container stops, or is removed',
    async () => {
      const container = await detached.start('sleep 1000', { storageOpt });
      const image = imageIn(directoryOf(container));
      expect(loopDevicesOf(image)).to.have.length(1);
      // What everybody may read about the device tells no path of the host's, and no id.
      const [device = ''] = loopDevicesOf(image);
      const file = `/sys/block/${device.slice('/dev/'.length)}/loop/backing_file`;
      expect(readFileSync(file, 'utf8')).to.equal('/layer.img\n');
      await container.stop({ timeout: 0 });
      await expectDetached(image);
      await container.start();
      await container.remove({ force: true });
      await expectDetached(image);
      await detached.expectGone(container);

      const missing = await detached.create(['/no/such/program'], { storageOpt });
      await refused(missing.start(), 'ERR_COMMAND_NOT_FOUND');
      await expectDetached(imageIn(directoryOf(missing)));
      await statusIs(missing, 'created');
    },
  );

  loops.it(
    'B6: its size can be asked for at any moment, and a layer is never attached twice',
    async () => {
      const container = await detached.create('echo 12345 >>/x; sleep 1000', { storageOpt });
      const directory = directoryOf(container);
      expect(await layerSize(directory)).to.equal(0);
      for (let run = 1; run <= 8; run++) {
        const asked = Array.from({ length: 4 }, () => layerSize(directory));
        await Promise.all([...asked, container.start()]);
        expect(loopDevicesOf(directory)).to.have.length(1);
        await eventually(async () => expect(await layerSize(directory)).to.equal(6 * run));
        await Promise.all([layerSize(directory), container.stop({ timeout: 0 })]);
      }
      for (const size of await Promise.all(Array.from({ length: 4 }, () => layerSize(directory))))
        expect(size).to.equal(48);
    },
  );

  loops.it('B6: a start waits for a layer that is in use, and can be ended meanwhile', async () => {
    const container = await detached.start('sleep 1000', { storageOpt });
    await container.stop({ timeout: 0 });
    const path = join(directoryOf(container), 'layer.img');
    const holder = spawn('flock', [path, 'sh', '-c', 'echo held; read x'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const start = refused(container.start(), 'ERR_ABORTED');
    await eventually(async () => expect(await detached.hasSocket(container)).to.equal(true));
    await container.stop({ timeout: 0 });
    await start;
    const waiting = container.start();
    holder.stdin.end('\n');
    await once(holder, 'close');
    await waiting;
    await statusIs(container, 'running');
  });

  debug.it(
    'B6: a start of which any step fails leaves its layer whole, and no loop device',
    async () => {
      const task = {
        dataRoot: shop.path('data'),
        runRoot: shop.path('run'),
        busybox: shop.busybox.path,
      };
      const child = await ProcessHarness.start(fixture('quota-faults'), task, {
        CAISSON_NATIVE: debugNative,
      });
      try {
        const { tried, complaints } = await child.next<QuotaFaults>();
        expect(complaints, complaints.join('\n')).to.deep.equal([]);
        expect(tried).to.be.above(20);
      } finally {
        await child.cleanUp();
      }
    },
  );

  it('B6: a size that cannot be is an error before anything is made', async () => {
    const run = (option: object, image = shop.busybox) =>
      shop.engine.run(image, ['true'], { storageOpt: option });
    for (const size of ['1m', 0, '17t', 'x', -1])
      await refused(run({ size }), 'ERR_INVALID_OPTION');
    await refused(run(['size']), 'ERR_INVALID_OPTION');
    await refused(run({ inodes: 5 }), 'ERR_UNSUPPORTED_OPTION');
    const inPlace = rootfs(shop.busybox.path, { writable: 'direct' });
    const error = await refused(run(storageOpt, inPlace), 'ERR_CONFLICTING_OPTIONS');
    expect(error.message).to.match(/no writable layer/);
    const names = readdirSync(shop.path('data/names'));
    await refused(detached.create(['true'], { storageOpt: { size: 1 } }), 'ERR_INVALID_OPTION');
    expect(readdirSync(shop.path('data/names'))).to.deep.equal(names);
    expect(await shop.engine.list()).to.deep.equal([]);
  });

  loops.it('B6: the command line takes the size as Docker’s does, and shows it', () => {
    const caisson = (...args: readonly string[]) =>
      execFileSync(
        join(repository, 'bin/caisson'),
        ['--data-root', shop.path('data'), '--run-root', shop.path('run'), ...args],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
      ).trim();
    const root = ['--rootfs', shop.busybox.path];
    const flag = ['--storage-opt', 'size=32m'];
    const blocks = caisson('run', '--rm', ...flag, '--read-only', ...root, 'df', '-k', '/');
    expect(Number(/caisson +(\d+)/.exec(blocks)?.[1])).to.be.within(25_000, 32_768);
    const script = 'head -c 5000 /dev/zero >/x';
    const id = caisson('create', ...flag, ...root, 'sh', '-c', script);
    try {
      caisson('start', '-a', id);
      const format = '{{json .HostConfig.StorageOpt}} {{.SizeRw}}';
      expect(caisson('inspect', '-s', '-f', format, id)).to.equal('{"size":"32m"} 5000');
      expect(caisson('ps', '-as', '--format', '{{.Size}}')).to.equal('5kB');
    } finally {
      caisson('rm', '-f', id);
    }
    expect(caisson('explain', 'run', ...flag, ...root, 'true')).to.match(/size=33554432/);
  });
});
