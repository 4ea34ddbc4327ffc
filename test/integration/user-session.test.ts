/**
 * Containers of an unprivileged user who has logged in, with limits: in what the user's systemd was delegated. For machines where
 * the tests run as such a user (`scripts/test-vm b --user`); `rootless.test.ts` is for all others.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import { cgroupPath, scopeName, scopePath } from '../../lib/cgroup/cgroup-paths.js';
import { sliceFor } from '../../lib/cgroup/systemd/systemd.js';
import type { Container } from '../../lib/engine/container/container.js';
import { Engine, machineInfo } from '../../lib/index.js';
import { eventually } from '../support/outside.js';
import { skipping } from '../support/skip.js';

const uid = process.geteuid?.() ?? 0;
const layout = await detectCgroups();
const slice = uid === 0 ? undefined : sliceFor(layout, undefined);
const why = uid === 0 ? 'this is root' : slice === undefined ? 'no systemd of this user' : '';

describe('a user’s session', function () {
  this.timeout(120_000);
  if (slice === undefined) {
    skipping(why).it('Containers are in the session of their user');
    return;
  }
  const mountPoint = layout.unified?.mountPoint ?? '';
  let directory: string;
  let engine: Engine;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'caisson-session-'));
    engine = await Engine.open({
      dataRoot: join(directory, 'data'),
      runRoot: join(directory, 'run'),
    });
  });

  after(async () => {
    for (const { config } of await engine.list())
      await (await engine.get(config.id)).remove({ force: true });
    await engine.close();
    rmSync(directory, { recursive: true });
  });

  const read = async ({ id }: { id: string }, file: string): Promise<string> =>
    (
      await readFile(`${mountPoint}${cgroupPath(id, { cgroupSlice: slice })}/${file}`, 'utf8')
    ).trim();

  const members = async (container: { id: string }): Promise<number[]> =>
    (await read(container, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);

  const started = async (options = {}): Promise<Container> => {
    const container = await engine.create('host', ['sleep', '1000'], options);
    await container.start();
    return container;
  };

  const expectNothing = ({ id }: { id: string }): Promise<void> =>
    eventually(() => {
      expect(existsSync(`${mountPoint}${scopePath(id, slice)}`)).to.equal(false);
      const units = ['--user', 'list-units', '--all', '--no-legend', scopeName(id)];
      expect(execFileSync('systemctl', units, { encoding: 'utf8' })).to.equal('');
    });

  it('A container in a user’s session has the limits that were asked for, in the kernel’s files', async () => {
    const container = await started({ memory: '64m', pidsLimit: 50, cpus: 0.5 });
    expect(await read(container, 'memory.max')).to.equal(String(64 << 20));
    expect(await read(container, 'pids.max')).to.equal('50');
    expect(await read(container, 'cpu.max')).to.equal('50000 100000');
    const { state } = await container.inspect();
    expect(await members(container)).to.include(state.pid);
    await container.remove({ force: true });
    await expectNothing(container);
  });

  it('A limit in a user’s session ends a hog, and the result says so', async () => {
    const hog = 'head -c 200m /dev/zero | tail -c 199m | wc -c; exit 0';
    const { oomKilled } = await engine.run('host', ['sh', '-c', hog], { memory: '64m' });
    expect(oomKilled).to.equal(true);
  });

  it('An exec in a user’s session is in the container’s cgroup, before it does anything', async () => {
    const container = await started({ pidsLimit: 20 });
    const before = await members(container);
    const seen = await container.exec(['cat', '/proc/self/cgroup']);
    expect(seen.stdout).to.equal('0::/\n');
    const execution = container.exec(['sleep', '900']);
    await execution.started;
    expect(await members(container)).to.include(execution.pid);
    execution.kill();
    expect((await execution).exitCode).to.equal(137);
    expect((await container.exec(['false'])).exitCode).to.equal(1);
    await container.exec(['sleep', '901'], { detach: true });
    expect(await members(container)).to.have.lengthOf(before.length + 1);
    await container.remove({ force: true });
    await expectNothing(container);
  });

  it('A container in a user’s session pauses, tells how much is used, and is killed whole', async () => {
    const container = await started({ memory: '64m' });
    await container.pause();
    expect(await read(container, 'cgroup.events')).to.include('frozen 1');
    expect((await container.inspect()).status).to.equal('paused');
    await container.unpause();
    expect((await container.stats())?.memory?.limit).to.equal(64 << 20);
    await container.kill();
    await expectNothing(container);
    await container.remove();
  });

  it('An error in a user’s session names what is missing', async () => {
    const { cgroup, abilities } = await machineInfo();
    expect(cgroup.driver).to.equal('systemd');
    const available = cgroup.controllers.filter((each) => each.available).map(({ name }) => name);
    expect(available).to.include.members(['cpu', 'memory', 'pids']);
    const ability = abilities.find(({ name }) => name === 'cgroups');
    expect(ability?.available, ability?.reason).to.equal(true);
  });
});
