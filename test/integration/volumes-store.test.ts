/** Volumes on disk, and what has them: runs, detached containers, and processes that are killed. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../../lib/base/ids.js';
import type { CaissonError } from '../../lib/index.js';
import { recall } from '../../lib/engine/start/prepare.js';
import type { Prepared } from '../../lib/engine/start/prepared-start.js';
import { volumesContext } from '../../lib/engine/container/volumes-context-of.js';
import { type DetachedContainers, setUpDetached } from '../support/detached.js';
import { needsRoot } from '../support/needs.js';
import { fixture } from '../support/paths.js';
import { eventually } from '../support/outside.js';
import { rejectionOf } from '../support/rejection.js';
import type { Workshop } from '../support/workshop.js';

const templates = needsRoot('a rootless run is started by its supervisor');
const SLEEP = ['sleep', '1000'];

describe('volumes', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));
  afterEach(async () => {
    for (const { name, containers } of await shop.engine.volumes.list()) {
      for (const id of containers) await (await shop.engine.get(id)).remove({ force: true });
      await shop.engine.volumes.remove(name);
    }
    expect(left(), 'left in the directory of volumes').to.deep.equal([]);
  });

  const root = (...names: string[]) => shop.path('data/volumes', ...names);
  const left = () => (existsSync(root()) ? readdirSync(root()) : []);
  const names = async () => (await shop.engine.volumes.list()).map(({ name }) => name).sort();

  it('A volume is made once, and has what was asked for', async () => {
    const made = await shop.engine.volumes.create('data', { labels: { a: 'b' } });
    expect(made).to.deep.include({ name: 'data', driver: 'local', labels: { a: 'b' }, options: {}, anonymous: false, containers: [] }); // prettier-ignore
    expect(made.mountpoint).to.equal(root('data/_data'));
    const { mode, uid } = statSync(made.mountpoint);
    expect([mode & 0o7777, uid]).to.deep.equal([0o755, process.getuid?.()]);
    expect(await shop.engine.volumes.create('data', { labels: { c: 'd' } })).to.deep.equal(made);
    expect(await shop.engine.volumes.inspect('data')).to.deep.equal(made);
    const anonymous = await shop.engine.volumes.create();
    expect(anonymous.name).to.match(/^[0-9a-f]{64}$/);
    expect(anonymous.anonymous).to.equal(true);
  });

  it('Errors have codes, and nothing is made', async () => {
    const { volumes } = shop.engine;
    const codeOf = async (work: Promise<unknown>) => (await rejectionOf(work)).code;
    for (const name of ['x', '.data', '-data', 'da/ta', '', 'x'.repeat(256), '..'])
      expect(await codeOf(volumes.create(name)), name).to.equal('ERR_INVALID_OPTION');
    expect(await codeOf(volumes.create('data', { driver: 'nfs' as 'local' }))).to.equal('ERR_UNSUPPORTED_OPTION'); // prettier-ignore
    for (const driverOptions of [
      { type: 'tmpfs' },
      { nope: 'x' },
      { type: 'none', device: 'x', o: 'bind' },
    ])
      // prettier-ignore
      expect(await codeOf(volumes.create('data', { driverOptions }))).to.equal('ERR_INVALID_OPTION');
    expect(await codeOf(volumes.inspect('data'))).to.equal('ERR_NO_SUCH_VOLUME');
    expect(await codeOf(volumes.remove('../containers'))).to.equal('ERR_NO_SUCH_VOLUME');
    expect(await codeOf(volumes.list(['nope=x']))).to.equal('ERR_INVALID_OPTION');
    expect(left()).to.deep.equal([]);
  });

  it('Lists are filtered as Docker filters them', async () => {
    const { volumes } = shop.engine;
    await volumes.create('data-1', { labels: ['a=1'] });
    await volumes.create('data-2', { labels: ['a=2', 'b'] });
    await volumes.create('web');
    await detached.create(SLEEP, { volumes: ['web:/web'] });
    const found = async (...filters: string[]) =>
      (await volumes.list(filters)).map(({ name }) => name).sort();
    expect(await found('name=data')).to.deep.equal(['data-1', 'data-2']);
    expect(await found('name=^web$')).to.deep.equal(['web']);
    expect(await found('label=a')).to.deep.equal(['data-1', 'data-2']);
    expect(await found('label=a=2', 'label=b')).to.deep.equal(['data-2']);
    expect(await found('driver=local', 'dangling=false')).to.deep.equal(['web']);
    expect(await found('dangling=true')).to.deep.equal(['data-1', 'data-2']);
    expect(await found('driver=nfs')).to.deep.equal([]);
  });

  it('A run makes its volumes, and other containers have the same files', async () => {
    await shop.sh('echo one >/data/f', { volumes: ['data:/data'] });
    expect(await names()).to.deep.equal(['data']);
    expect(await shop.sh('cat /x/f; stat -c %u:%g /x /x/f', { volumes: ['data:/x:ro'] })).to.equal(
      'one\n0:0\n0:0',
    );
    const { exitCode } = await shop.engine.run(shop.busybox, ['touch', '/x/g'], { volumes: ['data:/x:ro'] }); // prettier-ignore
    expect(exitCode).to.equal(1);
    // On the disk they belong to the user that has the engine: containers with different ids share them.
    expect(statSync(root('data/_data/f')).uid).to.equal(process.getuid?.());
  });

  it('A volume that a run has is not removed, and is free when the run has ended', async () => {
    const run = shop.engine.run(shop.busybox, SLEEP, { volumes: ['data:/data'] });
    await run.started;
    const error = await rejectionOf(shop.engine.volumes.remove('data'));
    expect(error.code).to.equal('ERR_VOLUME_IN_USE');
    const other = await shop.openAnother();
    expect((await rejectionOf(other.volumes.remove('data'))).code).to.equal('ERR_VOLUME_IN_USE');
    // Two runs of one engine have it together.
    await shop.sh('true', { volumes: ['data:/data'] });
    expect((await rejectionOf(other.volumes.remove('data'))).code).to.equal('ERR_VOLUME_IN_USE');
    run.kill();
    await run.catch(() => undefined);
    await other.volumes.remove('data');
    expect(await names()).to.deep.equal([]);
  });

  it('A detached container has its volumes from its creation to its removal', async () => {
    const { volumes } = shop.engine;
    const container = await detached.create('echo x >>/data/f; echo y >>/anon/f; cat /anon/f', { volumes: ['data:/data', '/anon'] }); // prettier-ignore
    const [anonymous = ''] = (await names()).filter((name) => name !== 'data');
    expect((await volumes.inspect(anonymous)).containers).to.deep.equal([container.id]);
    const error = await rejectionOf(volumes.remove('data'));
    expect(error.code).to.equal('ERR_VOLUME_IN_USE');
    expect(error.message).to.include(container.id);
    for (let run = 0; run < 2; run++) {
      await container.start();
      await container.wait();
    }
    expect(await shop.sh('cat /data/f', { volumes: ['data:/data'] })).to.equal('x\nx');
    expect((await volumes.prune(['all=true'])).removed).to.deep.equal([]);
    await container.remove();
    expect(await names()).to.deep.equal([anonymous, 'data'].sort());
    expect((await volumes.prune()).removed).to.deep.equal([anonymous]);
    const { removed, freed } = await volumes.prune(['all=true']);
    expect(removed).to.deep.equal(['data']);
    expect(freed).to.be.above(0);
  });

  it('The option volumes of remove takes the anonymous volumes that no other container has', async () => {
    const first = await detached.create(SLEEP, { volumes: ['data:/data', '/anon', '/more'] });
    const second = await detached.create(SLEEP, { volumesFrom: [first.id] });
    await first.remove({ volumes: true });
    expect(await names()).to.have.lengthOf(3);
    await second.remove({ volumes: true });
    expect(await names()).to.deep.equal(['data']);
  });

  it('The option volumesFrom gives the volumes and binds of another container', async () => {
    mkdirSync(shop.path('shared'), { recursive: true });
    writeFileSync(shop.path('shared/s'), 'bound\n');
    const first = await detached.create(SLEEP, {
      name: 'first',
      volumes: ['data:/data', `${shop.path('shared')}:/shared:ro`, '/anon'],
      tmpfs: ['/t'],
    });
    await first.start();
    await first.exec(['sh', '-c', 'echo a >/data/f; echo b >/anon/f']);
    const said = await shop.sh('cat /data/f /anon/f /shared/s; ls -d /t; echo c >/data/f', { volumesFrom: ['first'], tmpfs: ['/t'] }); // prettier-ignore
    expect(said).to.equal('a\nb\nbound\n/t');
    const readOnly = await shop.engine.run(shop.busybox, ['sh', '-c', 'cat /data/f; echo x >/data/f'], { volumesFrom: ['first:ro'] }); // prettier-ignore
    expect(readOnly.stdout).to.equal('c\n');
    expect(readOnly.exitCode).not.to.equal(0);
    // What the container itself has at that path goes before.
    expect(await shop.sh('ls /data', { volumesFrom: ['first'], volumes: ['other:/data'] })).to.equal(''); // prettier-ignore
  });

  it('The anonymous volume of a run is empty, can be written to, and is gone after it', async () => {
    const options = { volumes: ['/anon'], readOnly: true };
    expect(await shop.sh('touch /anon/f; ls /anon; stat -c %u /anon', options)).to.equal('f\n0');
    expect(await shop.sh('ls /anon', options)).to.equal('');
    expect(await names()).to.deep.equal([]);
  });

  it('A part of a volume is mounted, and nothing outside of it', async () => {
    const part = (volumeSubpath: string) => ({
      mounts: [{ type: 'volume', source: 'data', target: '/part', volumeSubpath } as const],
    });
    await shop.sh('mkdir -p /data/a/b; echo in >/data/a/b/f; ln -s / /data/out; ln -s a /data/in', { volumes: ['data:/data'] }); // prettier-ignore
    expect(await shop.sh('cat /part/f', part('a/b'))).to.equal('in');
    expect(await shop.sh('cat /part/b/f', part('in'))).to.equal('in');
    for (const path of ['out', 'out/etc', 'no-such'])
      expect((await rejectionOf(shop.engine.run(shop.busybox, ['true'], part(path)))).code, path).to.equal('ERR_START_FAILED'); // prettier-ignore
  });

  templates.it('A start with volumes that was seen before needs no look at the host', async () => {
    const { volumes } = shop.engine;
    const options = { volumes: ['data:/data', '/anon'] };
    const again = () => recall(shop.context, newId(), shop.busybox, ['true'], options);
    const run = (script: string) => shop.sh(script, options);
    // A look at the root directory is good for a second, which a busy machine may need for a run.
    const prepared = await eventually(async () => {
      await run('touch /data/f');
      const found = again();
      expect(found).to.be.an('object').and.not.be.a('promise');
      return found;
    });
    expect((await rejectionOf(volumes.remove('data'))).code).to.equal('ERR_VOLUME_IN_USE');
    (prepared as Prepared).release();
    await volumes.remove('data');
    expect(again()).to.equal(undefined);
    // Another volume has the name.
    await volumes.create('data', {
      driverOptions: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' },
    });
    expect(again()).to.equal(undefined);
    expect(await run('stat -f -c %T /data; ls /data; df -k /data | tail -1')).to.match(
      /^tmpfs\ntmpfs +1024 /,
    );
    await volumes.remove('data');
    expect(await run('ls /data')).to.equal('');
  });

  it('A volume can be a directory of the host, which outlives it', async () => {
    const { volumes } = shop.engine;
    mkdirSync(shop.path('device'), { recursive: true });
    const of = (o: string) => ({ type: 'none', device: shop.path('device'), o });
    await volumes.create('data', { driverOptions: of('bind') });
    await volumes.create('fixed', { driverOptions: of('bind,ro') });
    await shop.sh('echo one >/data/f', { volumes: ['data:/data'] });
    const options = { volumes: ['fixed:/data'] };
    expect(await shop.sh('cat /data/f', options)).to.equal('one');
    const { exitCode } = await shop.engine.run(shop.busybox, ['touch', '/data/g'], options);
    expect(exitCode).to.equal(1);
    await volumes.remove('data');
    expect(readdirSync(shop.path('device'))).to.deep.equal(['f']);
    rmSync(shop.path('device'), { recursive: true });
    const gone = await rejectionOf(shop.engine.run(shop.busybox, ['true'], options));
    expect(gone.code).to.equal('ERR_START_FAILED');
    expect(gone.path).to.equal(shop.path('device'));
  });

  it('What killed processes have left is removed, and hinders nobody', async () => {
    const { volumes } = shop.engine;
    mkdirSync(root('half/_data'), { recursive: true });
    mkdirSync(root('.removed-0123456789abcdef/_data/x'), { recursive: true });
    expect(await names()).to.deep.equal([]);
    expect((await rejectionOf(volumes.inspect('half'))).code).to.equal('ERR_NO_SUCH_VOLUME');
    writeFileSync(root('half/_data/old'), '');
    await volumes.create('half');
    expect(readdirSync(root('half/_data'))).to.deep.equal([]);
    await volumes.prune();
    expect(left()).to.deep.equal(['half']);
  });

  it('A damaged file is reported, and the volume can be removed', async () => {
    const { volumes } = shop.engine;
    await volumes.create('data');
    writeFileSync(root('data/volume.json'), '{"version":1,');
    expect((await rejectionOf(volumes.inspect('data'))).code).to.equal('ERR_DAMAGED_STATE');
    expect((await rejectionOf(volumes.create('data'))).code).to.equal('ERR_DAMAGED_STATE');
    expect(await names()).to.deep.equal([]);
    await volumes.remove('data');
    expect(left()).to.deep.equal([]);
  });

  it('Events tell of volumes', async () => {
    const { volumes } = shop.engine;
    const since = new Date();
    const name = `data-${newId().slice(0, 8)}`;
    await volumes.create(name);
    await volumes.remove(name);
    const seen: string[] = [];
    const filter = ({ type, id }: { type: string; id: string }) => type === 'volume' && id === name;
    for await (const { action, attributes } of shop.engine.events({
      since,
      until: new Date(),
      filter,
    }))
      // prettier-ignore
      seen.push(`${action} ${attributes['driver']}`);
    expect(seen).to.deep.equal(['create local', 'destroy local']);
  });

  it('What begins to run while everything else is removed has its volumes, or was removed before', async function () {
    this.timeout(120_000);
    const args = [fixture('prune-churn'), shop.path('data'), shop.path('run')];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const found = new Map<string, number>();
    const script = ['sh', '-c', 'echo x >/data/f && echo x >/other/f && cat /data/f /other/f'];
    const volumes = ['data:/data', '/other'];
    const attempts = [
      async () => `run: ${(await shop.engine.run(shop.busybox, script, { volumes })).exitCode}`,
      async () => {
        const container = await shop.engine.create(shop.busybox, script, { volumes });
        return `start: ${(await container.startAttached()).exitCode}`;
      },
      async () => {
        const options = { volumes, autoRemove: true };
        const container = await shop.engine.create(shop.busybox, script, options);
        return `start: ${(await container.startAttached()).exitCode}`;
      },
    ];
    try {
      await once(child.stdout, 'data');
      for (let round = 0; round < 25; round++)
        for (const attempt of attempts) {
          const outcome = await attempt().catch((error: CaissonError) => error.code);
          found.set(outcome, (found.get(outcome) ?? 0) + 1);
        }
    } finally {
      child.kill();
      await ended;
    }
    // It has found no error.
    expect(child.exitCode).to.equal(0);
    // A container that does not run yet is one that does not run.
    expect(['run: 0', 'start: 0', 'ERR_NO_SUCH_CONTAINER']).to.include.members([...found.keys()]);
    expect(found.get('run: 0')).to.equal(25);
    expect(found.get('start: 0')).to.be.greaterThan(0);
    await shop.engine.pruneUnused({ volumes: true });
    await shop.engine.volumes.prune(['all=true']);
    expect(await shop.engine.list()).to.deep.equal([]);
    expect(left()).to.deep.equal([]);
  });

  it('Processes that are killed while they create and remove volumes leave whole ones', async () => {
    const roots = [shop.path('data'), shop.path('run')];
    for (let round = 0; round < 12; round++) {
      const child = spawn(process.execPath, [fixture('volume-churn'), ...roots], { stdio: ['ignore', 'pipe', 'inherit'] }); // prettier-ignore
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      // At any moment of its work.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      child.kill('SIGKILL');
      await ended;
      const { volumes, removeTree } = volumesContext(shop.context.store);
      // Each that is there is whole; a second try does what the killed process has not.
      for (const name of volumes.names()) expect(existsSync(volumes.dataOf(name))).to.equal(true);
      await volumes.locked(() => volumes.removeUnfinished(removeTree));
      expect(left().sort()).to.deep.equal(volumes.names().sort());
      await shop.engine.volumes.create('churn-0');
      expect(existsSync(join(root('churn-0'), '_data'))).to.equal(true);
    }
  });
});
