/** Images that are made from containers: what is in them, and that they are images like others. */
import { expect } from 'chai';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Container } from '../../lib/engine/container/container.js';
import { rootfs } from '../../lib/image/rootfs.js';
import { needsSkopeo, pushImage } from '../support/images.js';
import { needsProgram, needsRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { repository } from '../support/paths.js';
import { TestRegistry } from '../support/registry.js';
import { rejectionOf } from '../support/rejection.js';
import { Workshop } from '../support/workshop.js';

const run = promisify(execFile);
const needs = [
  needsRoot('a user’s containers of images are tested with those of users'),
  needsSkopeo(),
  needsProgram('docker-registry'),
].find((each) => each.it !== it);

/** Names, kinds, modes, owners, sizes, times, link targets and contents of all that is the container's own. */
const LIST = `find / -xdev ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' ! -path '/etc/host*' ! -path /etc/resolv.conf |
  sort | while read -r f; do stat -c '%n %F %a %u:%g' "$f"; [ -d "$f" ] || stat -c '%s %Y %h' "$f"
  [ -L "$f" ] && readlink "$f"; [ -f "$f" ] && md5sum <"$f"; done; true`;

const CHANGE = `set -e
  echo new >/new; chown 12:34 /new; chmod 4750 /new; touch -d '2001-02-03 04:05:06' /new
  ln /new /etc/same; ln -s ../new /etc/link; mkfifo /fifo
  rm /bin/vi; rm -r /var; mkdir /var; echo inside >/var/only
  mkdir -p '/a b/ü'; echo x >'/a b/ü/.wh'; : >/empty`;

(needs ?? { describe }).describe('Images of containers', function () {
  this.timeout(120_000);
  let registry: TestRegistry;
  let shop: Workshop;
  let image: string;

  before(async () => {
    registry = await TestRegistry.start();
    await pushImage('busybox', registry.host);
    image = `${registry.host}/busybox`;
    shop = await Workshop.open();
  });
  after(async () => {
    await shop.close();
    await registry.stop();
  });

  const ended = async (container: Container) => {
    expect((await container.startAttached()).exitCode).to.equal(0);
    return container;
  };
  const list = async (name: string) => (await shop.engine.run(name, ['sh', '-c', LIST])).stdout;

  it('The image of a fork has one layer with all that it and its container have changed', async () => {
    const source = await ended(await shop.engine.create(image, ['sh', '-c', CHANGE]));
    const more =
      'rm /etc/link /var/only; echo more >/more; rm -r "/a b"; mkdir "/a b"; chmod 700 /var';
    const fork = await ended(await source.fork({ argv: ['sh', '-c', more] }));
    const whole = await ended(await shop.engine.create(image, ['sh', '-c', `${CHANGE}; ${more}`]));
    const found: string[] = [];
    for (const container of [fork, whole]) {
      const { id, config } = await container.commit('of-fork');
      expect(config.diffIds).to.have.length(2);
      // Times of what was written now differ.
      found.push((await list('of-fork')).replace(/ 17\d{8} /g, ' now '));
      await shop.engine.images.remove(id, { force: true });
      await container.remove();
    }
    await source.remove();
    expect(found[0]).to.equal(found[1]);
    expect(found[0]).to.include('/a b directory 755');
  });

  it('An image has what the container had, also after push, removal and pull', async () => {
    const container = await ended(await shop.engine.create(image, ['sh', '-c', CHANGE]));
    const { images } = shop.engine;
    const before = await images.inspect(image);
    const name = `${registry.host}/committed`;
    const { id, config } = await container.commit(name, { message: 'why', author: 'A <a@b>' });
    expect(config.diffIds).to.have.length(before.config.diffIds.length + 1);
    const [last] = await images.history(name);
    expect(last).to.deep.include({ id, comment: 'why', createdBy: `sh -c ${CHANGE}` });
    const committed = await list(name);
    expect(committed).to.include('/new regular file 4750 12:34\n4 981173106 2\n');
    expect(committed).to.include('/a b/ü/.wh regular');
    expect(committed).to.include('/var/only regular');
    expect(committed).to.include('/fifo fifo');
    expect(committed).not.to.include('/bin/vi ');
    expect(committed).not.to.include('/var/spool');

    const { digest } = await images.push(name);
    await images.remove(name, { force: true });
    await container.remove();
    await images.prune();
    const pulled = await images.pull(name);
    expect(pulled).to.include({ id, pulledDigest: digest });
    expect(await list(name)).to.equal(committed);
    await run('skopeo', ['copy', '--src-tls-verify=false', `docker://${name}`, `oci:${shop.path('oci')}:x`]); // prettier-ignore
  });

  it('An image has the configuration of its container, with the changes that were asked for', async () => {
    const container = await ended(
      await shop.engine.create(image, ['true'], {
        env: ['A=1', 'B=2'],
        labels: { l: '1' },
        user: '5:6',
        workdir: '/tmp',
        stopSignal: 'SIGINT',
      }),
    );
    const changes = ['ENV B=3 C=$A', 'CMD ["sh", "-c", "id -u; pwd; echo $C"]', 'EXPOSE 80', 'LABEL m=2']; // prettier-ignore
    const { config } = await container.commit('changed:1', { changes });
    expect(config.env).to.include.members(['A=1', 'B=3', 'C=1']);
    expect(config).to.deep.include({ user: '5:6', workdir: '/tmp', exposedPorts: ['80/tcp'] });
    expect(config.labels).to.include({ l: '1', m: '2' });
    expect((await shop.engine.run('changed:1')).stdout).to.equal('5\n/tmp\n1\n');
    const wrong = await rejectionOf(container.commit('x', { changes: ['RUN true'] }));
    expect(wrong).to.include({ code: 'ERR_INVALID_OPTION', path: 'changes' });
    await container.remove();
  });

  it('Ports, anonymous volumes and the health check of the options are those of the image', async () => {
    const check = { test: 'true', interval: 2000 };
    const asked = { expose: ['99', '80'], volumes: ['/anon', 'named:/named'] };
    const container = await shop.engine.create(image, ['true'], {
      ...asked,
      healthcheck: check,
    });
    const { config } = await container.commit('asked:1');
    expect(config.exposedPorts).to.deep.equal(['80/tcp', '99/tcp']);
    expect(config.volumes).to.deep.equal(['/anon']);
    expect(config.healthcheck).to.deep.include({ test: { shell: 'true' }, interval: 2000 });
    await container.remove({ volumes: true });
    await shop.engine.volumes.prune(['all=true']);
  });

  it('An image in Docker’s format is a base as any other', async () => {
    const docker = `${registry.host}/schema2`;
    const tls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    await run('skopeo', ['copy', ...tls, '--format', 'v2s2', `docker://${image}`, `docker://${docker}`]); // prettier-ignore
    const container = await ended(await shop.engine.create(docker, ['sh', '-c', 'echo 1 >/one']));
    const { config } = await container.commit('of-docker');
    expect(config.diffIds).to.have.length.above(1);
    expect((await shop.engine.run('of-docker', ['cat', '/one'])).stdout).to.equal('1\n');
    await container.remove();
  });

  it('A running container is paused meanwhile, and runs on', async () => {
    const script = 'echo 1 >/one; while :; do sleep 0.01; done';
    const container = await shop.engine.create(image, ['sh', '-c', script]);
    await container.start();
    await eventually(async () => {
      expect((await container.diff()).map(({ path }) => path)).to.include('/one');
    });
    const { id } = await container.commit();
    expect((await container.inspect()).status).to.equal('running');
    expect((await shop.engine.run(id, ['cat', '/one'])).stdout).to.equal('1\n');
    await container.remove({ force: true });
  });

  describe('that end early', () => {
    let container: Container;
    let known: readonly string[];
    const imageIds = async () => (await shop.engine.images.list()).map(({ id }) => id);
    const statusIs = (status: string) =>
      eventually(async () => expect((await container.inspect()).status).to.equal(status));

    /** A command that is ended while the container is paused for it: its exit code and signal. */
    async function commitEndedBy(signal: NodeJS.Signals): Promise<unknown[]> {
      const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
      const command = join(repository, 'bin/caisson');
      const child = spawn(command, [...roots, 'commit', container.id], { stdio: 'ignore' });
      const closed = once(child, 'close');
      await statusIs('paused');
      child.kill(signal);
      return closed;
    }

    beforeEach(async () => {
      const script = 'dd if=/dev/urandom of=/much bs=1M count=96 2>/dev/null; : >/done; sleep 600';
      container = await shop.engine.create(image, ['sh', '-c', script]);
      await container.start();
      await eventually(async () => expect(await container.files.list('/')).to.satisfy((all: readonly { name: string }[]) => all.some(({ name }) => name === 'done'))); // prettier-ignore
      known = await imageIds();
    });
    afterEach(() => container.remove({ force: true }));

    it('A commit that is aborted makes no image, and the container runs on', async () => {
      const stop = new AbortController();
      const committed = container
        .commit('aborted', { signal: stop.signal })
        .catch((error: unknown) => error);
      await statusIs('paused');
      const reason = new Error('enough');
      stop.abort(reason);
      expect(await committed).to.equal(reason);
      expect((await container.inspect()).status).to.equal('running');
      expect(await imageIds()).to.deep.equal(known);
    });

    it('A container runs on after the death of the process that commits it', async () => {
      expect(await commitEndedBy('SIGKILL')).to.deep.equal([null, 'SIGKILL']);
      await statusIs('running');
      expect((await container.exec(['echo', 'on'])).stdout).to.equal('on\n');
      // What is paused by hand afterwards stays so.
      await container.pause();
      expect((await container.inspect()).status).to.equal('paused');
      await container.unpause();
    });

    it('A command commit that a signal ends makes no image, and the container runs on', async () => {
      expect(await commitEndedBy('SIGINT')).to.deep.equal([null, 'SIGINT']);
      expect((await container.inspect()).status).to.equal('running');
      expect(await imageIds()).to.deep.equal(known);
    });
  });

  it('A container of a root directory has all its files in one layer; the host image is no image', async () => {
    const container = await ended(
      await shop.engine.create(rootfs(shop.path('busybox')), ['sh', '-c', 'echo 1 >/one']),
    );
    const { config } = await container.commit('whole', { changes: ['CMD cat /one'] });
    expect(config.diffIds).to.have.length(1);
    expect((await shop.engine.run('whole')).stdout).to.equal('1\n');
    await container.remove();
    const host = await shop.engine.create('host', ['true']);
    expect((await rejectionOf(host.commit('x'))).code).to.equal('ERR_UNSUPPORTED_OPTION');
    await host.remove();
  });

  it('The command commit writes the id of the image', async () => {
    const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
    const caisson = async (...words: readonly string[]) =>
      (await run(join(repository, 'bin/caisson'), [...roots, ...words])).stdout.trim();
    const id = await caisson('create', '--pull', 'missing', image, 'true');
    const made = await caisson('commit', '-m', 'x', '-c', 'CMD echo hi', id, 'by/command');
    expect(made).to.match(/^sha256:[0-9a-f]{64}$/);
    expect(await caisson('run', '--rm', 'by/command')).to.equal('hi');
    await caisson('rm', id);
  });
});
