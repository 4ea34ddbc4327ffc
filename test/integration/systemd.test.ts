/** Containers in scopes of systemd: as systemd says it, and as the kernel does. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import { scopeName } from '../../lib/cgroup/cgroup-paths.js';
import { Systemd } from '../../lib/cgroup/systemd/scope.js';
import { sliceFor } from '../../lib/cgroup/systemd/systemd.js';
import type { Container } from '../../lib/engine/container/container.js';
import { newId } from '../../lib/base/ids.js';
import {
  type DetachedContainers,
  logOf,
  supervisorOf,
  refused,
  statusIs,
  untilLogged,
  untilStatus,
  setUpDetached,
} from '../support/detached.js';
import { processesIn } from '../support/leftovers.js';
import {
  eventually,
  hierarchies,
  supervisorsOf,
  pidOutside,
  processesOf,
  scopeIn,
} from '../support/outside.js';
import { isRoot } from '../support/needs.js';
import { fixture } from '../support/paths.js';
import type { Workshop } from '../support/workshop.js';
import { skipping } from '../support/skip.js';

const SLEEP = ['sleep', '1000'];
const OBEDIENT = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";

/** Why there is nothing to be tested here. */
async function obstacle(): Promise<string | undefined> {
  if (!isRoot) return 'needs root: its systemd; a user’s own is in user-session.test.ts';
  try {
    sliceFor(await detectCgroups(), 'systemd');
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const why = await obstacle();

describe('scopes of systemd', function () {
  this.timeout(60_000);
  if (why !== undefined) {
    skipping(why).it('Scopes of systemd are used');
    return;
  }
  let shop: Workshop;
  let detached: DetachedContainers;
  let mountPoint = '';

  setUpDetached((made) => ({ shop, detached } = made));
  before(async () => {
    mountPoint = (await hierarchies()).find(({ version }) => version === 2)!.mountPoint;
  });

  const scopeOf = ({ id }: { id: string }) => scopeIn(mountPoint, id);

  const read = async (...path: string[]) => (await readFile(join(...path), 'utf8')).trim();

  /** What systemd says of a unit. */
  function show(unit: string): Record<string, string> {
    const text = execFileSync('systemctl', ['show', unit], { encoding: 'utf8' });
    const pairs = text.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    });
    return Object.fromEntries(pairs);
  }

  /** Neither systemd nor the kernel has anything of it. */
  async function expectNoScope({ id }: { id: string }): Promise<void> {
    await eventually(() => {
      expect(show(scopeName(id))['LoadState'], id).to.equal('not-found');
      expect(existsSync(scopeOf({ id })), id).to.equal(false);
    });
  }

  it('A scope has a detached container, beside its supervisor', async () => {
    const container = await detached.start(SLEEP, { name: 'scoped', init: false });
    const scope = scopeOf(container);
    expect(show(scopeName(container.id))).to.include({
      ActiveState: 'active',
      Slice: 'system.slice',
      Delegate: 'yes',
      CollectMode: 'inactive-or-failed',
      TasksMax: 'infinity',
      Transient: 'yes',
      Description: `caisson container scoped (${container.shortId})`,
      ControlGroup: scope.slice(mountPoint.length),
    });
    expect(await processesIn(scope)).to.deep.equal([]);
    expect(await processesIn(join(scope, 'supervisor'))).to.deep.equal([
      await supervisorOf(container),
    ]);
    expect(await processesIn(join(scope, 'container'))).to.deep.equal([
      await pidOutside(container.id, 1),
    ]);
    expect((await container.inspect()).config.cgroupSlice).to.equal('/system.slice');
  });

  it('A container in a scope has the limits that were asked for, in its own cgroup', async () => {
    const container = await detached.start(SLEEP, { memory: '64m', pidsLimit: 50, cpus: 0.5 });
    const own = join(scopeOf(container), 'container');
    expect(await read(own, 'memory.max')).to.equal(String(64 << 20));
    expect(await read(own, 'pids.max')).to.equal('50');
    expect(await read(own, 'cpu.max')).to.equal('50000 100000');
    await container.update({ memory: '80m' });
    expect(await read(own, 'memory.max')).to.equal(String(80 << 20));
    expect(await read(scopeOf(container), 'memory.max'), 'the scope').to.equal('max');
  });

  it('A scope has the container’s weight, which would count for nothing within', async () => {
    const container = await detached.start(SLEEP, { cpuShares: 512 });
    const scope = scopeOf(container);
    const weights = () =>
      Promise.all([read(scope, 'cpu.weight'), read(scope, 'container/cpu.weight')]);
    expect(await weights()).to.deep.equal(['59', '59']);
    execFileSync('systemctl', ['daemon-reload']);
    await container.update({ cpuShares: 2 });
    expect(await weights()).to.deep.equal(['1', '1']);
    await container.update({ cpuShares: 0 });
    expect(await weights()).to.deep.equal(['100', '100']);
  });

  it('Systemd leaves limits alone, whatever it reads anew', async () => {
    const container = await detached.start(SLEEP, { memory: '64m' });
    const scope = scopeOf(container);
    execFileSync('systemctl', ['daemon-reload']);
    execFileSync('systemctl', [
      'set-property',
      '--runtime',
      scopeName(container.id),
      'CPUWeight=50',
    ]);
    expect(await read(scope, 'cpu.weight')).to.equal('50');
    expect(await read(scope, 'container', 'memory.max')).to.equal(String(64 << 20));
    expect(await read(scope, 'cgroup.subtree_control')).to.equal('cpu io memory pids');
    await container.restart({ timeout: 0 });
    expect(await read(scope, 'container', 'memory.max')).to.equal(String(64 << 20));
  });

  it('The kernel enforces the limits of a container in a scope', async () => {
    const container = await detached.start('head -c 100m /dev/zero | tail', { memory: '32m' });
    expect((await container.wait()).oomKilled).to.equal(true);
  });

  it('Every verb finds a container in a scope', async () => {
    const container = await detached.start(SLEEP, { init: false });
    await container.pause();
    const [listed] = await shop.engine.list();
    expect(listed?.status).to.equal('paused');
    await container.unpause();
    const stats = await container.stats();
    expect(stats?.pids?.current).to.equal(1);
    const execution = container.exec(['sleep', '999']);
    await execution.started;
    expect(await processesOf(container.id)).to.have.length(2);
    execution.kill();
    await execution;
  });

  it('A container in a scope sees nothing of the host from inside', async () => {
    const container = await detached.start('cat /proc/self/cgroup; ls -d /sys/fs/cgroup/*.scope');
    await container.wait();
    expect(await logOf(container))
      .to.match(/^0::\/\n/)
      .and.not.to.include('caisson-');
  });

  it('A scope outlives the service that started the container', async () => {
    const unit = `caisson-test-${process.pid}.service`;
    const task = {
      directory: shop.directory,
      root: shop.path('busybox'),
      argv: SLEEP,
      options: { name: 'outliving' },
      attach: false,
    };
    const argument = JSON.stringify(task).replaceAll('$', '$$$$');
    const run = ['--quiet', '--collect', `--unit=${unit}`, '--pipe', '--wait', process.execPath];
    const service = spawn('systemd-run', [...run, fixture('keep-one'), argument], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(service, 'exit');
    try {
      let text = '';
      service.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      await eventually(() => expect(text).to.include('started'), 20_000);
      const container = detached.adopt(await shop.engine.get('outliving'));
      const before = (await container.inspect()).state;
      execFileSync('systemctl', ['stop', unit]);
      await ended;
      expect(show(unit)['ActiveState']).to.equal('inactive');
      await statusIs(container, 'running');
      expect((await container.inspect()).state).to.deep.equal(before);
      expect((await container.exec(['echo', 'alive'])).stdout).to.equal('alive\n');
    } finally {
      spawnSync('systemctl', ['stop', unit]);
    }
  });

  it('A scope is gone with what it was for', async () => {
    const container = await detached.start('true');
    await container.wait();
    await expectNoScope(container);
    const removed = await detached.start(SLEEP);
    await removed.remove({ force: true });
    await expectNoScope(removed);
    await detached.expectGone(removed);
    const own = await detached.start('true', { autoRemove: true });
    await eventually(async () => refused(own.inspect(), 'ERR_NO_SUCH_CONTAINER'));
    await expectNoScope(own);
  });

  it('A scope comes again with the next start, however soon', async () => {
    const container = await detached.start(SLEEP);
    for (let round = 0; round < 5; round++) {
      await container.restart({ timeout: 0 });
      const members = await processesIn(join(scopeOf(container), 'supervisor'));
      expect(members).to.include(await supervisorOf(container));
    }
  });

  it('A scope stays while the container is run again by its policy', async () => {
    const container = await detached.start('sleep 0.2; exit 3', { restart: 'on-failure:2' });
    const invocation = show(scopeName(container.id))['InvocationID'];
    await eventually(async () =>
      expect((await container.inspect()).state.restartCount).to.be.greaterThan(0),
    );
    expect(show(scopeName(container.id))['InvocationID']).to.equal(invocation);
    expect((await container.wait()).exitCode).to.equal(3);
    await expectNoScope(container);
  });

  it('A scope is recovered when the supervisor was killed', async () => {
    const container = await detached.start(SLEEP);
    const pid = await pidOutside(container.id, 1);
    process.kill(await supervisorOf(container), 'SIGKILL');
    await untilStatus(container, 'exited');
    const { state } = await container.inspect();
    expect(state.exitCode).to.equal(255);
    await eventually(() => expect(existsSync(`/proc/${pid}`)).to.equal(false));
    await expectNoScope(container);
    await container.start();
    await statusIs(container, 'running');
  });

  it('A scope is stopped by systemctl as by a stop', async () => {
    const container = await detached.start(OBEDIENT, { restart: 'always', init: true });
    await untilLogged(container, 'ready');
    execFileSync('systemctl', ['stop', scopeName(container.id)]);
    const { state, status } = await container.inspect();
    expect(status).to.equal('exited');
    expect(state).to.include({ exitCode: 7, error: '' });
    await expectNoScope(container);
  });

  it('Scopes are optional: cgroupfs does without, and each container keeps its own', async () => {
    const plain = await shop.openAnother({ cgroupDriver: 'cgroupfs' });
    const container = detached.adopt(await plain.create(shop.busybox, SLEEP));
    await container.start();
    expect((await container.inspect()).config).not.to.have.property('cgroupSlice');
    expect(existsSync(join(mountPoint, 'caisson', container.id))).to.equal(true);
    const seen = await shop.engine.get(container.id);
    await seen.restart({ timeout: 0 });
    expect(existsSync(join(mountPoint, 'caisson', container.id))).to.equal(true);
    expect(existsSync(scopeOf(container))).to.equal(false);

    const scoped = await detached.create(SLEEP, { init: false });
    const other = await plain.get(scoped.id);
    await other.start();
    expect(await processesIn(join(scopeOf(scoped), 'container'))).to.have.length(1);
    expect((await other.stats())?.pids?.current).to.equal(1);
    await other.remove({ force: true });
    await expectNoScope(scoped);
  });

  describe('scopes that cannot be had', () => {
    async function expectUnmade(container: Container): Promise<void> {
      await statusIs(container, 'created');
      await eventually(() => expect(supervisorsOf(container.id)).to.deep.equal([]));
      await expectNoScope(container);
      await detached.expectQuiet(container);
    }

    it('A start makes nothing when the bus is gone', async () => {
      const container = await detached.create(SLEEP);
      process.env['DBUS_SYSTEM_BUS_ADDRESS'] = `unix:path=${shop.path('no-bus')}`;
      try {
        const error = await refused(container.start(), 'ERR_SYSTEMD');
        expect(error.message).to.include('no-bus').and.to.include('dbus');
        const client = container.startAttached();
        await refused(client, 'ERR_SYSTEMD');
      } finally {
        delete process.env['DBUS_SYSTEM_BUS_ADDRESS'];
      }
      await expectUnmade(container);
      await container.start();
      await statusIs(container, 'running');
    });

    it('A start leaves nothing when systemd refuses', async () => {
      const container = await detached.create(SLEEP);
      // Another connection has the name, and passes nothing on.
      const unit = scopeName(container.id);
      const run = ['--quiet', '--scope', '--collect', `--unit=${unit}`, 'sleep', '1000'];
      const other = spawn('systemd-run', run, { stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = once(other, 'exit');
      try {
        await eventually(() => expect(show(unit)['ActiveState']).to.equal('active'));
        const error = await refused(container.start(), 'ERR_SYSTEMD');
        expect(error.path).to.equal(unit);
        expect(error.message).to.include('already');
      } finally {
        other.kill('SIGKILL');
        await ended;
      }
      await expectUnmade(container);
    });

    it('A start without a scope fails when the process has gone', async () => {
      const systemd = await Systemd.open();
      try {
        const gone = spawnSync('true').pid;
        const about = { id: newId(), name: 'nobody' };
        const error = await refused(
          systemd.enterScope(mountPoint, '/system.slice', about, gone),
          'ERR_SYSTEMD',
        );
        expect(error.message).to.include(scopeName(about.id));
        await expectNoScope(about);
      } finally {
        systemd.close();
      }
    });
  });

  it('A scope is shared with a supervisor that is still leaving', async () => {
    const systemd = await Systemd.open();
    const about = { id: newId(), name: 'shared' };
    const sleepers = [0, 1].map(() => spawn('sleep', ['1000']));
    try {
      for (const { pid } of sleepers)
        await systemd.enterScope(mountPoint, '/system.slice', about, pid!);
      const leaf = join(scopeOf(about), 'supervisor');
      expect(await processesIn(leaf)).to.have.members(sleepers.map(({ pid }) => pid));
      expect(await readdir(scopeOf(about))).to.include('supervisor');
    } finally {
      for (const sleeper of sleepers) sleeper.kill('SIGKILL');
      systemd.close();
    }
    await expectNoScope(about);
  });
});
