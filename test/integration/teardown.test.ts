/** What a container may leave in the kernel's hands, and that it is gone all the same. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'chai';
import { needsCgroups, needsRoot } from '../support/needs.js';
import { cgroupOf, cgroupsOf, eventually, tracesOf } from '../support/outside.js';
import { slowness } from '../support/slowness.js';
import { Workshop } from '../support/workshop.js';

const cgroups = needsCgroups();
const root = needsRoot('others’ processes in a cgroup, and immutable files');

describe('teardown', () => {
  let shop: Workshop;
  const strangers: ChildProcess[] = [];

  before(async () => {
    shop = await Workshop.open();
  });

  after(async () => {
    for (const stranger of strangers) stranger.kill('SIGKILL');
    await shop.close();
  });

  const expectNothingLeft = async (id: string) => {
    await eventually(async () => {
      expect(await tracesOf(id, join(shop.engine.dataRoot))).to.deep.equal([]);
    });
  };

  /** A process of ours in a cgroup; its pid. */
  const settle = async (cgroup: string): Promise<ChildProcess> => {
    const stranger = spawn('sleep', ['1000'], { stdio: 'ignore' });
    strangers.push(stranger);
    await once(stranger, 'spawn');
    await writeFile(join(cgroup, 'cgroup.procs'), String(stranger.pid));
    return stranger;
  };

  root.it(
    'The teardown removes cgroups made in the container’s own, with the processes in them',
    async () => {
      const box = await shop.session();
      const cgroups = await cgroupsOf(box.id);
      expect(cgroups).not.to.deep.equal([]);
      for (const cgroup of cgroups) {
        for (const name of ['a', 'b/c/d', 'b/e']) {
          await mkdir(join(cgroup, name), { recursive: true });
        }
      }
      // Cpusets must be filled in before a process can enter.
      const { directory } = await cgroupOf(box.id, 'pids');
      const inside = await settle(join(directory, 'b/c/d'));
      const beside = await settle(join(directory, 'a'));
      const ended = [once(inside, 'exit'), once(beside, 'exit')];
      expect((await box.close()).exitCode).to.equal(0);
      await Promise.all(ended);
      await expectNothingLeft(box.id);
    },
  );

  cgroups.it('The teardown removes cgroups nested 300 deep', async () => {
    const box = await shop.session();
    const { directory } = await cgroupOf(box.id, 'pids');
    let here = directory;
    for (let depth = 0; depth < 300; depth++) {
      here = join(here, 'd');
      await mkdir(here);
    }
    expect((await box.close()).exitCode).to.equal(0);
    await expectNothingLeft(box.id);
  });

  cgroups.describe('the teardown of frozen containers', () => {
    /** Freezes the container, or those of its processes that are in a cgroup below; false on v2. */
    const freeze = async (id: string, below: string | undefined, pid: number) => {
      const { version, directory } = await cgroupOf(id, 'freezer');
      if (version === 2) {
        await writeFile(join(directory, 'cgroup.freeze'), '1');
        return;
      }
      const cgroup = below === undefined ? directory : join(directory, below);
      await mkdir(cgroup, { recursive: true });
      if (below !== undefined) await writeFile(join(cgroup, 'cgroup.procs'), String(pid));
      await writeFile(join(cgroup, 'freezer.state'), 'FROZEN');
      await eventually(async () => {
        expect((await readFile(join(cgroup, 'freezer.state'), 'utf8')).trim()).to.equal('FROZEN');
      });
    };

    for (const below of [undefined, 'x/y']) {
      const where = below === undefined ? '' : ' in a cgroup of its own making';
      it(`A frozen container ends by a kill${where}`, async () => {
        const execution = shop.engine.run(shop.busybox, ['sleep', '1000'], { init: false });
        await execution.started;
        const { directory } = await cgroupOf(execution.id, 'freezer');
        const [pid] = (await readFile(join(directory, 'cgroup.procs'), 'utf8')).split('\n');
        await freeze(execution.id, below, Number(pid));
        execution.kill();
        expect((await execution).signal).to.equal('SIGKILL');
        await expectNothingLeft(execution.id);
      });

      it(`A frozen container ends with its engine${where}`, async () => {
        const engine = await shop.openAnother();
        const execution = engine.run(shop.busybox, ['sleep', '1000']);
        await execution.started;
        const { directory } = await cgroupOf(execution.id, 'freezer');
        const [pid] = (await readFile(join(directory, 'cgroup.procs'), 'utf8')).split('\n');
        await freeze(execution.id, below, Number(pid));
        const ended = execution.then(({ signal }) => signal);
        await engine.close();
        expect(await ended).to.equal('SIGKILL');
        await expectNothingLeft(execution.id);
      });
    }

    it('A frozen container ends by a timeout', async () => {
      const box = await shop.session({ timeout: 300 * slowness });
      await freeze(box.id, undefined, 0);
      const { timedOut } = await box.execution;
      expect(timedOut).to.equal(true);
      await expectNothingLeft(box.id);
    });
  });

  root.it('The teardown removes what was made immutable in the container’s layer', async () => {
    const box = await shop.session({ capAdd: ['LINUX_IMMUTABLE'], userns: 'host' }, 'host');
    await box.sh('mkdir -p /data/below && echo x >/data/below/file && echo x >/data/append');
    await box.sh('chattr +i /data/below/file /data/below && chattr +a /data/append /data');
    expect((await box.try('rm -rf /data')).code).not.to.equal(0);
    expect((await box.close()).exitCode).to.equal(0);
    await expectNothingLeft(box.id);
  });
});
