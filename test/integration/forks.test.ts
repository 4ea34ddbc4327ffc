/** Forks: containers above the files that another one had. */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import type { Container } from '../../lib/engine/container/container.js';
import { contextOf, Engine } from '../../lib/engine/engine.js';
import type { StoredConfig } from '../../lib/engine/store/stored.js';
import { rootfs } from '../../lib/image/rootfs.js';
import type { KernelFacts } from '../../lib/program/shared.js';
import { type DetachedContainers, refused, setUpDetached, sh } from '../support/detached.js';
import { extractWithTar, scanTree } from '../support/file-tree.js';
import { copyOf, layer, writeImage } from '../support/layered-image.js';
import { needsRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { fixture } from '../support/paths.js';
import { ProcessHarness } from '../support/process-harness.js';
import type { Workshop } from '../support/workshop.js';

describe('Forks of containers', function () {
  this.timeout(60_000);
  let detached: DetachedContainers;
  let shop: Workshop;
  setUpDetached((given) => ({ detached, shop } = given));

  const after = async (command: string, options = {}): Promise<Container> => {
    const container = await detached.start(command, options);
    expect(await container.wait()).to.include({ exitCode: 0 });
    return container;
  };
  const forkOf = async (container: Container, command?: string): Promise<Container> =>
    detached.adopt(
      await container.fork(command === undefined ? {} : { argv: ['sh', '-c', command] }),
    );
  const runAgain = async (container: Container) => {
    await container.start();
    expect(await container.wait(), String(await buffer(await container.export()))).to.include({
      exitCode: 0,
    });
  };
  const lines = async (container: Container) =>
    (await container.diff()).map(({ kind, path }) => `${kind} ${path}`);
  const read = async (container: Container, path: string) =>
    String(await container.files.read(path));
  const layersDirectory = () => join(shop.directory, 'data/containers/layers');
  const layers = () => (existsSync(layersDirectory()) ? readdirSync(layersDirectory()) : []);
  const configOf = (container: Container): StoredConfig =>
    JSON.parse(readFileSync(detached.path(container, 'config.json'), 'utf8')) as StoredConfig;

  afterEach(async () => {
    await detached.cleanUp();
    expect(layers(), 'layers').to.deep.equal([]);
  });

  it('A fork has the files of its container, and each of the two changes its own', async () => {
    const source = await after('echo one >/file; mkdir /d; echo x >/d/x; rm /etc/group');
    const fork = await forkOf(source, 'echo two >>/file; rm /d/x; test ! -e /etc/group');
    const changed = ['added /d', 'added /d/x', 'changed /etc', 'deleted /etc/group', 'added /file'];
    expect(await lines(fork)).to.deep.equal(changed);
    await runAgain(fork);
    expect(await read(fork, '/file')).to.equal('one\ntwo\n');
    expect(await lines(fork)).to.deep.equal(changed.filter((line) => line !== 'added /d/x'));
    expect(await read(source, '/file')).to.equal('one\n');
    expect(await lines(source)).to.deep.equal(changed);
    await source.files.write('/file', 'three\n');
    expect(await read(fork, '/file')).to.equal('one\ntwo\n');
    expect(await source.inspect()).to.deep.include({ status: 'exited' });
    expect((await fork.inspect()).config).to.include({ forkedFrom: source.id });
  });

  it('Nothing is copied: the files are those that the container has written, and several forks share them', async () => {
    const source = await after('echo one >/file');
    const before = lstatSync(detached.path(source, 'upper/file')).ino;
    const fork = await forkOf(source, 'true');
    const again = await forkOf(source, 'true');
    const [layer = ''] = layers();
    expect(layers()).to.have.length(1);
    expect(lstatSync(join(layersDirectory(), layer, 'root/file')).ino).to.equal(before);
    for (const each of [source, fork, again]) expect(configOf(each).layers).to.deep.equal([layer]);
    expect(readdirSync(join(layersDirectory(), layer, 'users'))).to.have.members(
      [source, fork, again].map(({ id }) => id),
    );
  });

  it('A container that was never started has no layer to share', async () => {
    const source = await detached.create('echo x >/x');
    const fork = await forkOf(source);
    expect(layers()).to.deep.equal([]);
    await runAgain(fork);
    expect(await lines(fork)).to.deep.equal(['added /x']);
    expect(await lines(source)).to.deep.equal([]);
  });

  needsRoot('an archive is extracted with its owners').it(
    'Changes and exports of a fork of forks are those of a container that did the same',
    async () => {
      const steps = [
        'mkdir -p /a/b /c /e/f; echo 1 >/a/b/1; echo 1 >/a/1; echo 1 >/c/1; echo 1 >/e/f/1; echo 1 >/g; rm /etc/group; rm -r /home',
        'rm -r /a; mkdir -p /a/b; echo 2 >/a/b/2; rm /c/1; rm -r /e; echo 2 >/e; mkdir /etc/group; echo 2 >/etc/group/2; mkdir /home',
        'rm -r /c; echo 3 >/home/3; rm /e; mkdir /e; echo 3 >/e/3; rm /g; rm -r /etc/group; echo 3 >/etc/group; mv /a/b /a/c',
        'mkdir /c; echo 4 >>/etc/group; rm -r /a/c; ln -s 4 /g; ln /e/3 /e/4; chmod 700 /var/tmp; rm /etc/group; rm -r /home',
      ];
      const clean = 'rm -rf /old; true';
      const whole = await after(`${steps.join('; ')}; ${clean}`);
      let part = await detached.create('true');
      for (const [number, step] of steps.entries()) {
        if (number > 0) expect(configOf(part).layers ?? []).to.have.length(number - 1);
        part = await forkOf(part, `set -e; ${step}; ${clean}`);
        await runAgain(part);
      }
      expect(configOf(part).layers).to.have.length(steps.length - 1);
      expect(await lines(part)).to.deep.equal(await lines(whole));
      const trees = await Promise.all(
        [part, whole].map(async (container, number) => {
          const to = shop.path(`export-${number}`);
          extractWithTar(await buffer(await container.export()), to);
          // Without their times, which differ.
          return scanTree(to).map((line) => line.replace(/ \d{19} /, ' '));
        }),
      );
      expect(trees[0]).to.deep.equal(trees[1]);
    },
  );

  it('Either can be removed first, and the layer goes with the last one', async () => {
    for (const sourceFirst of [true, false]) {
      const source = await after('echo one >/file');
      const fork = await forkOf(source);
      const [first, last] = sourceFirst ? [source, fork] : [fork, source];
      await first.remove();
      expect(layers()).to.have.length(1);
      await last.start();
      expect(await last.wait()).to.include({ exitCode: 0 });
      expect(await read(last, '/file')).to.equal('one\n');
      await last.remove();
      expect(layers()).to.deep.equal([]);
    }
  });

  it('A layer counts once in what is on the disk, and as free when its last container is pruned', async () => {
    const size = 1 << 20;
    const source = await after(`head -c ${size} /dev/zero >/file`);
    const fork = await forkOf(source, 'sleep 100');
    const usage = async () => (await shop.engine.usage()).containers;
    expect((await usage()).size).to.be.within(size, size + 65_536);
    expect((await usage()).reclaimable).to.equal((await usage()).size);
    await fork.start();
    expect((await usage()).reclaimable).to.be.below(65_536);
    const prune = () => shop.engine.prune(({ config }) => [source.id, fork.id].includes(config.id));
    const pruned = await prune();
    expect(pruned.removed).to.deep.equal([source.id]);
    expect(pruned.freed).to.be.below(65_536);
    await fork.kill();
    expect((await prune()).freed).to.be.within(size, size + 131_072);
  });

  it('The layer of containers that remove themselves goes with the last one', async () => {
    const source = await detached.create('echo one >/file', { autoRemove: true });
    await source.files.write('/file', 'zero\n');
    const fork = await forkOf(source, 'test "$(cat /file)" = zero');
    for (const [container, left] of [
      [source, 1],
      [fork, 0],
    ] as const) {
      expect(await container.startAttached()).to.include({ exitCode: 0 });
      await eventually(() => {
        expect(existsSync(detached.path(container))).to.equal(false);
        expect(layers()).to.have.length(left);
      });
    }
  });

  it('One that runs, is paused, or has no layer of its own is not forked', async () => {
    const running = await detached.start('sleep 100');
    for (const pause of [false, true]) {
      if (pause) await running.pause();
      expect((await refused(running.fork(), 'ERR_CONTAINER_RUNNING')).message).to.match(/fork it/);
    }
    const path = shop.path('in-place');
    cpSync(shop.busybox.path, path, { recursive: true, verbatimSymlinks: true });
    const direct = await detached.create('true', {}, rootfs(path, { writable: 'direct' }));
    await refused(direct.fork(), 'ERR_UNSUPPORTED_OPTION');
    const taken = await after('true');
    await refused(taken.fork({ name: (await running.inspect()).config.name }), 'ERR_NAME_IN_USE');
    await refused(taken.fork({ nam: 'x' } as object), 'ERR_INVALID_OPTION');
    expect(existsSync(detached.path(taken, 'upper'))).to.equal(true);
    expect(configOf(taken).layers).to.equal(undefined);
  });

  it('A fork has the volumes of its container, and an anonymous one is removed with the last', async () => {
    const source = await after('echo a >/anonymous/a; echo n >/named/n', {
      volumes: ['/anonymous', 'forked-volume:/named'],
    });
    const fork = await forkOf(source, 'cat /anonymous/a /named/n && echo f >/anonymous/f');
    const [anonymous = ''] = (configOf(fork).mounts ?? []).flatMap(({ volume }) =>
      volume?.anonymous === true ? (volume.name ?? []) : [],
    );
    await runAgain(fork);
    expect(await read(source, '/anonymous/f')).to.equal('f\n');
    const names = async () => (await shop.engine.volumes.list()).map(({ name }) => name);
    await source.remove({ volumes: true });
    expect(await names()).to.include(anonymous);
    await fork.remove({ volumes: true });
    expect(await names()).to.not.include(anonymous);
    await shop.engine.volumes.remove('forked-volume');
  });

  it('A fork has its own name, log and events, and no address of its container', async () => {
    const source = await detached.create(
      'echo said',
      { network: 'bridge', macAddress: '02:42:ac:11:00:99', labels: { k: 'v' } },
    ); // prettier-ignore
    await source.files.write('/file', 'x');
    const fork = detached.adopt(await source.fork({ name: 'forked' }));
    const { options, name, argv } = configOf(fork);
    expect({ name, argv, labels: options.labels }).to.deep.equal({
      name: 'forked',
      argv: sh('echo said'),
      labels: configOf(source).options.labels,
    });
    expect(options).to.not.have.property('macAddress');
    expect(await detached.actions(source)).to.include('fork');
    expect(await detached.actions(fork)).to.deep.equal(['create']);
    const [, event] = await detached.events(source);
    expect(event?.attributes).to.include({ fork: fork.id });
  });

  needsRoot('an image is written as its layers are').it(
    'The layers of a fork are above those of its image, also on kernels that take layers by path',
    async () => {
      const layers = [copyOf(shop.busybox.path), layer({ 'a/image': 'i', 'a/both': 'i' })];
      writeImage(shop.engine.dataRoot, 'docker.io/library/forked:latest', { layers });
      const context = contextOf(shop.engine) as { kernel: KernelFacts };
      const { kernel } = context;
      try {
        for (const overlayByDescriptor of kernel.overlayByDescriptor ? [true, false] : [false]) {
          context.kernel = { ...kernel, overlayByDescriptor };
          const source = await detached.start('echo f >/a/both; rm /a/image; echo forker:x:77:77::/:/bin/sh >>/etc/passwd', {}, 'forked'); // prettier-ignore
          expect(await source.wait()).to.include({ exitCode: 0 });
          const fork = await forkOf(source, 'test "$(cat /a/both)" = f && ! test -e /a/image');
          await runAgain(fork);
          await runAgain(
            await forkOf(fork, 'test "$(ls /a)" = both && grep -q forker /etc/passwd'),
          );
          expect(await lines(fork)).to.include.members(['changed /a/both', 'deleted /a/image']);
        }
      } finally {
        context.kernel = kernel;
      }
    },
  );

  it('The limit is that of overlay, and an error that says so', async () => {
    const container = await detached.create('test "$(cat /0)" = 0 && test "$(cat /498)" = 498');
    const made = Array.from({ length: 499 }, (_, number) => String(number).padStart(64, 'e'));
    for (const [number, layer] of made.entries()) {
      const directory = join(layersDirectory(), layer);
      mkdirSync(join(directory, 'root'), { recursive: true });
      mkdirSync(join(directory, 'users'));
      writeFileSync(join(directory, 'users', container.id), '');
      writeFileSync(join(directory, 'root', String(number)), `${number}\n`);
    }
    const config = { ...configOf(container), layers: made };
    writeFileSync(detached.path(container, 'config.json'), JSON.stringify(config));
    await runAgain(container);
    const error = await refused(container.fork(), 'ERR_TOO_MANY_LAYERS');
    expect(error.message).to.include('(500)');
  });

  it('A fork that was killed between its two steps is finished by what needs the files next', async () => {
    for (const next of ['start', 'diff', 'files', 'fork'] as const) {
      const source = await after('echo one >/file');
      const fork = await forkOf(source, 'test "$(cat /file)" = one');
      const [layer = ''] = layers();
      for (const [from, to] of [
        ['root', 'upper'],
        ['work', 'work'],
      ] as const)
        renameSync(join(layersDirectory(), layer, from), detached.path(source, to));
      await fork.remove();
      if (next === 'start') await runAgain(source);
      else if (next === 'diff') expect(await lines(source)).to.deep.equal(['added /file']);
      else if (next === 'files') expect(await read(source, '/file')).to.equal('one\n');
      else await runAgain(await forkOf(source, 'test "$(cat /file)" = one'));
      expect(existsSync(join(layersDirectory(), layer, 'root/file')), next).to.equal(true);
      await detached.cleanUp();
    }
  });

  it('Whenever a process that forks is killed, nothing is lost and nothing is left', async () => {
    const source = await after('echo one >/file');
    for (let round = 0; round < 15; round++) {
      const task = { directory: shop.directory, id: source.id };
      const child = await ProcessHarness.start(fixture('fork-again'), task);
      try {
        expect(await child.next()).to.equal('ready');
        // At any moment of a fork, which takes some milliseconds.
        await new Promise((resolve) => setTimeout(resolve, 37 + ((round * 7.3) % 23)));
        child.kill();
        await child.ended;
      } finally {
        await child.cleanUp();
      }
      // Looks for what is left.
      await using engine = await Engine.open({
        dataRoot: join(shop.directory, 'data'),
        runRoot: join(shop.directory, 'run'),
      });
      const used = new Set<string>();
      for (const { config } of await engine.list()) {
        for (const layer of config.layers ?? []) used.add(layer);
        const container = await engine.get(config.id);
        expect(await read(container, '/file')).to.equal('one\n');
        const numbers = (await lines(container)).filter((line) => line.includes('/number-'));
        expect(numbers).to.deep.equal([...numbers].sort());
        if (config.id !== source.id) await container.remove();
      }
      expect(layers().sort()).to.deep.equal([...used].sort());
    }
    // Of a fork that was not yet one, or no more: an engine removes its directory when it is old enough (owner.ts).
    const containers = join(shop.directory, 'data/containers');
    for (const name of readdirSync(containers))
      if (name !== 'layers' && !existsSync(join(containers, name, 'config.json')))
        rmSync(join(containers, name), { recursive: true });
  });
});
