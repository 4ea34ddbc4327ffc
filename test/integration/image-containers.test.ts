/** What containers have of their image's configuration, and which image they are of when names move. */
import { expect } from 'chai';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ContentStore } from '../../lib/image/content/content-store.js';
import type { CaissonError, Container } from '../../lib/index.js';
import { dockerArchive, packDirectory, tarOf } from '../support/archives.js';
import { expectConsistent, leftIn } from '../support/image-store.js';
import { copyOf, layer, type LayerMaker, writeImage } from '../support/layered-image.js';
import { needsRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { fixture, repository } from '../support/paths.js';
import { rejectionOf } from '../support/rejection.js';
import { Workshop } from '../support/workshop.js';

const execute = promisify(execFile);

needsRoot('layers with the owners of an archive').describe('containers of images', () => {
  let shop: Workshop;
  let data: string;
  let base: LayerMaker;
  const made: Container[] = [];

  before(async () => {
    shop = await Workshop.open();
    data = shop.engine.dataRoot;
    base = copyOf(shop.busybox.path);
  });
  afterEach(async () => {
    for (const container of made.splice(0)) await container.remove({ force: true });
  });
  after(() => shop.close());

  const write = (name: string, config: object, files: Readonly<Record<string, string>> = {}) =>
    writeImage(data, `docker.io/library/${name}:latest`, {
      layers: [base, layer(files)],
      config: config as Record<string, unknown>,
    });
  const caisson = async (...args: readonly string[]) => {
    const roots = ['--data-root', data, '--run-root', shop.path('run')];
    const { stdout } = await execute(join(repository, 'bin/caisson'), [...roots, ...args]);
    return stdout;
  };
  const create = async (...args: Parameters<Workshop['engine']['create']>) => {
    const container = await shop.engine.create(...args);
    made.push(container);
    return container;
  };

  it('A run without arguments is what the image says', async () => {
    write('said', {
      Env: ['A=1', 'B=2', 'PATH=/bin'],
      Entrypoint: ['sh', '-c'],
      Cmd: ['echo "$A $B $PATH $PWD $(id -u):$(id -g) $HOME"'],
      WorkingDir: '/made/here',
      User: 'nobody',
    });
    const { stdout, stderr } = await shop.engine.run('said');
    expect(`${stdout}${stderr}`).to.match(/^1 2 \/bin \/made\/here 65534:65534 \/\S*\n$/);
  });

  it('The options override the image as with Docker', async () => {
    write('base', { Env: ['A=1', 'B=2'], Entrypoint: ['echo', 'e'], Cmd: ['c'], User: '33' });
    const out = async (argv: readonly string[], options = {}) =>
      (await shop.engine.run('base', argv, options)).stdout.trimEnd();
    expect(await out([])).to.equal('e c');
    expect(await out(['x', 'y']), 'arguments replace the command').to.equal('e x y');
    expect(await out(['x'], { entrypoint: 'printf' }), 'the entrypoint').to.equal('x');
    expect(await out(['id', '-u'], { entrypoint: '' }), 'no entrypoint').to.equal('33');
    const error = await rejectionOf(shop.engine.run('base', [], { entrypoint: '' }));
    expect(error.message, 'its command goes with it').to.match(/has no command of its own/);
    const env = { entrypoint: '', env: { B: '3', C: '4' }, user: '0', workdir: '/tmp' };
    expect(await out(['sh', '-c', 'echo $A $B $C $(id -u) $PWD'], env)).to.equal('1 3 4 0 /tmp');
  });

  it('A detached container has labels, ports, the stop signal and the health check of its image', async () => {
    write('service', {
      Cmd: ['sleep', '1000'],
      Labels: { own: 'image', both: 'image' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      StopSignal: 'SIGUSR1',
      Healthcheck: { Test: ['CMD-SHELL', 'test -e /etc'], Interval: 1e9, Retries: 2 },
    });
    const { config } = await (
      await create('service', [], { labels: { both: 'mine' }, healthcheck: { retries: 5 } })
    ).inspect();
    expect(config.options.labels).to.deep.equal({ own: 'image', both: 'mine' });
    expect(config.options.expose).to.deep.equal(['53/udp', '80/tcp']);
    expect(config.stopSignal).to.equal(10);
    expect(config.healthcheck).to.include({ test: 'test -e /etc', interval: 1000, retries: 5 });
    const none = await create('service', [], { healthcheck: 'none', stopSignal: 'INT' });
    const stored = (await none.inspect()).config;
    expect(stored.healthcheck).to.equal(undefined);
    expect(stored.stopSignal).to.equal(2);
  });

  it('A container stays with its image when the name has moved', async () => {
    const old = write(
      'moving',
      { Cmd: ['cat', '/version'], Env: ['WHEN=old'] },
      { version: 'old' },
    );
    const container = await create('moving', []);
    const next = write('moving', { Cmd: ['false'], Env: ['WHEN=new'] }, { version: 'new' });
    expect(next.manifest).to.not.equal(old.manifest);
    const ran = container.startAttached({ stdout: true });
    let said = '';
    ran.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()));
    expect((await ran).exitCode).to.equal(0);
    expect(said).to.equal('old');
    expect((await container.inspect()).config.image).to.include({
      kind: 'name',
      name: 'moving',
      manifest: old.manifest,
      id: old.id,
    });
    expect((await shop.engine.run('moving', ['cat', '/version'])).stdout).to.equal('new');
  });

  it('The command ps shows the name of an image as long as it has it, then its id, and inspect has both', async () => {
    const { id } = write('listed', { Cmd: ['true'], Env: ['A=1'], WorkingDir: '/tmp' });
    const container = await create('listed', []);
    const ps = async (...args: string[]) =>
      (await caisson('ps', '-a', '--format', '{{.Image}}', ...args)).trimEnd();
    expect(await ps()).to.equal('listed');
    for (const name of ['listed', 'listed:latest', id, id.slice(7, 19)])
      expect(await ps('--filter', `ancestor=${name}`), name).to.equal('listed');
    const format =
      '{{.Config.Image}} {{.Image}} {{.Config.Cmd}} {{.Config.Env}} {{.Config.WorkingDir}}';
    const inspect = () => caisson('inspect', '--format', format, container.id);
    expect(await inspect()).to.match(new RegExp(`^listed ${id} \\[true\\] \\[.*A=1.*\\] /tmp\n$`));
    write('listed', { Cmd: ['false'] }, { other: 'x' });
    expect(await ps()).to.equal(id.slice(7, 19));
    expect(await ps('--no-trunc')).to.equal(id);
    expect(await ps('--filter', 'ancestor=listed')).to.equal('');
    expect(await inspect()).to.match(/^listed sha256:/);
  });

  it('A name that has moved is seen by the next run', async () => {
    write('tag', {}, { version: '1' });
    expect(await shop.sh('cat /version', {}, 'tag')).to.equal('1');
    expect(await shop.sh('cat /version', {}, 'tag')).to.equal('1');
    write('tag', {}, { version: '2' });
    expect(await shop.sh('cat /version', {}, 'tag')).to.equal('2');
  });

  it('An image is found by its names, its ids, their beginnings and its digest', async () => {
    const { id, manifest } = write('many-names', {}, { mark: 'found' });
    for (const name of [
      ...['many-names', 'many-names:latest', 'library/many-names', 'docker.io/library/many-names'],
      ...[id, id.slice(7), id.slice(7, 19), id.slice(0, 17), manifest, `many-names@${manifest}`],
    ])
      expect(await shop.sh('cat /mark', {}, name), name).to.equal('found');
    for (const name of ['many-names:1', 'many-name', `many-names@${id}`, 'f'.repeat(64)])
      expect(
        (await rejectionOf(shop.engine.run(name, ['true'], { pull: 'never' }))).code,
        name,
      ).to.equal('ERR_NO_SUCH_IMAGE');
  });

  it('An image of another platform is not the one that was asked for', async () => {
    write('native', {});
    const own = { x64: 'amd64' }[process.arch as string] ?? process.arch;
    expect((await shop.engine.run('native', ['true'], { platform: `linux/${own}` })).exitCode).to.equal(0); // prettier-ignore
    const error = await rejectionOf(
      shop.engine.run('native', ['true'], { platform: 'linux/s390x', pull: 'never' }),
    );
    expect(error).to.include({ code: 'ERR_NO_SUCH_IMAGE', stage: 'image' });
    const wrong = await rejectionOf(shop.engine.run('native', ['true'], { pull: 'maybe' as 'never' })); // prettier-ignore
    expect(wrong).to.include({ code: 'ERR_INVALID_OPTION', path: 'pull' });
  });

  it('Manifests and configurations of Docker are images, too', async () => {
    writeImage(data, 'docker.io/library/schema2:latest', { layers: [base], docker: true });
    expect((await shop.engine.run('schema2', ['true'])).exitCode).to.equal(0);
  });

  it('A collection keeps the image of a container that runs', async () => {
    const { manifest } = write('collected', {}, { mark: 'x' });
    const store = new ContentStore(data);
    const execution = shop.engine.run('collected', ['sleep', '1000']);
    await execution.started;
    const index = join(data, 'images/index.json');
    const whole = readFileSync(index);
    const others = JSON.parse(whole.toString()) as { manifests: { digest: string }[] };
    others.manifests = others.manifests.filter(({ digest }) => digest !== manifest);
    rmSync(index);
    writeFileSync(index, JSON.stringify(others));
    const roots = () => others.manifests.map(({ digest }) => digest);
    expect((await store.collect({ roots })).blobs).to.not.include(manifest);
    execution.kill('SIGKILL');
    await execution;
    await eventually(async () => {
      const { blobs } = await store.collect({ roots });
      expect(blobs).to.include(manifest);
    });
    const gone = await rejectionOf(shop.engine.run('collected', ['true'], { pull: 'never' }));
    expect(gone.code).to.equal('ERR_NO_SUCH_IMAGE');
  });

  it('A container whose image is removed at the same moment has all of its image, or does not start', async function () {
    this.timeout(120_000);
    const name = 'churned:1';
    const archive = join(shop.directory, 'churned.tar');
    const marks = [1, 2].map((mark) => tarOf([[`mark-${mark}`, `${mark}`]]));
    const tree = packDirectory(shop.busybox.path, join(shop.directory, 'busybox.tar'));
    writeFileSync(archive, dockerArchive(name, [readFileSync(tree), ...marks]));
    const args = [fixture('image-churn'), data, shop.path('run'), archive, name];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    const argv = ['sh', '-c', 'cat /mark-1 /mark-2 && ls /bin/busybox'];
    const found = { 'run: 0': 0, 'start: 0': 0, ERR_NO_SUCH_IMAGE: 0 };
    const attempts = [
      async () => `run: ${(await shop.engine.run(name, argv, { pull: 'never' })).exitCode}`,
      async () => {
        const container = await create(name, argv, { pull: 'never' });
        return `start: ${(await container.startAttached()).exitCode}`;
      },
    ];
    try {
      await once(child.stdout, 'data');
      while (Math.min(...Object.values(found)) < 15)
        for (const attempt of attempts) {
          const outcome = await attempt().catch((error: CaissonError) => error.code);
          await made.pop()?.remove({ force: true });
          expect(found).to.have.property(outcome);
          found[outcome as keyof typeof found]++;
        }
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    // Until then it had found no other error than those that it knows.
    expect(child.signalCode).to.equal('SIGKILL');
    await shop.engine.images.prune(['dangling=false']);
    const store = new ContentStore(data);
    expectConsistent(store);
    expect(leftIn(store)).to.deep.equal([]);
  });

  it('A layer that is not unpacked, and a blob that is damaged, are errors of the image', async () => {
    const { diffIds } = write('halved', {}, { mark: 'x' });
    rmSync(join(data, 'images/layers', diffIds[1]!.replace(':', '-')), { recursive: true });
    const missing = await rejectionOf(shop.engine.run('halved', ['true']));
    expect(missing.code).to.equal('ERR_INVALID_IMAGE');
    const { id } = write('broken', {}, { mark: 'x' });
    writeFileSync(join(data, 'images/blobs', id.replace(':', '/')), '{}');
    const damaged = await rejectionOf(shop.engine.run('broken', ['true']));
    expect(damaged.code).to.equal('ERR_DIGEST_MISMATCH');
  });
});
