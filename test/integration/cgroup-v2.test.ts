/**
 * What only cgroup v2 has, or has otherwise, seen in the kernel's own files. Elsewhere it is skipped; scripts/test-vm has a
 * machine for it. What both versions have is in limits.test.ts, cgroups.test.ts and update.test.ts.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { CaissonError } from '../../lib/base/errors.js';
import { DetachedContainers } from '../support/detached.js';
import { needsRoot } from '../support/needs.js';
import { cgroupOf, eventually, processesOf } from '../support/outside.js';
import { repository } from '../support/paths.js';
import type { Session } from '../support/session.js';
import { Workshop } from '../support/workshop.js';
import { skip } from '../support/skip.js';
import { rejectionOf } from '../support/rejection.js';

const { mode } = await detectCgroups();
const here = mode === 'v2';
const filters = needsRoot('a filter for devices');

describe('cgroup v2', () => {
  let shop: Workshop;
  let detached: DetachedContainers;

  before(async function () {
    if (!here) skip(this, 'the controllers of this machine are those of cgroup v1');
    shop = await Workshop.open();
    detached = new DetachedContainers(shop.engine, shop.busybox, shop.directory);
  });
  after(async () => {
    if (!here) return;
    await detached.cleanUp();
    await shop.close();
  });

  async function read(id: string, file: string): Promise<string> {
    const { directory } = await cgroupOf(id, 'none');
    return (await readFile(join(directory, file), 'utf8')).trim();
  }

  async function look(options: RunOptions, see: (box: Session) => Promise<unknown>): Promise<void> {
    await using box = await shop.session(options);
    await see(box);
  }

  function refusal(options: RunOptions): Promise<CaissonError> {
    return rejectionOf(shop.engine.run(shop.busybox, ['true'], options));
  }

  it('A cgroup of v2 has the first process from its birth on', async () => {
    const program = await shop.engine.explain(shop.busybox, ['true']);
    expect(program).to.match(/clone.* cgroup/);
    await look({}, async (box) => {
      const pid = await box.pid();
      const { directory } = await cgroupOf(box.id, 'none');
      const path = directory.slice('/sys/fs/cgroup'.length);
      expect(path).to.include(box.id);
      expect(await readFile(`/proc/${pid}/cgroup`, 'utf8')).to.equal(`0::${path}\n`);
      expect(await box.sh('cat /proc/self/cgroup')).to.equal('0::/');
    });
  });

  it('A cgroup of v2 has its controllers enabled all the way down, and those that a limit needs', async () => {
    await look({ cpusetCpus: '0' }, async (box) => {
      const parent = dirname((await cgroupOf(box.id, 'none')).directory);
      for (const directory of [dirname(parent), parent]) {
        const enabled = await readFile(join(directory, 'cgroup.subtree_control'), 'utf8');
        expect(enabled.trim().split(' ')).to.include.members([
          ...['cpu', 'cpuset', 'io', 'memory', 'pids'],
        ]);
      }
      expect(await read(box.id, 'cpuset.cpus.effective')).to.equal('0');
    });
  });

  it('A cgroup of v2 weighs processor time as other runtimes do', async () => {
    for (const [cpuShares, weight] of [
      [2, '1'],
      [512, '59'],
      [1024, '100'],
      [262_144, '10000'],
    ] as const)
      await look({ cpuShares }, async ({ id }) =>
        expect(await read(id, 'cpu.weight'), String(cpuShares)).to.equal(weight),
      );
  });

  it('A cgroup of v2 limits time, memory, swap and processes', () =>
    look(
      {
        cpus: 0.5,
        memory: '64m',
        memoryReservation: '32m',
        memorySwap: '96m',
        pidsLimit: 20,
      },
      async ({ id }) => {
        expect(await read(id, 'cpu.max')).to.equal('50000 100000');
        expect(await read(id, 'memory.max')).to.equal('67108864');
        expect(await read(id, 'memory.low')).to.equal('33554432');
        expect(await read(id, 'memory.swap.max')).to.equal('33554432');
        expect(await read(id, 'pids.max')).to.equal('20');
      },
    ));

  it('A cgroup of v2 weighs block I/O by the file that there is, or the error names what would bring it', async () => {
    await look({}, async ({ id }) => {
      const files = await readdir((await cgroupOf(id, 'none')).directory);
      const options = { blkioWeight: 500 };
      if (files.includes('io.bfq.weight'))
        await look(options, async (box) =>
          expect(await read(box.id, 'io.bfq.weight')).to.match(/^default 500$/m),
        );
      else if (files.includes('io.weight'))
        await look(options, async (box) =>
          expect(await read(box.id, 'io.weight')).to.match(/^default 4950$/m),
        );
      else {
        const error = await refusal(options);
        expect(error.code).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
        expect(error.hint).to.match(/modprobe bfq/);
      }
    });
  });

  it('A cgroup of v2 takes files of its own as they are given', async () => {
    await look(
      { cgroupConf: { 'memory.high': 33_554_432, 'memory.oom.group': '1', 'cpu.weight': 77 } },
      async ({ id }) => {
        expect(await read(id, 'memory.high')).to.equal('33554432');
        expect(await read(id, 'memory.oom.group')).to.equal('1');
        expect(await read(id, 'cpu.weight')).to.equal('77');
      },
    );
    await look({ cgroupConf: ['memory.min=4096'] }, async ({ id }) =>
      expect(await read(id, 'memory.min')).to.equal('4096'),
    );
  });

  it('The command line takes files of cgroup v2, too', async () => {
    const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
    const { stdout } = await promisify(execFile)(join(repository, 'bin/caisson'), [
      ...[...roots, 'run', '--rm', '--cgroup-conf', 'memory.high=16777216', '--rootfs'],
      ...[shop.path('busybox'), 'cat', '/sys/fs/cgroup/memory.high'],
    ]);
    expect(stdout).to.equal('16777216\n');
  });

  it('Files that caisson writes itself and files that do not exist are refused', async () => {
    for (const [file, code] of [
      ['cgroup.procs', 'ERR_INVALID_OPTION'],
      ['cgroup.freeze', 'ERR_INVALID_OPTION'],
      ['../memory.max', 'ERR_INVALID_OPTION'],
      ['nosuch.max', 'ERR_CGROUP_CONTROLLER_MISSING'],
      ['memory.nosuch', 'ERR_CGROUP_CONTROLLER_MISSING'],
    ] as const)
      expect((await refusal({ cgroupConf: { [file]: '1' } })).code, file).to.equal(code);
  });

  it('An exec in a cgroup that is too full fails with an error that says so', async () => {
    // Its init and its program.
    const container = await detached.start(['sleep', '1000'], { pidsLimit: 2 });
    if ((await container.inspect()).config.cgroupSlice !== undefined) {
      // systemd moves the program into the scope. The kernel refuses the forks of a cgroup that is too full, and no move.
      const { stderr } = await container.exec(['sh', '-c', 'true & wait']);
      expect(stderr).to.include("can't fork");
      return;
    }
    const error: unknown = await container.exec(['true']).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(CaissonError);
    const { code, step, syscall, errno, hint } = error as CaissonError;
    expect({ code, step, syscall, errno }).to.deep.equal({
      code: 'ERR_START_FAILED',
      step: 'clone',
      syscall: 'clone3',
      errno: 'EAGAIN',
    });
    expect(hint).to.match(/limit on processes/);
  });

  it('A cgroup of v2 is frozen, and says so', async () => {
    const container = await detached.start(['sleep', '1000']);
    await container.pause();
    expect(await read(container.id, 'cgroup.freeze')).to.equal('1');
    expect(await read(container.id, 'cgroup.events')).to.match(/^frozen 1$/m);
    await container.unpause();
    expect(await read(container.id, 'cgroup.events')).to.match(/^frozen 0$/m);
    await container.kill();
  });

  it('A kill ends all of a cgroup of v2 at once, with all that forks in it', async () => {
    const container = await detached.start('while :; do (sleep 100 &) ; sleep 0.1; done');
    await eventually(async () => expect((await processesOf(container.id)).length).to.be.above(3));
    const { directory } = await cgroupOf(container.id, 'none');
    expect(existsSync(join(directory, 'cgroup.kill'))).to.equal(true);
    const pids = await processesOf(container.id);
    await container.kill();
    await container.wait();
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).to.deep.equal([]);
    expect(existsSync(directory)).to.equal(false);
  });

  filters.it('A cgroup of v2 keeps devices away by a filter in the kernel', async () => {
    // A node can be made by who may; it is using it that is refused.
    const disk = await someDisk();
    const options: RunOptions = { userns: 'host', capAdd: ['MKNOD'] };
    const node = `mknod /tmp/disk b ${disk.major} ${disk.minor}`;
    const use = 'head -c 1 /tmp/disk >/dev/null';
    // A rule for another device lifts `nodev`, which would keep it away as well.
    await look({ ...options, deviceCgroupRules: ['c 1:3 r'] }, async (box) => {
      const { code, output } = await box.try(`${node} && ${use}`);
      expect(code).not.to.equal(0);
      expect(output).to.match(/Operation not permitted/);
    });
    await look({ ...options, devices: [`${disk.path}:/dev/disk:r`] }, async (box) => {
      expect(await box.sh('head -c 1 /dev/disk | wc -c')).to.equal('1');
      expect((await box.try('true >/dev/disk')).output).to.match(/Operation not permitted/);
    });
  });

  it('The event of a lack of memory comes when it happens, not when the container ends', async () => {
    const container = await detached.start('tail /dev/zero; echo went on; sleep 1000', {
      memory: '24m',
      memorySwap: '24m',
    });
    await eventually(
      async () => expect(await detached.actions(container)).to.include('oom'),
      30_000,
    );
    expect((await container.inspect()).status).to.equal('running');
    await container.kill();
    await container.wait();
    const actions = await detached.actions(container);
    expect(actions.filter((action) => action === 'oom')).to.have.length(1);
    expect(actions.indexOf('oom')).to.be.below(actions.indexOf('die'));
    expect((await container.inspect()).state.oomKilled).to.equal(true);
  });

  it('A container ends as a whole for a lack of memory, when asked to', async () => {
    const result = await shop.engine.run(
      shop.busybox,
      ['sh', '-c', 'tail /dev/zero; echo went on'],
      { memory: '24m', memorySwap: '24m', cgroupConf: { 'memory.oom.group': 1 } },
    );
    expect(result).to.include({ oomKilled: true, exitCode: 137, stdout: '' });
  });

  it('The pressure files of a cgroup of v2 say how long it waited for what', async function () {
    if (!existsSync('/proc/pressure/cpu')) {
      skip(this, 'this kernel has no pressure information (psi=1)');
    }
    const container = await detached.start('while :; do :; done & while :; do :; done', {
      cpus: 0.1,
    });
    await eventually(async () => {
      const { pressure } = (await container.stats())!;
      expect(pressure!.cpu!.some.total).to.be.above(0);
      expect(pressure!.memory!.full!.avg10).to.equal(0);
      expect(pressure!.io!.some).to.have.keys('avg10', 'avg60', 'avg300', 'total');
    });
    const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
    const { stdout } = await promisify(execFile)(join(repository, 'bin/caisson'), [
      ...[...roots, 'stats', '--no-stream', '--format', 'json', container.id],
    ]);
    const { Pressure } = JSON.parse(stdout) as { Pressure: { cpu: { some: { total: number } } } };
    expect(Pressure.cpu.some.total).to.be.above(0);
    await container.kill();
  });

  async function someDisk(): Promise<{ path: string; major: number; minor: number }> {
    for (const name of await readdir('/sys/block')) {
      const path = `/dev/${name}`;
      const found = await stat(path).catch(() => undefined);
      const [major = 0, minor = 0] = (await readFile(`/sys/block/${name}/dev`, 'utf8'))
        .split(':')
        .map(Number);
      const size = Number(await readFile(`/sys/block/${name}/size`, 'utf8'));
      if (found?.isBlockDevice() === true && size > 0) return { path, major, minor };
    }
    throw new Error('this machine has no disk');
  }
});
