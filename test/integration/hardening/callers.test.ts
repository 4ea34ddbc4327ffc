/** Careless callers: options of every kind, low limits, a machine that lacks something, far too many calls. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../../lib/engine/engine.js';
import { CaissonError, type ErrorCode } from '../../../lib/base/errors.js';
import { type DetachedContainers, supervisorOf, setUpDetached } from '../../support/detached.js';
import { isRoot } from '../../support/needs.js';
import { repository } from '../../support/paths.js';
import { slowness } from '../../support/slowness.js';
import type { Workshop } from '../../support/workshop.js';
import { skip } from '../../support/skip.js';

describe('careless callers', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  async function rejection(call: () => unknown): Promise<unknown> {
    try {
      return await call();
    } catch (error) {
      return error;
    }
  }

  async function isRefused(what: string, call: () => unknown): Promise<void> {
    const error = await rejection(call);
    expect(error, what).to.be.instanceOf(CaissonError);
    const expected: ErrorCode[] = ['ERR_INVALID_OPTION', 'ERR_NO_SUCH_CONTAINER'];
    expect((error as CaissonError).code, what).to.be.oneOf(expected);
  }

  it('Options that are no object, or of the wrong kind, are typed errors of every method, and change nothing', async () => {
    const { engine } = shop;
    const container = await detached.start('sleep 1000');
    const calls: Record<string, (value: never) => unknown> = {
      open: (value) => Engine.open(value),
      events: (value) => engine.events(value).next(),
      create: (value) => engine.create(shop.busybox, ['true'], value),
      run: (value) => engine.run(shop.busybox, ['true'], value),
      explain: (value) => engine.explain(shop.busybox, ['true'], value),
      exec: (value) => container.exec(['true'], value),
      update: (value) => container.update(value),
      stop: (value) => container.stop(value),
      restart: (value) => container.restart(value),
      wait: (value) => container.wait(value),
      waitFor: (value) => container.waitFor(value),
      logs: (value) => container.logs(value).next(),
      attach: (value) => container.attach(value),
      remove: (value) => container.remove(value),
    };
    for (const [name, call] of Object.entries(calls))
      for (const value of [null, 7, 'force', [], new Map(), Promise.resolve({})])
        await isRefused(`${name}(${JSON.stringify(value)})`, () => call(value as never));
    const wrong = 'false' as never;
    await isRefused('remove force', () => container.remove({ force: wrong }));
    await isRefused('wait restarts', () => container.wait({ restarts: wrong }));
    await isRefused('watchStats', () => container.watchStats(NaN).next());
    expect((await container.inspect()).status).to.equal('running');
  });

  it('B6: a Map, or a promise that was not awaited, is refused in place of a record: no limit is lost without a word', async () => {
    const fields = ['storageOpt', 'ulimits', 'sysctls', 'cgroupConf', 'tmpfs', 'env', 'labels'];
    const explained = (options: object) => shop.engine.explain(shop.busybox, ['true'], options);
    for (const field of fields)
      for (const value of [
        new Map([['size', '8m']]),
        Promise.resolve({ size: '8m' }),
        new Date(),
      ]) {
        await isRefused(field, () => explained({ [field]: value }));
        await isRefused(field, () => shop.engine.run(shop.busybox, ['true'], { [field]: value }));
      }
    // An object of a class that the caller has is a record.
    class Limits {
      readonly nofile = 64;
    }
    expect(await shop.sh('ulimit -n', { ulimits: new Limits() as never })).to.equal('64');
  });

  it('Values that cannot be shown or copied are typed errors, or do no harm', async () => {
    const circle: unknown[] = [];
    circle.push(circle);
    const { proxy: revoked, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [10n ** 30n, circle, { toJSON: null, circle }, Symbol('id'), revoked]) {
      const wrong = value as never;
      await isRefused('get', () => shop.engine.get(wrong));
      await isRefused('cgroupParent', () =>
        shop.engine.explain(shop.busybox, ['true'], { cgroupParent: wrong }),
      );
    }
    // A proxy of plain data is plain data.
    const env = new Proxy({ WORD: 'plain' }, {});
    const { stdout } = await shop.engine.run(shop.busybox, ['sh', '-c', 'echo $WORD'], { env });
    expect(stdout).to.equal('plain\n');
  });

  it('The method run() rejects with what options throw when they are read, and throws nothing itself', async () => {
    const broken = new Error('mine');
    const options = Object.defineProperty({}, 'maxOutput', {
      enumerable: true,
      get: () => {
        throw broken;
      },
    });
    const all = new Proxy(
      {},
      {
        get: () => {
          throw broken;
        },
      },
    );
    for (const given of [options, all]) {
      const execution = shop.engine.run(shop.busybox, ['true'], given);
      expect(await rejection(() => execution)).to.equal(broken);
    }
    expect((await shop.engine.run(shop.busybox, ['true'])).exitCode).to.equal(0);
  });

  it('The events tell of no exec whose arguments are wrong', async () => {
    const container = await detached.start('sleep 1000');
    for (const argv of [[Object.create(null)], [1], 'true', [], ['a\0b']])
      await isRefused('argv', () => container.exec(argv as never));
    const told = (await detached.events(container)).map(({ action }) => action);
    expect(told.filter((action) => action.startsWith('exec'))).to.deep.equal([]);
  });

  it('A container can be changed and stopped however many wait for its end', async () => {
    const container = await detached.start('sleep 1000');
    const waiting = Array.from({ length: 100 }, () => container.wait());
    await container.rename('still-reachable');
    await container.kill();
    const exits = await Promise.all(waiting);
    expect(exits.map(({ exitCode }) => exitCode)).to.deep.equal(waiting.map(() => 137));
  });

  it('A container is started and stopped below a low limit on open files, and its supervisor sleeps', async function () {
    if (!isRoot) skip(this, 'needs root: limits and mounts of another process');
    const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
    const caisson = (...args: string[]) =>
      spawnSync(
        'prlimit',
        ['--nofile=64:1024', join(repository, 'bin/caisson'), ...roots, ...args],
        {
          encoding: 'utf8',
          timeout: 15_000 * slowness,
          killSignal: 'SIGKILL',
        },
      );
    const { status, stdout, stderr } = caisson('run', '-d', 'host', 'sleep', '1000');
    expect(status, stderr).to.equal(0);
    const container = detached.adopt(await shop.engine.get(stdout.trim()));
    const supervisor = await supervisorOf(container);
    const switches = () =>
      Number(
        /^voluntary_ctxt_switches:\t(\d+)$/m.exec(
          readFileSync(`/proc/${supervisor}/status`, 'utf8'),
        )?.[1],
      );
    const before = switches();
    expect(caisson('rm', '-f', container.id.slice(0, 12)).status).to.equal(0);
    expect(before).to.be.lessThan(1000);
  });

  it('Each command without /proc says that it is missing', async function () {
    if (!isRoot) skip(this, 'needs root: limits and mounts of another process');
    const roots = `--data-root ${shop.path('data')} --run-root ${shop.path('run')}`;
    const child = spawn(
      'unshare',
      [
        ...['--mount', '--propagation', 'private', 'sh', '-c'],
        `umount -l /proc && ${process.execPath} ${repository}/bin/caisson ${roots} run --rm host true`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, stderr]).to.deep.equal([
      125,
      'caisson: /proc/self/stat is missing: no proc is mounted on /proc\nhint: mount -t proc proc /proc\n',
    ]);
  });
});
