/** What a container has changed, and all its files as an archive. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { chmod, lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import type { FileChange } from '../../lib/archive/changes.js';
import type { Container } from '../../lib/engine/container/container.js';
import { rootfs, type RootfsImage } from '../../lib/image/rootfs.js';
import { type DetachedContainers, setUpDetached } from '../support/detached.js';
import { archiveWithTar, extractWithTar, scanTree } from '../support/file-tree.js';
import { oddLayers } from '../support/images.js';
import { needsRoot } from '../support/needs.js';
import { rejectionOf } from '../support/rejection.js';
import type { Workshop } from '../support/workshop.js';

const LETTERS = { added: 'A', changed: 'C', deleted: 'D' } as const;

function lines(changes: readonly FileChange[]): string[] {
  return changes.map(({ kind, path }) => `${LETTERS[kind]} ${path}`);
}

describe('Changed files of a container', () => {
  let detached: DetachedContainers;
  let shop: Workshop;
  setUpDetached((given) => ({ detached, shop } = given));

  /** Runs a command to its end in a new container. */
  async function after(command: string, image?: RootfsImage): Promise<Container> {
    const container = await detached.start(command, {}, image);
    expect(await container.wait()).to.include({ exitCode: 0 });
    return container;
  }

  it('A container that has not been started has changed nothing', async () => {
    const container = await detached.create('true');
    expect(await container.diff()).to.deep.equal([]);
  });

  it('Files that are added, changed and deleted are told with their directories, parents first', async () => {
    const container = await after(
      'echo x >/new; rm /etc/group; echo y >>/etc/passwd; mkdir -p /d/e; touch /d/e/f; chmod 700 /var/tmp',
    );
    expect(lines(await container.diff())).to.deep.equal([
      'A /d',
      'A /d/e',
      'A /d/e/f',
      'C /etc',
      'D /etc/group',
      'C /etc/passwd',
      'A /new',
      'C /var',
      'C /var/tmp',
    ]);
  });

  it('A file that was only opened for writing, or came and went, is no change', async () => {
    const container = await after(': >>/etc/passwd; echo x >/gone; rm /gone; mkdir /q; rmdir /q');
    expect(await container.diff()).to.deep.equal([]);
  });

  it('A directory in place of one that was deleted is compared file by file', async () => {
    const image = shop.copyOfBusybox('with-data');
    await mkdir(shop.path('with-data/data'));
    for (const name of ['kept', 'other', 'gone'])
      await writeFile(shop.path('with-data/data', name), name);
    const container = await after(
      'cp -a /data /copy; rm -r /data; mkdir /data; cp -a /copy/kept /copy/other /data; echo >>/data/other; touch /data/new; rm -r /copy',
      image,
    );
    // A file with the content, owner, mode and time of the one that was there is the same.
    expect(lines(await container.diff())).to.deep.equal([
      'C /data',
      'D /data/gone',
      'A /data/new',
      'C /data/other',
    ]);
  });

  it('What was deleted as a whole is told as one, also where a file takes its place', async () => {
    const container = await after('rm -r /home; rm /etc/group; mkdir /etc/group; echo >/home');
    expect(lines(await container.diff())).to.deep.equal(['C /etc', 'C /etc/group', 'C /home']);
  });

  it('Changes of a running container are those of now, and volumes and file systems in memory have no part in them', async () => {
    const container = await detached.start(
      'touch /volume/a /tmp/b /dev/shm/c /d; touch /ready; sleep 100',
      { tmpfs: ['/tmp'], volumes: [`${shop.directory}:/volume`] },
    );
    await ready(container);
    // Docker, too, tells of the directory that was made for the volume.
    expect(lines(await container.diff())).to.deep.equal(['A /d', 'A /ready', 'A /volume']);
  });

  it('A container cannot lead the comparison out of its layer with links', async () => {
    const container = await after('rm -r /var; ln -s / /var; ln -s /etc/shadow /x');
    expect(lines(await container.diff())).to.deep.equal(['C /var', 'A /x']);
  });

  it('A container whose root directory is used in place has no changes to tell of', async () => {
    const image = shop.copyOfBusybox('direct', { writable: 'direct' });
    const container = await detached.create('true', {}, image);
    expect(await rejectionOf(container.diff())).to.include({ code: 'ERR_UNSUPPORTED_OPTION' });
  });
});

