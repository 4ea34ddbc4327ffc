/** Detached containers: every verb, on the disk and in the kernel. */
import { existsSync, symlinkSync } from 'node:fs';
import { lutimes, mkdir, readdir, readFile, readlink, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Container } from '../../lib/engine/container/container.js';
import type { CreateOptions } from '../../lib/engine/options/create-options.js';
import {
  DetachedContainers,
  logOf,
  supervisorOf,
  refused,
  statusIs,
  untilLogged,
  setUpDetached,
} from '../support/detached.js';
import { unusedParents, untilNothing } from '../support/leftovers.js';
import {
  cgroupOf,
  cgroupsOf,
  eventually,
  namespacesOf,
  pidOutside,
  processesOf,
  holdsFor,
  sleep,
  settled,
} from '../support/outside.js';
import { needsCgroups, needsControllers, needsRoot } from '../support/needs.js';
import type { Workshop } from '../support/workshop.js';

const SLEEP = ['sleep', '1000'];
/** Ends at TERM, with a code that says so. */
const OBEDIENT = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";
const DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done";

const supervisors = needsRoot('the /proc of a user’s supervisor is root’s');
const ids = needsRoot('ranges of the host’s ids');
const cgroups = needsCgroups();
const limits = needsControllers('cpu', 'memory', 'pids');

