/** What an empty volume gets of the image, and what becomes of anonymous volumes when their container removes itself. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, rm, symlink } from 'node:fs/promises';
import type { RootfsImage } from '../../lib/image/rootfs.js';
import { type DetachedContainers, logOf, setUpDetached, statusIs } from '../support/detached.js';
import { needsRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { fixture } from '../support/paths.js';
import type { Workshop } from '../support/workshop.js';

const owners = needsRoot('files of other owners');

describe('volumes and the image', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;
  let image: RootfsImage;

  setUpDetached((made) => ({ shop, detached } = made));
  before(() => (image = shop.copyOfBusybox('image')));
  afterEach(async () => {
    await shop.engine.volumes.prune(['all=true']);
    expect(readdirSync(root())).to.deep.equal([]);
    await rm(shop.path('image/srv'), { recursive: true, force: true });
  });

  const root = (...names: string[]) => shop.path('data/volumes', ...names);
  const names = async () => (await shop.engine.volumes.list()).map(({ name }) => name).sort();
  /** Shell commands in the image's /srv. */
  async function inImage(script: string): Promise<void> {
    await mkdir(shop.path('image/srv'), { recursive: true });
    execFileSync('sh', ['-ec', script], { cwd: shop.path('image/srv') });
  }
  const LIST = 'cd $d && find . | sort | xargs stat -c "%n %F %a %u:%g %s %h %Y"';
  const listed = (path: string, volumes: string[] = []) =>
    shop.sh(LIST.replace('$d', path), { volumes }, image);

  owners.it(
    'An empty volume gets all that the image has there, and a filled one nothing',
    async () => {
      await inImage(`
      umask 022; chmod 2750 .; chown 33:34 .
      mkdir -p sub/deep; echo one >f; ln f sub/hard; ln f other; ln -s /etc/shadow link; ln -s sub dir
      mkfifo -m 640 fifo; chown 1:2 fifo; chmod 4755 sub; chown -h 5:6 link; chmod 4711 f; truncate -s 20M sparse
      touch -d 2001-02-03 f sub; mknod null c 1 3; printf '\\377' >"$(printf 'no\\377utf8')"`);
      const there = await listed('/srv');
      const copied = await listed('/srv', ['data:/srv']);
      const withoutDevices = there.split('\n').filter((line) => !line.includes('character'));
      expect(copied.split('\n')).to.deep.equal(withoutDevices);
      expect(copied).to.match(/^\.\/f regular file 4711 /m);
      const { blocks } = await lstat(root('data/_data/sparse'));
      expect(blocks).to.be.below(100);
      await shop.sh('rm -r /srv/sub; touch /srv/mine', { volumes: ['data:/srv'] }, image);
      expect(await shop.sh('ls /srv', { volumes: ['data:/srv'] }, image)).not.to.include('sub');
      expect(await shop.sh('ls /srv', { volumes: ['more:/srv:nocopy'] }, image)).to.equal('');
    },
  );

  it('Before the first start, files are reached that a volume will get, and what is written is there after it', async () => {
    await inImage('echo one >f; mkdir sub');
    const made = await shop.engine.create(image, ['ls', '/srv'], {
      volumes: ['data:/srv', 'other:/none'],
    });
    expect(String(await made.files.read('/srv/f'))).to.equal('one\n');
    await made.files.write('/srv/new', 'two');
    await made.files.write('/none/file', 'three');
    expect(readdirSync(root('data/_data'))).to.deep.equal([]);
    expect(readdirSync(root('other/_data'))).to.deep.equal(['file']);
    await made.startAttached();
    expect(await logOf(made)).to.equal('f\nnew\nsub\n');
    expect(readdirSync(root('data/_data')).sort()).to.deep.equal(['f', 'new', 'sub']);
    // From now on it is the volume that is seen, also when it is empty.
    await shop.sh('rm -r /srv/*', { volumes: ['data:/srv'] }, image);
    expect(await made.files.list('/srv')).to.deep.equal([]);
    await made.remove();
  });

  it('A volume that is read-only in its container gets a copy, too, and stays as it is', async () => {
    await inImage('echo one >f');
    expect(await shop.sh('cat /srv/f', { volumes: ['data:/srv:ro'] }, image)).to.equal('one');
    const { exitCode } = await shop.engine.run(image, ['touch', '/srv/g'], { volumes: ['data:/srv:ro'] }); // prettier-ignore
    expect(exitCode).to.equal(1);
  });

  it('An anonymous volume of a run has what the image has, each time', async () => {
    await inImage('echo one >f');
    for (let run = 0; run < 2; run++)
      expect(await shop.sh('cat /srv/f; rm /srv/f; ls /srv', { volumes: ['/srv'] }, image)).to.equal('one'); // prettier-ignore
    expect(readFileSync(shop.path('image/srv/f'), 'utf8')).to.equal('one\n');
  });

  it('A link of the image leads nowhere outside of the image', async () => {
    await mkdir(shop.path('outside'), { recursive: true });
    writeFileSync(shop.path('outside/secret'), 'secret');
    await mkdir(shop.path('image/srv'), { recursive: true });
    await symlink(shop.path('outside'), shop.path('image/srv/out'));
    await symlink('../../../../../../../../etc', shop.path('image/srv/etc'));
    expect(await shop.sh('ls /srv/out', { volumes: ['data:/srv/out'] }, image)).to.equal('');
    const own = await shop.sh('ls /etc', {}, image);
    expect(await shop.sh('ls /srv/etc', { volumes: ['more:/srv/etc'] }, image)).to.equal(own);
  });

  it('A copy that was not finished is continued', async () => {
    await inImage('mkdir a; echo one >a/f; echo two >g; ln -s g l');
    await shop.sh('true', { volumes: ['data:/srv'] }, image);
    // As if the process had been killed in between.
    const script = `import os; d="${root('data/_data')}"; os.setxattr(d, "user.caisson.copy-up", b"filling"); os.remove(d+"/g"); open(d+"/a/f","w").write("torn")`;
    execFileSync('python3', ['-c', script]);
    expect(await shop.sh('cat /srv/a/f /srv/g /srv/l', { volumes: ['data:/srv'] }, image)).to.equal('one\ntwo\ntwo'); // prettier-ignore
  });

  it('Containers that are started at once with a new volume find all of it', async () => {
    await inImage('for i in $(seq 300); do echo $i >f$i; done');
    const found = await Promise.all(
      Array.from({ length: 6 }, () =>
        shop.sh('ls /srv | wc -l; cat /srv/f300', { volumes: ['data:/srv'] }, image),
      ),
    );
    expect(new Set(found)).to.deep.equal(new Set(['300\n300']));
  });

  it('A container that has emptied its volume finds it empty when it is started again', async () => {
    await inImage('echo one >f');
    const container = await detached.create('cat /srv/f; rm -f /srv/f', { volumes: ['data:/srv'] }, image); // prettier-ignore
    const codes: number[] = [];
    for (let run = 0; run < 2; run++) {
      await container.start();
      await container.wait();
      codes.push(readdirSync(root('data/_data')).length);
    }
    expect((await logOf(container)).match(/one/g)).to.deep.equal(['one']);
    expect(codes).to.deep.equal([0, 0]);
    await container.remove();
    expect(await shop.sh('cat /srv/f', { volumes: ['data:/srv'] }, image)).to.equal('one');
  });

  it('With autoRemove, the anonymous volumes go with the container', async () => {
    const container = await detached.start('echo x >/anon/f', { volumes: ['data:/data', '/anon', '/more'], autoRemove: true }); // prettier-ignore
    await eventually(async () => expect(await names()).to.deep.equal(['data']));
    expect(readdirSync(root())).to.deep.equal(['data']);
    expect(existsSync(shop.path('data/containers', container.id))).to.equal(false);
  });

  it('With autoRemove, an anonymous volume stays that another container or a run has', async () => {
    const first = await detached.start('cat', { volumes: ['/anon'], autoRemove: true, openStdin: true, name: 'first' }); // prettier-ignore
    const second = await detached.create(['true'], { volumesFrom: ['first'] });
    await first.kill();
    await eventually(() => expect(existsSync(shop.path('data/containers', first.id))).to.equal(false)); // prettier-ignore
    expect(await names()).to.have.lengthOf(1);
    await second.start();
    await second.wait();
    await second.remove({ volumes: true });
    expect(await names()).to.deep.equal([]);
  });

  it('Events tell when a volume is mounted and unmounted', async () => {
    const since = new Date();
    const container = await detached.start(['true'], { volumes: ['data:/data:ro'] });
    await container.wait();
    await statusIs(container, 'exited');
    const seen: string[] = [];
    const filter = ({ type }: { type: string }) => type === 'volume';
    for await (const { action, id, attributes } of shop.engine.events({ since, until: new Date(), filter })) // prettier-ignore
      seen.push(`${action} ${id} ${attributes['container'] === container.id} ${attributes['destination'] ?? ''} ${attributes['read/write'] ?? ''}`.trim()); // prettier-ignore
    expect(seen).to.deep.equal([
      'create data false',
      'mount data true /data false',
      'unmount data true',
    ]);
    await container.remove();
  });

  owners.it(
    'A read-only bind says whether the mounts below its source are read-only, too',
    async () => {
      await mkdir(shop.path('source/sub'), { recursive: true });
      const words = [fixture('bind-recursive'), shop.path('own-data'), shop.path('own-run'), shop.path('image'), shop.path('source')]; // prettier-ignore
      const script = 'mount -t tmpfs sub "$1/sub" && touch "$1/sub/mounted" && shift && exec "$@"';
      const said = execFileSync('unshare', ['-m', 'sh', '-c', script, 'sh', shop.path('source'), process.execPath, ...words], { encoding: 'utf8' }); // prettier-ignore
      expect(JSON.parse(said)).to.deep.equal({
        enabled: 'mounted',
        disabled: '',
        writable: '/m/sub/f f mounted',
        readonly: 'f mounted',
      });
    },
  );
});
