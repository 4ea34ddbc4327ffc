import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  type CgroupDirectory,
  existing,
  cgroupDirectories,
} from '../../lib/cgroup/cgroup-paths.js';
import { freezerState, setFrozen } from '../../lib/cgroup/freezer.js';
import { processesOf } from '../../lib/cgroup/processes.js';
import { cpuPercent, readStats } from '../../lib/engine/views/stats.js';
import { top } from '../../lib/engine/views/top.js';
import type { CaissonError } from '../../lib/base/errors.js';
import { testCgroupName } from '../support/dead-runs.js';
import { needsControllers, needsRoot } from '../support/needs.js';
import {
  cgroupsOf,
  eventually,
  hierarchies,
  pidOutside,
  holdsFor,
  sleep,
  statusOf,
} from '../support/outside.js';
import { Workshop } from '../support/workshop.js';
import { skip } from '../support/skip.js';
import { rejectionOf } from '../support/rejection.js';

const limits = needsControllers('cpu', 'memory', 'pids');

limits.describe('a running container', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  /** A container of the host's own programs, which has started and says so. */
  async function start(script: string, options = {}) {
    const execution = shop.engine.run('host', ['sh', '-c', `echo up; ${script}`], options);
    await execution.started;
    await once(execution.stdout!, 'data');
    execution.stdout!.resume();
    // An execution is a promise of its end: an async function would wait for that.
    return {
      id: execution.id,
      end: async () => {
        execution.kill();
        await execution;
      },
      [Symbol.asyncDispose]: () => execution[Symbol.asyncDispose](),
    };
  }

  function cgroupDirectoriesOf(id: string): Promise<CgroupDirectory[]> {
    return existing(cgroupDirectories(shop.context.layout, id, shop.runLocation));
  }

  async function directories(id: string): Promise<string[]> {
    return (await cgroupDirectoriesOf(id)).map(({ dir }) => dir);
  }

  it('A running container has its cgroups where they are looked for', async () => {
    await using box = await start('sleep 1000');
    expect(await directories(box.id)).to.have.members(await cgroupsOf(box.id));
    expect(await directories('f'.repeat(64))).to.deep.equal([]);
  });

  describe('processes', () => {
    it('The processes of a container are those of all its cgroups, and of those below', async () => {
      await using box = await start('sleep 1000 & setsid sleep 1001 & wait');
      const all = await directories(box.id);
      const found = await eventually(async () => {
        const pids = await processesOf(all);
        const commands = pids.map((pid) =>
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0'),
        );
        const sleepers = commands.filter(([name]) => name === 'sleep').map(([, time]) => time);
        expect(sleepers).to.have.members(['1000', '1001']);
        expect(pids.length).to.equal(4);
        return pids;
      });

      const below = all.map((dir) => join(dir, 'below'));
      const moved = found.at(-1)!;
      try {
        for (const dir of below) {
          mkdirSync(dir);
          if (dir.includes('/cpuset/')) continue; // takes none before it has processors
          writeFileSync(join(dir, 'cgroup.procs'), String(moved));
        }
        expect(await processesOf(all)).to.deep.equal(found);
        expect(await processesOf(below)).to.deep.equal([moved]);
      } finally {
        process.kill(moved, 'SIGKILL');
        await eventually(() => below.forEach((dir) => rmdirSync(dir)));
      }
    });

    it('A container that is gone has no processes', async () => {
      expect(await processesOf(['/sys/fs/cgroup/caisson-none', '/none'])).to.deep.equal([]);
    });
  });

  describe('stats', () => {
    it('The statistics count what a container does', async () => {
      await using box = await start(
        'dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; echo again; while :; do :; done',
        { memory: '64m', pidsLimit: 50, cpus: 0.1 },
      );
      const where = await cgroupDirectoriesOf(box.id);
      const pid = await pidOutside(box.id, 1);
      await eventually(async () => {
        const { memory } = (await readStats(where, pid))!;
        expect(memory!.usage).to.be.above(20 << 20);
      });
      const before = (await readStats(where, pid))!;
      await sleep(1000); // the time that is measured
      const after = (await readStats(where, pid))!;

      expect(after.memory!.usage).to.be.at.most(after.memory!.charged);
      expect(after.memory!.charged).to.be.below(64 << 20);
      expect(after.memory!.limit).to.equal(64 << 20);
      expect(after.memory!.max!).to.be.at.least(20 << 20);
      expect(after.memory!.oomKills).to.equal(0);
      expect(after.pids).to.deep.equal({ current: 2, limit: 50 });

      const used = after.cpu!.usage - before.cpu!.usage;
      expect(used).to.be.within(0.02e9, 0.4e9);
      expect(after.cpu!.user).to.be.above(before.cpu!.user);
      expect(after.cpu!.throttling.throttledPeriods).to.be.above(0);
      expect(after.cpu!.throttling.throttledTime).to.be.above(1e6);
      const passed = Date.parse(after.read) - Date.parse(before.read);
      const machine = (after.cpu!.systemUsage - before.cpu!.systemUsage) / after.cpu!.onlineCpus;
      expect(machine / 1e6).to.be.within(passed * 0.6, passed * 1.4);
      expect(cpuPercent(before, after)).to.be.within(1, 40);
      expect(cpuPercent(after, before)).to.equal(0);

      expect(Object.keys(after.networks!)).to.include('lo');
      expect(JSON.parse(JSON.stringify(after))).to.be.an('object');
    });

    it('The statistics have the traffic of the container’s network, and no other', async () => {
      await using box = await shop.session();
      const where = await cgroupDirectoriesOf(box.id);
      const pid = await box.pid();
      const lo = async () => (await readStats(where, pid))!.networks!['lo']!;
      expect((await lo()).rxPackets).to.equal(0);
      await box.sh('ping -c 3 -i 0.1 127.0.0.1');
      const { rxPackets, txPackets, rxBytes, txBytes } = await lo();
      expect(rxPackets).to.be.at.least(6);
      expect([txPackets, txBytes]).to.deep.equal([rxPackets, rxBytes]);
      expect(rxBytes).to.be.above(6 * 84 - 1);
    });

    it('The statistics have the container’s traffic with the disk', async () => {
      await using box = await start(
        'dd if=/dev/zero of=/var/tmp/x bs=64k count=32 oflag=direct conv=fsync 2>&1; echo done; sleep 1000',
      );
      const where = await cgroupDirectoriesOf(box.id);
      await eventually(async () => {
        const { blkio } = (await readStats(where))!;
        expect(blkio!.writeBytes).to.be.at.least(2 << 20);
        expect(blkio!.writeOps).to.be.above(0);
        const sum = blkio!.devices.reduce((total, { writeBytes }) => total + writeBytes, 0);
        expect(sum).to.equal(blkio!.writeBytes);
        expect(blkio!.devices[0]!.major).to.be.above(0);
      });
    });

    it('The statistics count OOM kills', async () => {
      await using box = await start('tail /dev/zero; sleep 1000', { memory: '16m' });
      const where = await cgroupDirectoriesOf(box.id);
      await eventually(async () => {
        const { memory } = (await readStats(where))!;
        expect(memory!.oomKills).to.be.above(0);
        expect(memory!.failcnt).to.be.above(0);
      });
    });

    it('The statistics without a limit have the machine’s memory, and the default number of processes', async () => {
      await using box = await start('sleep 1000');
      const { memory, pids } = (await readStats(await cgroupDirectoriesOf(box.id)))!;
      const total = Number(/MemTotal: +(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
      expect(memory!.limit).to.equal(total * 1024);
      expect(pids!.limit).to.equal(2048);
    });

    it('The statistics are undefined when the container ends, at any moment', async () => {
      for (let round = 0; round < 5; round++) {
        const box = await start('sleep 1000');
        const where = await cgroupDirectoriesOf(box.id);
        const pid = await pidOutside(box.id, 1);
        let last = await readStats(where, pid);
        expect(last).not.to.equal(undefined);
        const ended = box.end();
        const end = performance.now() + 10_000;
        while (last !== undefined && performance.now() < end) last = await readStats(where, pid);
        expect(last).to.equal(undefined);
        await ended;
        expect(await readStats(where, pid)).to.equal(undefined);
        expect(await readStats(where)).to.equal(undefined);
      }
    });
  });

  describe('top', () => {
    before(function () {
      if (spawnSync('ps').error !== undefined) skip(this, 'ps is not installed');
    });

    it('An error says that there is no ps', async () => {
      const { PATH } = process.env;
      process.env['PATH'] = '/nowhere';
      try {
        const { code, errno, message } = await rejectionOf(top([]));
        expect([code, errno]).to.deep.equal(['ERR_PS_FAILED', 'ENOENT']);
        expect(message).to.match(/no ps on this machine/);
      } finally {
        process.env['PATH'] = PATH;
      }
    });

    it('The list has the container’s processes and no others, in ps’s words', async () => {
      await using box = await start('sleep 1000 & sleep  "1001" & wait');
      await using other = await start('sleep 1002');
      const all = await directories(box.id);
      await eventually(async () => expect((await processesOf(all)).length).to.equal(4));
      await eventually(async () => {
        const rows = (await top(all)).processes.map((row) => row.at(-1));
        expect(rows).to.include.members(['sleep 1000', 'sleep 1001']);
      });
      const { titles, processes } = await top(all);
      expect(titles.slice(0, 3)).to.deep.equal(['UID', 'PID', 'PPID']);
      const pids = processes.map((row) => Number(row[1]));
      expect(pids).to.have.members(await processesOf(all));
      for (const row of processes) expect(row.length).to.equal(titles.length);
      expect(await processesOf(await directories(other.id))).not.to.include(pids[0]);
    });

    it('The list takes ps’s arguments', async () => {
      await using box = await start('sleep 1000 & wait');
      const all = await directories(box.id);
      await eventually(async () => expect((await processesOf(all)).length).to.equal(3));
      for (const args of [
        ['aux'],
        ['-o', 'pid,comm'],
        ['-eo', 'pid,args'],
        ['-eLf'],
        ['axf'],
        [],
      ]) {
        const { titles, processes } = await top(all, args);
        const column = titles.indexOf('PID');
        const pids = new Set(processes.map((row) => Number(row[column])));
        expect([...pids], args.join(' ')).to.have.members(await processesOf(all));
      }
      const threads = await top(all, ['-e', '-m', '-o', 'pid,tid']);
      expect(threads.processes.filter(([pid]) => pid === '-').length).to.be.at.least(3);
    });

    it('Arguments that leave no PID to know processes by, and those that ps refuses, are refused', async () => {
      await using box = await start('sleep 1000');
      const all = await directories(box.id);
      const code = async (args: unknown) => {
        const { code, message } = await rejectionOf(top(all, args as string[]));
        return [code, message.replace(/[:'].*/s, '')];
      };
      for (const args of [
        ['-o', 'comm'],
        ['-eo', 'pid=ID,comm'],
      ]) {
        const { code, message } = await rejectionOf(top(all, args));
        expect(code).to.equal('ERR_INVALID_OPTION');
        expect(message).to.match(/Couldn't find PID field in ps output/);
      }
      expect(await code(['-eo', 'comm=PID,pid'])).to.deep.equal(['ERR_INVALID_OPTION', 'psArgs']);
      expect(await code(['-eo', 'lstart,pid'])).to.deep.equal(['ERR_INVALID_OPTION', 'psArgs']);
      expect(await code('-ef')).to.deep.equal(['ERR_INVALID_OPTION', 'psArgs']);
      expect(await code(['-o', 'nothing'])).to.deep.equal(['ERR_PS_FAILED', 'ps']);
      // No shell: this is an argument that ps does not know.
      expect(await code(['-ef; touch /tmp/caisson-shell'])).to.deep.equal(['ERR_PS_FAILED', 'ps']);
      expect(await code(['$(true)'])).to.deep.equal(['ERR_PS_FAILED', 'ps']);
    });
  });

  describe('freezer', () => {
    it('The freezer stops all of a container, and resumes it', async () => {
      await using box = await start('for i in 1 2 3 4; do (while :; do :; done) & done; wait');
      const where = await cgroupDirectoriesOf(box.id);
      const usage = async () => (await readStats(where))!.cpu!.usage;
      expect(await freezerState(where)).to.equal('running');
      await setFrozen(where, true);
      await setFrozen(where, true);
      expect(await freezerState(where)).to.equal('paused');
      const before = await usage();
      await holdsFor(200, async () => expect(await usage()).to.equal(before));
      await setFrozen(where, false);
      await setFrozen(where, false);
      expect(await freezerState(where)).to.equal('running');
      await eventually(async () => expect(await usage()).to.be.above(before));
    });

    it('The freezer catches a container that forks all the time', async () => {
      await using box = await start(
        'for i in 1 2 3; do (while :; do /bin/true; done) & done; wait',
      );
      const where = await cgroupDirectoriesOf(box.id);
      for (let round = 0; round < 10; round++) {
        await setFrozen(where, true);
        const before = await processesOf(where.map(({ dir }) => dir));
        await holdsFor(20, async () =>
          expect(await processesOf(where.map(({ dir }) => dir))).to.deep.equal(before),
        );
        await setFrozen(where, false);
      }
    });

    it('The freezer gives up on a container that does not stop in time, and resumes it', async function () {
      // More than there are processors: some have no turn in which to stop before the first look.
      await using box = await start('for i in $(seq 30); do (while :; do :; done) & done; wait');
      const where = await cgroupDirectoriesOf(box.id);
      await eventually(async () =>
        expect((await processesOf(where.map(({ dir }) => dir))).length).to.equal(32),
      );
      let error: unknown;
      for (let attempt = 0; error === undefined && attempt < 50; attempt++) {
        error = await setFrozen(where, true, -1).catch((thrown: unknown) => thrown);
        if (error === undefined) await setFrozen(where, false);
      }
      // Where looking takes longer than stopping, as in an emulated machine.
      if (error === undefined) skip(this, 'looking takes longer than stopping on this machine');
      const { code, errno, message } = error as CaissonError;
      expect([code, errno]).to.deep.equal(['ERR_FREEZE_FAILED', 'ETIMEDOUT']);
      expect(message).to.match(/could not be paused/);
      expect(await freezerState(where)).to.equal('running');
    });

    it('Errors of the freezer say what is gone, and what cannot be frozen', async () => {
      const box = await start('sleep 1000');
      const where = await cgroupDirectoriesOf(box.id);
      await box.end();
      await eventually(async () => expect(await cgroupsOf(box.id)).to.deep.equal([]));
      expect(await freezerState(where)).to.equal(undefined);
      const codes = ['ERR_FREEZE_FAILED', 'ERR_CGROUP_CONTROLLER_MISSING'];
      expect((await rejectionOf(setFrozen(where, true))).code).to.be.oneOf(codes);
      expect((await rejectionOf(setFrozen([], true))).code).to.equal(
        'ERR_CGROUP_CONTROLLER_MISSING',
      );
    });

    needsRoot('cgroups of one’s own choice').describe('with cgroups made by hand', () => {
      let child: ChildProcess;
      const made: string[] = [];

      beforeEach(async () => {
        child = spawn('sleep', ['1000'], { stdio: 'ignore' });
        await once(child, 'spawn');
      });
      afterEach(async () => {
        for (const dir of made) {
          try {
            writeFileSync(join(dir, 'freezer.state'), 'THAWED');
          } catch {
            // Of v2, where KILL reaches a frozen process.
          }
        }
        child.kill('SIGKILL');
        await eventually(() => {
          for (const dir of made) rmdirSync(dir);
        });
        made.length = 0;
      });

      function make(mountPoint: string, ...names: string[]): string {
        let dir = mountPoint;
        for (const name of names) {
          dir = join(dir, name);
          mkdirSync(dir);
          made.unshift(dir);
        }
        writeFileSync(join(dir, 'cgroup.procs'), String(child.pid));
        return dir;
      }

      it('The freezer works with a cgroup of v2', async function () {
        const unified = (await hierarchies()).find(({ version }) => version === 2);
        if (unified === undefined) skip(this, 'this machine has no cgroup v2');
        const dir = make(unified.mountPoint, testCgroupName());
        const where: CgroupDirectory[] = [{ version: 2, controllers: [], dir }];
        expect(await freezerState(where)).to.equal('running');
        await setFrozen(where, true);
        expect(await freezerState(where)).to.equal('paused');
        expect(readFileSync(join(dir, 'cgroup.events'), 'utf8')).to.match(/^frozen 1$/m);
        await setFrozen(where, false);
        expect(await freezerState(where)).to.equal('running');
        const stats = (await readStats(where, child.pid))!;
        expect(stats.cpu!.usage).to.be.above(0);
        expect(stats.memory).to.equal(undefined);
        if (stats.pressure !== undefined) expect(stats.pressure.cpu!.some.total).to.be.at.least(0);
      });

      it('The freezer works with a cgroup of v1, and says that one above it is frozen', async function () {
        const v1 = (await hierarchies()).find(({ controllers }) => controllers.includes('freezer'));
        if (v1 === undefined) skip(this, 'this machine has no freezer of cgroup v1');
        const dir = make(v1.mountPoint, testCgroupName(), 'below');
        const where: CgroupDirectory[] = [{ version: 1, controllers: ['freezer'], dir }];
        const above: CgroupDirectory[] = [{ ...where[0]!, dir: join(dir, '..') }];
        await setFrozen(above, true);
        expect(await freezerState(where)).to.equal('paused');
        const { code, message } = await rejectionOf(setFrozen(where, false, 50));
        expect(code).to.equal('ERR_FREEZE_FAILED');
        expect(message).to.match(/resumed: .*above it/);
        await setFrozen(above, false);
        expect(await freezerState(where)).to.equal('running');
        expect((await statusOf(child.pid!))['State']).to.match(/^S/);
      });
    });
  });
});