describe('detached containers', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));
  after(() => untilNothing(unusedParents));

  const linkOf = (name: string) => shop.path('data/names', name);

  describe('the life of a container', () => {
    cgroups.it(
      'A detached container is created, running, paused, running, exited, and gone',
      async () => {
        const container = await detached.create(OBEDIENT, { name: 'lively', labels: { a: 'b' } });
        const made = await container.inspect();
        expect(made.status).to.equal('created');
        expect(made.config).to.include({ id: container.id, name: 'lively', version: 1 });
        expect(made.state).to.include({ pid: 0, supervisor: '', startedAt: '', finishedAt: '' });
        expect(await readlink(linkOf('lively'))).to.equal(container.id);
        expect(existsSync(detached.path(container, 'state.json'))).to.equal(false);
        expect(await cgroupsOf(container.id)).to.deep.equal([]);

        await container.start();
        const running = await container.inspect();
        expect(running.status).to.equal('running');
        expect(running.state.pid).to.equal(await pidOutside(container.id, 1));
        expect(running.state.startedAt).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
        expect(Math.abs(Date.parse(running.state.startedAt) - Date.now())).to.be.below(10_000);
        expect(await detached.stateFile(container)).to.deep.equal({ ...running.state });
        expect(await detached.hasSocket(container)).to.equal(true);
        await untilLogged(container, 'ready');

        await container.pause();
        await statusIs(container, 'paused');
        expect((await detached.stateFile(container))['status'], 'on the disk').to.equal('running');
        await container.unpause();
        await statusIs(container, 'running');

        await container.stop();
        const { status, state } = await container.inspect();
        expect(status).to.equal('exited');
        expect(state).to.include({ exitCode: 7, pid: 0, supervisor: '', stopped: true, error: '' });
        expect(state).to.include({ oomKilled: false, restartCount: 0, logLost: 0 });
        expect(state.startedAt).to.equal(running.state.startedAt);
        expect(state.finishedAt > state.startedAt, state.finishedAt).to.equal(true);
        await detached.expectQuiet(container);

        await container.remove();
        await detached.expectGone(container);
        expect(existsSync(linkOf('lively'))).to.equal(false);
        await refused(container.inspect(), 'ERR_NO_SUCH_CONTAINER');
        expect(await detached.actions(container)).to.deep.equal([
          'create',
          'start',
          'pause',
          'unpause',
          'kill',
          'die',
          'stop',
          'destroy',
        ]);
      },
    );

    it('The events tell what happens to a container, however long its labels are', async () => {
      const container = await detached.create('true', { labels: { long: 'x'.repeat(100_000) } });
      await container.start();
      await container.wait();
      expect(await detached.actions(container)).to.deep.equal(['create', 'start', 'die']);
    });

    it('Each caller that waits gets the end of the container, however often it waits', async () => {
      const container = await detached.start('read _ </proc/self/stat; sleep 0.3; exit 9');
      const other = await (await shop.openAnother()).get(container.shortId);
      const exits = await Promise.all([container.wait(), container.wait(), other.wait()]);
      for (const exit of exits)
        expect(exit).to.deep.equal({ exitCode: 9, oomKilled: false, error: '' });
      expect((await container.wait()).exitCode, 'afterwards').to.equal(9);
    });

    it('Forty callers may wait at once', async () => {
      const container = await detached.start('sleep 0.5; exit 3');
      const exits = await Promise.all(Array.from({ length: 40 }, () => container.wait()));
      expect(exits.map(({ exitCode }) => exitCode)).to.deep.equal(Array<number>(40).fill(3));
    });

    it('A wait for a container that has not begun returns at once', async () => {
      const container = await detached.create(SLEEP);
      expect(await container.wait()).to.deep.equal({ exitCode: 0, oomKilled: false, error: '' });
    });

    it('A container that a signal ends has the exit code 128+n', async () => {
      const container = await detached.start('kill -ABRT $$');
      expect((await container.wait()).exitCode).to.equal(128 + 6);
      expect((await container.inspect()).state.exitCode).to.equal(128 + 6);
    });

    it('A container starts again after its end, with its files and its log', async () => {
      const container = await detached.create('echo x >>/kept; wc -l </kept');
      for (const round of [1, 2, 3]) {
        await container.start();
        expect((await container.wait()).exitCode).to.equal(0);
        expect(await logOf(container)).to.equal(
          Array.from({ length: round }, (_, i) => `${i + 1}\n`).join(''),
        );
      }
      expect(await readFile(detached.path(container, 'upper/kept'), 'utf8')).to.equal('x\nx\nx\n');
      await container.remove();
      await detached.expectGone(container);
      const again = await detached.start('ls /kept');
      expect((await again.wait()).exitCode, 'another one’s files').not.to.equal(0);
    });

    it('A start changes nothing of a container that runs', async () => {
      const container = await detached.start(SLEEP);
      const { pid } = (await container.inspect()).state;
      await container.start();
      expect((await container.inspect()).state.pid).to.equal(pid);
      await refused(container.startAttached(), 'ERR_CONTAINER_RUNNING');
    });

    it('A container restarts with another process, and the same files', async () => {
      const container = await detached.start(`echo y >>/f; ${OBEDIENT}`);
      await untilLogged(container, 'ready');
      const before = (await container.inspect()).state;
      await container.restart();
      const after = (await container.inspect()).state;
      expect(after.pid).not.to.equal(before.pid);
      expect(after.supervisor).not.to.equal(before.supervisor);
      expect(after.restartCount, 'only policies count').to.equal(0);
      await eventually(async () =>
        expect(await readFile(detached.path(container, 'upper/f'), 'utf8')).to.equal('y\ny\n'),
      );
      expect(await detached.actions(container)).to.deep.equal([
        'create',
        'start',
        'kill',
        'die',
        'stop',
        'start',
        'restart',
      ]);
    });

    it('A restart starts a container that does not run', async () => {
      const container = await detached.create(SLEEP);
      await container.restart();
      await statusIs(container, 'running');
    });

    it('Errors say which verbs a container that does not run refuses', async () => {
      const container = await detached.create(SLEEP);
      await refused(container.kill(), 'ERR_CONTAINER_NOT_RUNNING');
      await refused(container.pause(), 'ERR_CONTAINER_NOT_RUNNING');
      await refused(container.unpause(), 'ERR_CONTAINER_NOT_PAUSED');
      await refused(container.attach(), 'ERR_CONTAINER_NOT_RUNNING');
      await refused(container.exec(['true']), 'ERR_CONTAINER_NOT_RUNNING');
      await refused(container.top(), 'ERR_CONTAINER_NOT_RUNNING');
      expect(await container.stats()).to.equal(undefined);
      await container.stop();
      await statusIs(container, 'created');
      await refused(container.stop({ timeout: -2 }), 'ERR_INVALID_OPTION');
      await refused(container.stop({ signal: 'NONSENSE' }), 'ERR_INVALID_OPTION');
      await refused(container.kill('NONSENSE'), 'ERR_INVALID_OPTION');
    });

    it('A container is not removed while it runs, unless by force', async () => {
      const container = await detached.start(SLEEP);
      await refused(container.remove(), 'ERR_CONTAINER_RUNNING');
      await statusIs(container, 'running');
      await container.remove({ force: true });
      await detached.expectGone(container);
      await refused(container.remove(), 'ERR_NO_SUCH_CONTAINER');
      await container.remove({ force: true });
    });

    ids.it('A container runs with ids that no other running container has', async () => {
      const [one, two] = await Promise.all([detached.start(SLEEP), detached.start(SLEEP)]);
      const maps = await Promise.all(
        [one, two].map(async (container) => {
          const { pid, idBase } = (await container.inspect()).state;
          const map = (await readFile(`/proc/${pid}/uid_map`, 'utf8')).trim().split(/\s+/);
          expect(Number(map[1]), 'idBase').to.equal(idBase);
          return { from: idBase, to: idBase + Number(map[2]) };
        }),
      );
      const [a, b] = maps.sort((x, y) => x.from - y.from);
      expect(a!.to, JSON.stringify(maps)).to.be.at.most(b!.from);
      expect(a!.from).to.be.above(0);
    });

    supervisors.it(
      'A container is in namespaces of its own, and its supervisor is not',
      async () => {
        const container = await detached.start(SLEEP);
        const { pid } = (await container.inspect()).state;
        const [inside, outside, own] = await Promise.all([
          namespacesOf(pid),
          namespacesOf(await supervisorOf(container)),
          namespacesOf('self'),
        ]);
        for (const name of ['mnt', 'uts', 'ipc', 'pid', 'net', 'user'])
          expect(inside[name], name).not.to.equal(own[name]);
        for (const name of ['uts', 'ipc', 'pid', 'net', 'user'])
          expect(outside[name], name).to.equal(own[name]);
      },
    );
  });

  cgroups.describe('pausing', () => {
    it('A pause stops everything, and what needs the container to go on is refused', async () => {
      const container = await detached.start('while :; do echo tick; sleep 0.01; done');
      await untilLogged(container, 'tick');
      await container.pause();
      // What was in the pipe arrives, and no more.
      const before = await settled(() => logOf(container));
      await refused(container.pause(), 'ERR_CONTAINER_PAUSED');
      await refused(container.start(), 'ERR_CONTAINER_PAUSED');
      await refused(container.attach(), 'ERR_CONTAINER_PAUSED');
      await refused(container.exec(['true']), 'ERR_CONTAINER_PAUSED');
      await refused(container.remove(), 'ERR_CONTAINER_RUNNING');
      await container.unpause();
      await refused(container.unpause(), 'ERR_CONTAINER_NOT_PAUSED');
      await eventually(async () =>
        expect((await logOf(container)).length).to.be.above(before.length),
      );
    });

    it('A paused container can be stopped', async () => {
      const container = await detached.start(OBEDIENT);
      await untilLogged(container, 'ready');
      await container.pause();
      await container.stop();
      expect((await container.inspect()).state.exitCode).to.equal(7);
      await detached.expectQuiet(container);
    });

    it('A paused container can be killed', async () => {
      const container = await detached.start(SLEEP);
      await container.pause();
      await container.kill();
      expect((await container.inspect()).state.exitCode).to.equal(137);
      await detached.expectQuiet(container);
    });

    it('Other signals are kept in a paused container until it goes on', async () => {
      const container = await detached.start(
        "trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done",
      );
      await untilLogged(container, 'ready');
      await container.pause();
      await container.kill('HUP');
      await holdsFor(100, () => statusIs(container, 'paused'));
      await container.unpause();
      expect((await container.wait()).exitCode).to.equal(5);
    });

    it('A paused container can be removed by force, and renamed', async () => {
      const container = await detached.start(SLEEP);
      await container.pause();
      await container.rename('asleep');
      await statusIs(container, 'paused');
      await container.remove({ force: true });
      await detached.expectGone(container);
    });
  });

  describe('names', () => {
    it('Names belong to one container each', async () => {
      const first = await detached.create(SLEEP, { name: 'only' });
      const error = await refused(detached.create(SLEEP, { name: 'only' }), 'ERR_NAME_IN_USE');
      expect(error.message).to.include(first.shortId);
      expect((await shop.engine.list()).map(({ config }) => config.id)).to.deep.equal([first.id]);
      await first.remove();
      await detached.create(SLEEP, { name: 'only' });
    });

    it('A name is given to one of many that want it at once', async () => {
      const others = [shop.engine, await shop.openAnother()].map(
        (engine) => new DetachedContainers(engine, shop.busybox, shop.directory),
      );
      try {
        const all = await Promise.allSettled(
          Array.from({ length: 16 }, (_, i) => others[i % 2]!.create(SLEEP, { name: 'wanted' })),
        );
        const winners = all.filter(({ status }) => status === 'fulfilled');
        expect(winners.length).to.equal(1);
        const [winner] = winners as [PromiseFulfilledResult<Container>];
        expect(await readlink(linkOf('wanted'))).to.equal(winner.value.id);
        expect(await readdir(shop.path('data/containers'))).to.deep.equal([winner.value.id]);
      } finally {
        for (const other of others) await other.cleanUp();
      }
    });

    it('Names are made up where none is given, and differ', async () => {
      const names = new Set<string>();
      for (let i = 0; i < 5; i++)
        names.add((await (await detached.create(SLEEP)).inspect()).config.name);
      expect(names.size).to.equal(5);
      for (const name of names) expect(name).to.match(/^[a-z]+_[a-z]+\d*$/);
    });

    it('Names are taken over from what a crash left, but not from what is just being made', async () => {
      const missing = 'f'.repeat(64);
      symlinkSync(missing, linkOf('young'));
      symlinkSync(missing, linkOf('stale'));
      const longAgo = new Date(Date.now() - 60_000);
      await lutimes(linkOf('stale'), longAgo, longAgo);
      try {
        await refused(detached.create(SLEEP, { name: 'young' }), 'ERR_NAME_IN_USE');
        const container = await detached.create(SLEEP, { name: 'stale' });
        expect(await readlink(linkOf('stale'))).to.equal(container.id);
        expect((await readdir(shop.path('data/names'))).sort()).to.deep.equal(['stale', 'young']);
      } finally {
        await shop.context.store.releaseName('young', missing);
      }
    });

    it('Names of a crash go to one of many that want them at once', async () => {
      const longAgo = new Date(Date.now() - 60_000);
      for (let round = 0; round < 20; round++) {
        symlinkSync('f'.repeat(64), linkOf('contested'));
        await lutimes(linkOf('contested'), longAgo, longAgo);
        // As in create: the container is there only after its name.
        const ids = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(64));
        const claims = await Promise.all(
          ids.map((id) => shop.context.store.claimName('contested', id)),
        );
        const owner = await readlink(linkOf('contested'));
        expect(claims.filter(Boolean).length, `round ${round}`).to.equal(1);
        expect(ids[claims.indexOf(true)]).to.equal(owner);
        await shop.context.store.releaseName('contested', owner);
      }
      expect(await readdir(shop.path('data/names'))).to.deep.equal([]);
    });

    it('A container is found by name, by id, and by the beginning of an id that is long enough', async () => {
      const container = await detached.create(SLEEP, { name: 'findme' });
      for (const reference of ['findme', '/findme', container.id, container.shortId])
        expect((await shop.engine.get(reference)).id, reference).to.equal(container.id);
      for (const reference of ['', '/', 'nobody', '../containers', 'g'.repeat(64), '0'.repeat(64)])
        await refused(shop.engine.get(reference), 'ERR_NO_SUCH_CONTAINER');
      // Seventeen ids begin with sixteen digits.
      const digits = new Map<string, string[]>();
      for (let i = 0; i < 17; i++) {
        const { id } = await detached.create(SLEEP);
        digits.set(id[0]!, [...(digits.get(id[0]!) ?? []), id]);
      }
      const [digit] = [...digits].find(([, ids]) => ids.length > 1)!;
      await refused(shop.engine.get(digit), 'ERR_AMBIGUOUS_ID');
      // A name comes before the beginning of an id.
      const named = await detached.create(SLEEP, { name: `${container.shortId}` });
      expect((await shop.engine.get(container.shortId)).id).to.equal(named.id);
    });

    it('A name changes while the container runs and while it does not', async () => {
      const container = await detached.create(SLEEP, { name: 'before' });
      const other = await detached.create(SLEEP, { name: 'taken' });
      await refused(container.rename('taken'), 'ERR_NAME_IN_USE');
      await refused(container.rename('before'), 'ERR_NAME_IN_USE');
      await refused(container.rename('not/good'), 'ERR_INVALID_OPTION');
      await container.rename('between');
      expect(existsSync(linkOf('before'))).to.equal(false);
      await container.start();
      await container.rename('after');
      expect((await container.inspect()).config.name).to.equal('after');
      expect(await readlink(linkOf('after'))).to.equal(container.id);
      await other.rename('between');
      await container.kill();
      const all = await detached.events(container);
      const { attributes } = all.find(({ action }) => action === 'die')!;
      expect(attributes['name'], 'what its supervisor calls it').to.equal('after');
      const rename = all.filter(({ action }) => action === 'rename');
      expect(rename.map((event) => event.attributes['oldName'])).to.deep.equal([
        'before',
        'between',
      ]);
    });

    it('The name of a container that removes itself goes with it, also after a rename', async () => {
      const container = await detached.start(OBEDIENT, { name: 'self', autoRemove: true });
      await untilLogged(container, 'ready');
      await container.rename('itself');
      await container.stop();
      await detached.expectGone(container);
      expect(await readdir(shop.path('data/names'))).to.deep.equal([]);
    });
  });

  describe('a failed start', () => {
    const FAILURES: [string, string[], CreateOptions, string, number][] = [
      ['a missing program', ['/no/such'], {}, 'ERR_COMMAND_NOT_FOUND', 127],
      ['a program that is none', ['/etc/passwd'], {}, 'ERR_COMMAND_NOT_EXECUTABLE', 126],
      ['a directory', ['/etc'], {}, 'ERR_COMMAND_NOT_EXECUTABLE', 126],
      [
        'a working directory that is a file',
        ['true'],
        { workdir: '/etc/passwd' },
        'ERR_INVALID_WORKDIR',
        128,
      ],
    ];
    it('A container whose next start fails before its program keeps the exit code of its last run', async () => {
      const source = shop.path('gone');
      await mkdir(source);
      const container = await detached.create(['sh', '-c', 'exit 3'], {
        volumes: [`${source}:/data`],
      });
      await container.start();
      await container.wait();
      await rmdir(source);
      await refused(container.start(), 'ERR_NO_SUCH_SOURCE');
      const { status, state } = await container.inspect();
      expect({ status, exitCode: state.exitCode }).to.deep.equal({ status: 'exited', exitCode: 3 });
      await container.remove();
    });

    for (const [what, argv, options, code, exitCode] of FAILURES) {
      it(`A start that fails by ${what} leaves the container created, with ${exitCode}`, async () => {
        const container = await detached.create(argv, options);
        const error = await refused(container.start(), code as 'ERR_START_FAILED');
        const { status, state } = await container.inspect();
        expect(status).to.equal('created');
        expect(state).to.include({ exitCode, pid: 0, supervisor: '', startedAt: '' });
        expect(state.error).to.equal(error.message);
        await detached.expectQuiet(container);
        expect(await detached.actions(container)).not.to.include('start');
        await refused(container.startAttached(), code as 'ERR_START_FAILED');
        await detached.expectQuiet(container);
        await container.remove();
        await detached.expectGone(container);
      });

      it(`A start that fails by ${what} removes a container that is to remove itself`, async () => {
        const container = await detached.create(argv, { ...options, autoRemove: true });
        await refused(container.start(), code as 'ERR_START_FAILED');
        await detached.expectGone(container);
        expect(
          (await detached.actions(container)).filter((action) => action === 'destroy'),
        ).to.have.length(1);
      });
    }

    it('A failed start of a container that has run before leaves it exited', async () => {
      const container = await detached.create('rm /bin/busybox 2>/dev/null; rm /bin/sh; exit 4');
      await container.start();
      expect((await container.wait()).exitCode).to.equal(4);
      const { state: before } = await container.inspect();
      await refused(container.start(), 'ERR_COMMAND_NOT_FOUND');
      const { status, state } = await container.inspect();
      expect(status).to.equal('exited');
      expect(state.exitCode).to.equal(127);
      expect(state.startedAt).to.equal(before.startedAt);
      await detached.expectQuiet(container);
    });

    it('A start after a failed one succeeds', async () => {
      const root = shop.copyOfBusybox('late');
      const container = await detached.create(['/late'], {}, root);
      await refused(container.start(), 'ERR_COMMAND_NOT_FOUND');
      await writeFile(shop.path('late/late'), '#!/bin/sh\nexit 6\n', { mode: 0o755 });
      await container.start();
      expect((await container.wait()).exitCode).to.equal(6);
      expect((await container.inspect()).state.error).to.equal('');
    });
  });

  describe('stopping', () => {
    it('A stop with a timeout of 0 kills at once', async () => {
      // Of its own it would wait for ever.
      const container = await detached.start(DEAF, { stopTimeout: -1 });
      await untilLogged(container, 'ready');
      await container.stop({ timeout: 0 });
      expect((await container.inspect()).state.exitCode).to.equal(137);
    });

    it('A stop kills after the timeout what ignores the signal', async () => {
      const container = await detached.start(DEAF, { stopTimeout: 1 });
      await untilLogged(container, 'ready');
      const begin = performance.now();
      await container.stop();
      // Not after the ten seconds that there would be otherwise.
      expect(performance.now() - begin).to.be.within(950, 9500);
      expect((await container.inspect()).state).to.include({ exitCode: 137, stopped: true });
    });

    it('A stop with a timeout of -1 waits for ever', async () => {
      const container = await detached.start(DEAF, { stopTimeout: -1 });
      await untilLogged(container, 'ready');
      let over = false;
      const stopped = container.stop().then(() => (over = true));
      await holdsFor(500, async () => {
        expect(over).to.equal(false);
        await statusIs(container, 'running');
      });
      await container.kill();
      await stopped;
      expect((await container.inspect()).state.exitCode).to.equal(137);
    });

    it('A stop sends the container’s own signal, or the one that is asked for', async () => {
      const command =
        "trap 'exit 11' USR1; trap 'exit 12' USR2; echo ready; while :; do sleep 0.05; done";
      const container = await detached.start(command, { stopSignal: 'SIGUSR1' });
      await untilLogged(container, 'ready');
      await container.stop();
      expect((await container.inspect()).state.exitCode).to.equal(11);
      await container.start();
      await eventually(async () => expect(await logOf(container)).to.equal('ready\nready\n'));
      await container.stop({ signal: 'USR2' });
      expect((await container.inspect()).state.exitCode).to.equal(12);
    });

    it('A stop ends what the program has left, too', async () => {
      const container = await detached.start(`(${DEAF}) & ${OBEDIENT}`);
      await eventually(async () => expect(await logOf(container)).to.equal('ready\nready\n'));
      await container.stop();
      expect((await container.inspect()).state.exitCode).to.equal(7);
      await detached.expectQuiet(container);
    });

    it('Many callers may ask for a stop at once', async () => {
      const container = await detached.start(OBEDIENT);
      await untilLogged(container, 'ready');
      await Promise.all(Array.from({ length: 30 }, () => container.stop()));
      expect((await container.inspect()).state.exitCode).to.equal(7);
    });

    it('A kill sends one signal to the program, which may go on', async () => {
      const container = await detached.start(
        "trap 'echo got it' USR1; echo ready; while :; do sleep 0.05; done",
      );
      await untilLogged(container, 'ready');
      await container.kill('USR1');
      await untilLogged(container, 'got it');
      await statusIs(container, 'running');
      await container.kill();
      expect((await container.inspect()).state.exitCode, 'after kill').to.equal(137);
    });
  });

  describe('restart policies', () => {
    /** Milliseconds between each end and the start that follows. */
    const pausesOf = async (container: Container): Promise<number[]> => {
      const all = await detached.events(container);
      const times = (action: string) =>
        all
          .filter((event) => event.action === action)
          .map(({ timeNano }) => Number(timeNano) / 1e6);
      const dies = times('die');
      return times('start')
        .slice(1)
        .map((at, i) => at - dies[i]!);
    };
    const starts = async (container: Container) =>
      (await detached.events(container)).filter(({ action }) => action === 'start');

    it('A container with the policy no stays as it is', async () => {
      const container = await detached.start('exit 1');
      await container.wait();
      await holdsFor(300, async () => {
        const { state } = await container.inspect();
        expect(state).to.include({ status: 'exited', restartCount: 0 });
      });
    });

    it('The policy on-failure:n runs a container n times more, and waits twice as long each time', async () => {
      const container = await detached.start('echo run; exit 3', { restart: 'on-failure:3' });
      expect((await container.wait()).exitCode).to.equal(3);
      const { state } = await container.inspect();
      expect(state).to.include({ status: 'exited', restartCount: 3, exitCode: 3, stopped: false });
      expect(await logOf(container)).to.equal('run\n'.repeat(4));
      await detached.expectQuiet(container);

      const pauses = await pausesOf(container);
      expect(pauses.length).to.equal(3);
      // A start takes its time where much else is done.
      pauses.forEach((pause, i) =>
        expect(pause, `pause ${i}: ${pauses.join(' ')}`).to.be.within(
          100 * 2 ** i - 5,
          100 * 2 ** i + 5000,
        ),
      );
    });

    it('The policy on-failure does not run again what succeeded', async () => {
      const container = await detached.start('test -e /second && exit 0; touch /second; exit 1', {
        restart: 'on-failure',
      });
      expect((await container.wait()).exitCode).to.equal(0);
      expect((await container.inspect()).state.restartCount).to.equal(1);
    });

    for (const restart of ['always', 'unless-stopped']) {
      it(`The policy ${restart} runs a container again whatever its code, until it is stopped`, async () => {
        const container = await detached.start('echo run', { restart });
        await eventually(async () => expect((await starts(container)).length).to.be.above(2));
        await container.stop();
        const { state, status } = await container.inspect();
        expect(status).to.equal('exited');
        expect(state.stopped).to.equal(true);
        const count = (await starts(container)).length;
        await holdsFor(1500, async () => expect((await starts(container)).length).to.equal(count));
        await detached.expectQuiet(container);
        await container.start();
        await eventually(async () =>
          expect((await starts(container)).length).to.be.above(count + 1),
        );
        expect((await container.inspect()).state.stopped).to.equal(false);
      });
    }

    it('A container is stopped while it waits for its restart', async () => {
      for (const end of ['stop', 'kill'] as const) {
        const container = await detached.start('exit 1', { restart: 'always' });
        // The pause of 1.6 seconds has begun.
        const { restartCount } = await eventually(async () => {
          const { state } = await container.inspect();
          expect(state.status).to.equal('restarting');
          expect(state.restartCount).to.be.at.least(4);
          return state;
        });
        await container[end]();
        const { state } = await container.inspect();
        expect(state, end).to.include({ status: 'exited', exitCode: 1, restartCount });
        await detached.expectQuiet(container);
      }
    });

    it('A wait returns the last end only', async () => {
      const container = await detached.create(
        'test -e /c && exit 8; test -e /b && touch /c; test -e /a && touch /b; touch /a; exit 1',
        { restart: 'on-failure:3' },
      );
      await container.start();
      expect((await container.wait()).exitCode).to.equal(8);
    });

    it('A kill with another signal than the stop signal is not the end', async () => {
      for (const restart of ['unless-stopped', 'always']) {
        const container = await detached.start(
          "trap 'exit 0' HUP; echo ready; while :; do sleep 0.05; done",
          { restart },
        );
        await untilLogged(container, 'ready');
        await container.kill('HUP');
        await eventually(async () => {
          const { state } = await container.inspect();
          expect(state).to.include({ status: 'running', restartCount: 1 });
        });
        await container.kill('TERM');
        await eventually(() => statusIs(container, 'exited'));
        await holdsFor(500, () => statusIs(container, 'exited'));
      }
    });

    it('A run of ten seconds begins again with the shortest pause', async function () {
      this.timeout(90_000);
      const container = await detached.start(
        'n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) >/n; test $n = 3 && sleep 10.5; exit 1',
        { restart: 'always' },
      );
      const pauses = await eventually(async () => {
        const found = await pausesOf(container);
        expect(found.length).to.be.at.least(6);
        return found;
      }, 40_000);
      expect(pauses[2], pauses.join(' ')).to.be.above(350);
      // 400 ms then; 3.2 seconds if each were twice the one before.
      expect(pauses[5], pauses.join(' ')).to.be.below(3000);
    });

    it('A policy may be changed while the container runs', async () => {
      const container = await detached.start(
        "trap 'exit 2' HUP; echo ready; while :; do sleep 0.05; done",
      );
      await untilLogged(container, 'ready');
      await container.update({ restart: 'on-failure:1' });
      expect((await container.inspect()).config.restart).to.deep.equal({
        name: 'on-failure',
        maximumRetryCount: 1,
      });
      await container.kill('HUP');
      await eventually(async () => expect(await logOf(container)).to.equal('ready\nready\n'));
      await container.update({ restart: 'no' });
      await container.kill('HUP');
      expect((await container.wait()).exitCode).to.equal(2);
      await refused(container.update({ restart: 'sometimes' }), 'ERR_INVALID_OPTION');
    });

    it('A policy is refused for a container that removes itself', async () => {
      await refused(
        detached.create(SLEEP, { restart: 'always', autoRemove: true }),
        'ERR_INVALID_OPTION',
      );
      const container = await detached.create(SLEEP, { autoRemove: true });
      await refused(container.update({ restart: 'always' }), 'ERR_CONFLICTING_OPTIONS');
    });
  });

  describe('a container that removes itself', () => {
    it('A container that removes itself is gone when it has exited, however many wait for it', async () => {
      const container = await detached.start('sleep 0.2; exit 5', { autoRemove: true });
      expect((await container.wait()).exitCode).to.equal(5);
      await eventually(() => refused(container.inspect(), 'ERR_NO_SUCH_CONTAINER'));
      await detached.expectGone(container);
      expect(await detached.actions(container)).to.deep.equal([
        'create',
        'start',
        'die',
        'destroy',
      ]);
    });

    it('A container that removes itself has one destroy event, however many look at it', async () => {
      for (let round = 0; round < 5; round++) {
        const container = await detached.start(
          'mkdir -p /d/e; for i in $(seq 200); do echo >/d/e/$i; done',
          {
            autoRemove: true,
          },
        );
        const look = async () => {
          for (;;) {
            try {
              await container.inspect();
            } catch {
              return;
            }
          }
        };
        await Promise.all([look(), look(), look()]);
        await detached.expectGone(container);
        await sleep(50); // a second destroy event would come late
        const actions = await detached.actions(container);
        expect(
          actions.filter((action) => action === 'destroy'),
          String(round),
        ).to.have.length(1);
      }
    });

    it('A container that removes itself is killed and stopped like any other', async () => {
      const killed = await detached.start(SLEEP, { autoRemove: true });
      await killed.kill();
      await detached.expectGone(killed);
      const stopped = await detached.start(SLEEP, { autoRemove: true });
      await stopped.stop({ timeout: 0 });
      await detached.expectGone(stopped);
      const forced = await detached.start(SLEEP, { autoRemove: true });
      await forced.remove({ force: true });
      await detached.expectGone(forced);
    });
  });

  limits.describe('limits', () => {
    it('The state of a container that its limit killed says so', async () => {
      const container = await detached.start(
        'x=$(cat /dev/zero | head -c 200m | tr "\\0" x); echo survived',
        { memory: '24m', memorySwap: '24m' },
      );
      const exit = await container.wait();
      expect(exit.oomKilled, await logOf(container)).to.equal(true);
      const { state } = await container.inspect();
      expect(state.oomKilled).to.equal(true);
      expect(await detached.actions(container)).to.include('oom');
      await detached.expectQuiet(container);
    });

    it('Limits may be changed: on the disk, and at once where the container runs', async () => {
      const container = await detached.create(SLEEP, {
        memory: '64m',
        memorySwap: '64m',
        pidsLimit: 50,
      });
      await container.update({ pidsLimit: 60 });
      expect((await container.inspect()).config.options.pidsLimit).to.equal(60);
      await container.start();
      const { directory } = await cgroupOf(container.id, 'pids');
      const limit = async () => (await readFile(join(directory, 'pids.max'), 'utf8')).trim();
      expect(await limit()).to.equal('60');
      await container.update({ pidsLimit: 70 });
      expect(await limit()).to.equal('70');
      await refused(container.update({ memory: 'lots' }), 'ERR_INVALID_OPTION');
      expect((await container.inspect()).config.options.memory).to.equal('64m');
      await container.kill();
      await container.start();
      expect(await limit()).to.equal('70');
      expect(await detached.actions(container)).to.include('update');
    });

    it('Limits that were changed hold after a restart by policy, too', async () => {
      const container = await detached.start(
        "trap 'exit 1' HUP; echo ready; while :; do sleep 0.05; done",
        { restart: 'always', pidsLimit: 50 },
      );
      await untilLogged(container, 'ready');
      await container.update({ pidsLimit: 70 });
      await container.kill('HUP');
      await eventually(async () => expect(await logOf(container)).to.equal('ready\nready\n'));
      const { directory } = await cgroupOf(container.id, 'pids');
      expect((await readFile(join(directory, 'pids.max'), 'utf8')).trim()).to.equal('70');
    });
  });

  describe('many containers at once', () => {
    it('Many starts at once start a container once', async () => {
      const engines = [shop.engine, await shop.openAnother(), await shop.openAnother()];
      const container = await detached.create('echo once; sleep 1000');
      const same = await Promise.all(engines.map((engine) => engine.get(container.id)));
      await Promise.all([...same, ...same].map((one) => one.start()));
      await untilLogged(container, 'once');
      expect(await logOf(container)).to.equal('once\n');
      expect(
        (await detached.actions(container)).filter((action) => action === 'start'),
      ).to.have.length(1);
      expect((await processesOf(container.id)).length).to.be.within(1, 3);
    });

    it('Many containers start, stop and are removed at once, and nothing is left', async () => {
      const other = await shop.openAnother();
      for (let round = 0; round < 5; round++) {
        const container = await detached.create(OBEDIENT);
        const same = await other.get(container.id);
        await Promise.allSettled([
          container.start(),
          same.start(),
          same.stop({ timeout: 0 }),
          container.kill(),
          same.remove({ force: true }),
          container.remove({ force: true }),
        ]);
        await container.remove({ force: true }).catch(() => undefined);
        await detached.expectGone(container);
      }
    });

    it('The list has many containers with the newest first', async () => {
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) {
        ids.unshift((await detached.create(SLEEP)).id);
        await sleep(5); // their times of creation differ
      }
      const found = await (await shop.openAnother()).list();
      expect(found.map(({ config }) => config.id)).to.deep.equal(ids);
    });
  });
});