describe('Export of a container', () => {
  let detached: DetachedContainers;
  let shop: Workshop;
  setUpDetached((given) => ({ detached, shop } = given));

  const exported = async (container: Container): Promise<Buffer> =>
    buffer(await container.export());

  needsRoot('files of every owner').it(
    'Every kind of file is exported with all its attributes, as GNU tar does',
    async () => {
      const tree = shop.path('odd');
      for (const layer of oddLayers()) extractWithTar(layer, tree);
      execFileSync('find', [tree, '-name', '.wh.*', '-delete']);
      const container = await detached.create(['true'], {}, rootfs(tree));
      const [ours, theirs] = [shop.path('ours'), shop.path('theirs')];
      extractWithTar(await exported(container), ours);
      extractWithTar(archiveWithTar(tree), theirs);
      expect(scanTree(theirs).slice(1)).to.deep.equal(scanTree(tree).slice(1));
      expect(scanTree(ours).slice(1)).to.deep.equal(scanTree(tree).slice(1));
    },
  );

  it('A running, a paused and a stopped container have the same archive', async () => {
    const container = await detached.start('echo x >/new; touch /ready; sleep 100');
    await ready(container);
    const archives = [await exported(container)];
    await container.pause();
    archives.push(await exported(container));
    await container.unpause();
    await container.stop({ timeout: 0 });
    archives.push(await exported(container));
    const [first, ...others] = archives;
    for (const other of others) expect(other.equals(first!)).to.equal(true);
    expect(first!.length).to.be.above(1_000_000);
  });

  it('Volumes, file systems of the kernel and injected files are not exported', async () => {
    await writeFile(shop.path('secret'), 'of the host');
    const container = await detached.start('touch /ready; sleep 100', {
      volumes: [`${shop.directory}:/volume`],
      tmpfs: ['/tmp'],
    });
    await ready(container);
    const tree = shop.path('exported');
    extractWithTar(await exported(container), tree);
    for (const empty of ['volume', 'proc', 'sys', 'dev', 'tmp'])
      expect(readdirSync(join(tree, empty)), empty).to.deep.equal([]);
    expect(await readFile(join(tree, 'etc/hosts'), 'utf8')).to.equal('');
  });

  it('A stream that is destroyed ends the work, and the container can be started', async () => {
    const container = await detached.create('exit 3');
    const stream: Readable = await container.export();
    stream.once('error', () => undefined);
    stream.destroy();
    await container.start();
    expect(await container.wait()).to.include({ exitCode: 3 });
  });

  it('Links of the container lead nowhere else', async () => {
    const tree = shop.path('linked');
    await mkdir(join(tree, 'bin'), { recursive: true });
    await symlink('/', join(tree, 'host'));
    await symlink('../../../../etc', join(tree, 'etc'));
    await chmod(tree, 0o755);
    const container = await detached.create(['true'], {}, rootfs(tree));
    const ours = shop.path('linked-ours');
    extractWithTar(await exported(container), ours);
    expect((await lstat(join(ours, 'host'))).isSymbolicLink()).to.equal(true);
    expect(readdirSync(ours).sort()).to.deep.equal(['bin', 'etc', 'host']);
  });
});

async function ready(container: Container): Promise<void> {
  const { exitCode } = await container.exec([
    'sh',
    '-c',
    'until test -e /ready; do sleep 0.01; done',
  ]);
  expect(exitCode).to.equal(0);
}
