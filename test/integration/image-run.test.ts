/** Containers of images that are in a registry only: they are pulled first, as `--pull` says. */
import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dockerArchive } from '../support/archives.js';
import { needsSkopeo, pushImage } from '../support/images.js';
import { needsProgram, needsRoot } from '../support/needs.js';
import { repository } from '../support/paths.js';
import { TestRegistry } from '../support/registry.js';
import { rejectionOf } from '../support/rejection.js';
import { UnprivilegedUser } from '../support/unprivileged-user.js';
import { Workshop } from '../support/workshop.js';

const run = promisify(execFile);
const needs = [
  needsRoot('a user’s containers of images are tested with those of users'),
  needsSkopeo(),
  needsProgram('docker-registry'),
].find((each) => each.it !== it);

(needs ?? { describe }).describe('Images that are pulled for a container', function () {
  this.timeout(120_000);
  let registry: TestRegistry;
  let shop: Workshop;
  let image: string;

  async function open() {
    registry = await TestRegistry.start();
    for (const name of ['busybox', 'forty'] as const) await pushImage(name, registry.host);
    image = `${registry.host}/busybox`;
  }

  before(open);
  after(() => registry.stop());
  beforeEach(async () => {
    shop = await Workshop.open();
  });
  afterEach(() => shop.close());

  const caisson = async (...words: readonly string[]) => {
    const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
    const ended = await run(join(repository, 'bin/caisson'), [...roots, ...words]).catch(
      (error: unknown) => error as { code: number; stdout: string; stderr: string },
    );
    return { code: 'code' in ended ? ended.code : 0, stdout: ended.stdout, stderr: ended.stderr };
  };
  const count = () => shop.engine.images.list().then((all) => all.length);

  it('A run pulls an image that is missing, and the next one does not', async () => {
    expect((await shop.engine.run(image, ['echo', 'first'])).stdout).to.equal('first\n');
    expect(await count()).to.equal(1);
    await registry.stop();
    try {
      expect((await shop.engine.run(image, ['echo', 'again'])).stdout).to.equal('again\n');
      const error = await rejectionOf(shop.engine.run(image, ['true'], { pull: 'always' }));
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    } finally {
      await open();
    }
  });

  it('A detached container has the image that was pulled, and nothing is pulled for wrong options', async () => {
    const wrong = [
      shop.engine.create(image, ['true'], { memory: 'much' }),
      shop.engine.run(image, ['true'], { memory: 'much' }),
    ];
    for (const each of wrong) expect((await rejectionOf(each)).code).to.equal('ERR_INVALID_OPTION');
    expect(await count()).to.equal(0);
    const onProgress = 'often' as never;
    for (const each of [
      shop.engine.create(image, ['true'], { onProgress }),
      shop.engine.run(image, ['true'], { onProgress }),
    ])
      expect(await rejectionOf(each)).to.include({
        code: 'ERR_INVALID_OPTION',
        path: 'onProgress',
      });
    expect(await count()).to.equal(0);
    const phases: string[] = [];
    const container = await shop.engine.create(image, ['cat', '/etc/passwd'], {
      onProgress: ({ phase }) => phases.push(phase),
    });
    expect(phases).to.include.members(['downloading', 'done']);
    expect((await container.startAttached()).exitCode).to.equal(0);
    await container.remove();
  });

  it('An image that the registry does not have is one that does not exist', async () => {
    const error = await rejectionOf(shop.engine.create(`${registry.host}/none`, ['true']));
    expect(error.code).to.equal('ERR_NO_SUCH_IMAGE');
    const never = await rejectionOf(shop.engine.run(image, ['true'], { pull: 'never' }));
    expect(never.code).to.equal('ERR_NO_SUCH_IMAGE');
    expect(await count()).to.equal(0);
  });

  it('The command line says what it pulls, on stderr, as Docker does', async () => {
    const first = await caisson('run', '--rm', image, 'echo', 'out');
    expect(first.stdout).to.equal('out\n');
    expect(first.stderr).to.match(
      new RegExp(`^Unable to find image '${image}:latest' locally\nUsing default tag: latest\n`),
    );
    expect(first.stderr).to.include(`Status: Downloaded newer image for ${image}:latest`);
    expect(await caisson('run', '--rm', image, 'echo', 'out')).to.deep.equal({
      code: 0,
      stdout: 'out\n',
      stderr: '',
    });
    const always = await caisson('run', '--rm', '--pull', 'always', image, 'true');
    expect(always.stderr).to.include(`Status: Image is up to date for ${image}:latest`);
    expect(always.stderr).not.to.include('Already exists');
    const none = await caisson('pull', `${registry.host}/none`);
    expect(none).to.include({ code: 1, stdout: 'Using default tag: latest\n' });
    const never = await caisson('run', '--pull', 'never', `${registry.host}/other`, 'true');
    expect(never.code).to.equal(125);
    expect(never.stderr).to.include(`No such image: ${registry.host}/other`);
    expect(never.stderr).not.to.include('Unable to find');
  });

  it('The size of a container is that of its layer, and with its image', async () => {
    const { stdout } = await caisson('create', '-q', image, 'true');
    const size = (await caisson('image', 'inspect', '--format', '{{.Size}}', image)).stdout.trim();
    expect(Number(size)).to.be.greaterThan(100_000);
    const format = '{{.SizeRw}} {{.SizeRootFs}}';
    const inspected = await caisson('inspect', '-s', '--format', format, stdout.trim());
    expect(inspected.stdout).to.equal(`0 ${size}\n`);
    const listed = await caisson('ps', '-as', '--format', '{{.Size}}');
    expect(listed.stdout).to.match(/^0B \(virtual \d\S*[kM]B\)\n$/);
    await caisson('rm', stdout.trim());
  });

  it('A rootless user pulls and runs images, in an overlay of that user', async () => {
    const user = await UnprivilegedUser.make(true);
    try {
      const script = 'touch /bin/new; stat -c %u:%g /bin/busybox /bin/new; id -u; ls / | wc -l';
      const forty = `${registry.host}/forty`;
      const said = await user.ok(['run', '--rm', '-q', forty, 'sh', '-c', script]);
      expect(said.split('\n').slice(0, 3)).to.deep.equal(['0:0', '0:0', '0']);
      expect(await user.ok(['run', '--rm', '--read-only', forty, 'echo', 'again'])).to.equal(
        'again',
      );
    } finally {
      await user.cleanUp();
    }
  });
  it('A directory that a layer does not contain has the attributes of the one below it', async () => {
    const work = await mkdtemp(join(tmpdir(), 'caisson-test-'));
    try {
      const pack = async (name: string, script: string, ...entries: readonly string[]) => {
        await run('sh', ['-ec', `mkdir -p ${name} && cd ${name} && ${script}`], { cwd: work });
        await run('tar', ['-C', name, '--no-recursion', '-cf', `${name}.tar`, ...entries], {
          cwd: work,
        });
        return readFile(join(work, `${name}.tar`));
      };
      const busybox = await pack(
        'lower',
        `mkdir -p bin etc tmp srv/own && cp ${shop.path('busybox')}/bin/busybox bin &&
         for name in sh cat stat; do ln -s busybox bin/$name; done &&
         chmod 1777 tmp && chmod 750 srv && chown 7:8 srv && chmod 700 srv/own`,
        ...['bin', 'bin/busybox', 'bin/sh', 'bin/cat', 'bin/stat', 'etc', 'tmp', 'srv', 'srv/own'],
      );
      const upper = await pack(
        'upper',
        'mkdir -p tmp srv/own new && echo 1 >tmp/a && echo 2 >srv/own/b && echo 3 >new/c',
        ...['tmp/a', 'srv/own/b', 'new/c'],
      );
      const archive = dockerArchive('example/implied:1', [busybox, upper]);
      await shop.engine.images.load(
        (async function* () {
          yield await Promise.resolve(archive);
        })(),
      );
      const { stdout } = await shop.engine.run('example/implied:1', [
        'sh',
        '-c',
        'cat /tmp/a /srv/own/b /new/c; exec stat -c "%n %a %u:%g" / /tmp /srv /srv/own /new',
      ]);
      expect(stdout.split('\n').slice(0, -1)).to.deep.equal([
        ...['1', '2', '3'],
        ...['/ 755 0:0', '/tmp 1777 0:0', '/srv 750 7:8', '/srv/own 700 0:0', '/new 755 0:0'],
      ]);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
});
