/** Copies into and out of containers: all metadata, Docker's rules, and containers that attack them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, lstat, mkdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { Container } from '../../lib/engine/container/container.js';
import { type DetachedContainers, setUpDetached } from '../support/detached.js';
import { extractWithTar, scanTree } from '../support/file-tree.js';
import { oddLayers } from '../support/images.js';
import { needsRoot } from '../support/needs.js';
import { rejectionOf } from '../support/rejection.js';
import type { Workshop } from '../support/workshop.js';

describe('Copies into and out of a container', () => {
  let detached: DetachedContainers;
  let shop: Workshop;
  setUpDetached((given) => ({ detached, shop } = given));

  async function inside(container: Container, command: string): Promise<string> {
    const { exitCode, stdout, stderr } = await container.exec(['sh', '-c', command]);
    expect(exitCode, `${command}: ${stderr}`).to.equal(0);
    return stdout.trimEnd();
  }

  /** A fresh directory of the host with a few files. */
  async function source(name: string): Promise<string> {
    const directory = shop.path(name);
    await mkdir(join(directory, 'tree/below'), { recursive: true });
    await writeFile(join(directory, 'file'), 'a file\n');
    await writeFile(join(directory, 'tree/below/file'), 'deep\n');
    await symlink('file', join(directory, 'link'));
    await symlink('below', join(directory, 'tree/link'));
    return directory;
  }

  for (const state of ['running', 'stopped'] as const) {
    it(`Files arrive under the names that Docker would give them in a container that is ${state}`, async () => {
      const from = await source(`names-${state}`);
      const container = await detached.start(
        'mkdir -p /a/dir; ln -sfn dir /a/link; exec sleep 100',
      );
      await inside(container, 'until test -e /a/link; do sleep 0.01; done');
      if (state === 'stopped') await container.stop({ timeout: 0 });
      const { files } = container;
      await files.copyIn(join(from, 'file'), '/a/new');
      await files.copyIn(join(from, 'file'), '/a/dir');
      await files.copyIn(join(from, 'file'), '/a/link/other');
      await files.copyIn(join(from, 'tree'), '/a/dir/');
      await files.copyIn(join(from, 'tree'), '/a/renamed/');
      await files.copyIn(`${join(from, 'tree')}/.`, '/a/link');
      await files.copyIn(join(from, 'link'), '/a/copied-link');
      await files.copyIn(join(from, 'link'), '/a/followed', { followLink: true });
      if (state === 'stopped') await container.start();
      expect((await inside(container, 'cd /a; find . | sort')).split('\n')).to.deep.equal(
        // prettier-ignore
        ['.', './copied-link', './dir', './dir/below', './dir/below/file', './dir/file', './dir/link', './dir/other', './dir/tree', './dir/tree/below', './dir/tree/below/file', './dir/tree/link', './followed', './link', './new', './renamed', './renamed/below', './renamed/below/file', './renamed/link'],
      );
      expect(await inside(container, 'cat /a/new /a/followed /a/renamed/below/file')).to.equal(
        'a file\na file\ndeep',
      );
      expect(await inside(container, 'readlink /a/copied-link')).to.equal('file');
    });
  }

  it('Files leave under the names that Docker would give them', async () => {
    const to = shop.path('out');
    await mkdir(join(to, 'dir'), { recursive: true });
    const container = await detached.create('true');
    const { files } = container;
    await files.copyIn(await source('for-out'), '/from');
    await files.copyOut('/from/file', join(to, 'new'));
    await files.copyOut('from/file', join(to, 'dir'));
    await files.copyOut('/from/tree', join(to, 'dir/'));
    await files.copyOut('/from/tree/.', join(to, 'content'));
    await files.copyOut('/from/tree/link', join(to, 'link'));
    await files.copyOut('/from/tree/link/', join(to, 'through-link'));
    await files.copyOut('/from/tree/link', join(to, 'dir'), { followLink: true });
    const found = execFileSync('find', ['.'], { cwd: to, encoding: 'utf8' });
    expect(found.trim().split('\n').sort()).to.deep.equal(
      // prettier-ignore
      ['.', './content', './content/below', './content/below/file', './content/link', './dir', './dir/file', './dir/link', './dir/link/file', './dir/tree', './dir/tree/below', './dir/tree/below/file', './dir/tree/link', './link', './new', './through-link', './through-link/file'],
    );
    expect(await readlink(join(to, 'link'))).to.equal('below');
  });

  it('What Docker refuses is refused, and nothing is written', async () => {
    const from = await source('refused');
    const container = await detached.create('true');
    const { files } = container;
    const into = (path: string, to: string) => rejectionOf(files.copyIn(join(from, path), to));
    const out = (path: string, to: string) => rejectionOf(files.copyOut(path, join(from, to)));
    expect(await into('missing', '/')).to.include({ code: 'ERR_NO_SUCH_FILE' });
    expect(await into('file', '/missing/file')).to.include({ code: 'ERR_NO_SUCH_FILE' });
    expect(await into('file', '/missing/')).to.include({ code: 'ERR_NO_SUCH_FILE' });
    expect(await into('tree', '/etc/passwd')).to.include({ code: 'ERR_FILES_FAILED' });
    expect(await into('file/', '/tmp')).to.include({ code: 'ERR_FILES_FAILED' });
    expect(await out('/missing', 'x')).to.include({ code: 'ERR_NO_SUCH_FILE' });
    expect(await out('/etc/passwd', 'missing/x')).to.include({ code: 'ERR_NO_SUCH_FILE' });
    expect(await out('/etc/passwd', 'missing/')).to.include({ code: 'ERR_NO_SUCH_FILE' });
    expect(await out('/etc', 'file')).to.include({ code: 'ERR_FILES_FAILED' });
    expect(await out('/etc/passwd/x', 'x')).to.include({ code: 'ERR_FILES_FAILED' });
    // A directory where a file is, and the other way round.
    await files.copyIn(join(from, 'file'), '/tmp/tree');
    expect(await into('tree', '/tmp/')).to.include({ code: 'ERR_FILES_FAILED' });
    await mkdir(join(from, 'etc/passwd'), { recursive: true });
    expect(await out('/etc', '.')).to.include({ code: 'ERR_FILES_FAILED' });
    expect(await container.diff()).to.have.length(2);
  });

  needsRoot('files of every owner').it(
    'Every kind of file keeps all its attributes on the way in and out',
    async () => {
      const tree = shop.path('odd');
      for (const layer of oddLayers()) extractWithTar(layer, tree);
      const container = await detached.create('exec sleep 100', { userns: 'host' });
      await container.files.copyIn(tree, '/odd', { archive: true });
      await container.files.copyOut('/odd', shop.path('odd-back'), { archive: true });
      expect(scanTree(shop.path('odd-back'))).to.deep.equal(scanTree(tree));
      // A running one, by tar streams.
      await container.start();
      const archive = await buffer(await container.files.pack('/odd'));
      extractWithTar(archive, shop.path('packed'));
      expect(scanTree(shop.path('packed/odd'))).to.deep.equal(scanTree(tree));
      await container.files.extract(Readable.from([archive]), '/tmp', { archive: true });
      await container.files.copyOut('/tmp/odd', shop.path('again'), { archive: true });
      expect(scanTree(shop.path('again'))).to.deep.equal(scanTree(tree));
    },
  );

  needsRoot('owners').it(
    'Owners are those of the container, and a stranger’s files become root’s or are an error',
    async () => {
      const from = await source('owners');
      execFileSync('chown', ['12:13', join(from, 'file')]);
      execFileSync('chown', ['900000:900001', join(from, 'tree/below/file')]);
      const container = await detached.start('exec sleep 100');
      await container.files.copyIn(join(from, 'file'), '/file');
      await container.files.copyIn(join(from, 'tree'), '/tree');
      expect(await inside(container, 'stat -c "%u:%g" /file /tree/below/file /tree')).to.equal(
        '12:13\n0:0\n0:0',
      );
      expect(
        await rejectionOf(container.files.copyIn(join(from, 'tree'), '/t2', { archive: true })),
      ).to.include({ code: 'ERR_FILES_FAILED', syscall: 'fchownat' });
      const to = shop.path('owners-out');
      await mkdir(to);
      await container.files.copyOut('/file', join(to, 'mine'));
      await container.files.copyOut('/file', join(to, 'theirs'), { archive: true });
      expect((await lstat(join(to, 'mine'))).uid).to.equal(0);
      expect((await lstat(join(to, 'theirs'))).uid).to.equal(12);
    },
  );

  it('Volumes are part of the view, running or not, and what is read-only stays as it is', async () => {
    const [volume, fixed] = [shop.path('volume'), shop.path('fixed')];
    for (const directory of [volume, fixed]) await mkdir(directory);
    await chmod(volume, 0o777);
    const from = await source('for-volume');
    const container = await detached.create('exec sleep 100', {
      volumes: [`${volume}:/volume`, `${fixed}:/fixed:ro`],
      readOnly: true,
    });
    for (const name of ['stopped', 'running']) {
      if (name === 'running') await container.start();
      await container.files.copyIn(join(from, 'file'), `/volume/${name}`);
      expect(await readFile(join(volume, name), 'utf8')).to.equal('a file\n');
      for (const place of ['/fixed/x', '/x'])
        expect(await rejectionOf(container.files.copyIn(join(from, 'file'), place))).to.include({
          code: 'ERR_FILES_FAILED',
          errno: 'EROFS',
        });
      const out = shop.path(`from-volume-${name}`);
      await container.files.copyOut('/volume', out);
      expect(readdirSync(out)).to.include(name);
    }
    expect(readdirSync(fixed)).to.deep.equal([]);
  });

  it('Links of a container lead to its own files only', async () => {
    const secret = shop.path('secret');
    await mkdir(secret);
    await writeFile(join(secret, 'key'), 'of the host');
    const container = await detached.start(
      `ln -s ${secret} /out; ln -s /../../../..${secret}/key /key; ln -s /proc/1/root /magic; mkdir -p ${secret}; echo own >${secret}/key; touch /ready; exec sleep 100`,
    );
    await inside(container, 'until test -e /ready; do sleep 0.01; done');
    const from = await source('linked');
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await container.stop({ timeout: 0 });
      for (const path of ['/out/key', '/key']) {
        const copy = shop.path(`copied-${state}`);
        await container.files.copyOut(path, copy, { followLink: true });
        expect(await readFile(copy, 'utf8')).to.equal('own\n');
        await rm(copy);
      }
      await container.files.copyIn(join(from, 'file'), '/out/written');
      expect(readdirSync(secret)).to.deep.equal(['key']);
      expect(
        await rejectionOf(container.files.copyOut('/magic/etc/passwd', shop.path('x'))),
        state,
      ).to.have.property('code');
    }
  });

  it('A container that swaps a directory for a link meanwhile gets nothing of the host, and changes nothing there', async () => {
    const secret = shop.path('swap');
    await mkdir(secret);
    await writeFile(join(secret, 'file'), 'of the host');
    // The same path in the container is its own; renames go on as fast as they can.
    const container = await detached.start(
      `mkdir -p /x/dir /x/real ${secret}; echo own >/x/dir/file; echo own >${secret}/file; ln -s ${secret} /x/link; touch /ready; cd /x; ` +
        'while :; do mv dir t; mv link dir; mv dir link; mv t dir; done',
    );
    await inside(container, 'until test -e /ready; do sleep 0.01; done');
    const from = await source('for-swap');
    // What was copied in before is the container's, too: it stays where both names were of something else when it was replaced.
    const own = ['own\n', await readFile(join(from, 'file'), 'utf8')];
    for (let round = 0; round < 15; round++) {
      const copy = shop.path(`swapped-${round}`);
      await container.files.copyOut('/x/dir/file', copy).catch(() => undefined);
      if (existsSync(copy)) expect(await readFile(copy, 'utf8')).to.be.oneOf(own);
      await container.files.copyIn(join(from, 'file'), '/x/dir/file').catch(() => undefined);
      await container.files.copyIn(join(from, 'file'), '/x/dir/file').catch(() => undefined);
      await container.files
        .copyOut('/x', shop.path(`tree-${round}`))
        .catch((error: unknown) => expect(error).to.have.property('code'));
      if (round === 0)
        await inside(container, `echo own >/x/dir/file; echo own >${secret}/file`).catch(
          () => undefined,
        );
      await inside(container, 'for d in /x/dir /x/t; do echo own >$d/file; done 2>/dev/null; true');
      await inside(container, `echo own >${secret}/file`);
    }
    expect(readdirSync(secret)).to.deep.equal(['file']);
    expect(await readFile(join(secret, 'file'), 'utf8')).to.equal('of the host');
  });

  it('A fifo or a device of the container holds nothing up', async () => {
    const container = await detached.start(
      'mkdir /odd; mkfifo /odd/fifo; touch /odd/ready; exec sleep 100',
    );
    await inside(container, 'until test -e /odd/ready; do sleep 0.01; done');
    await container.files.copyOut('/odd', shop.path('odd-out'));
    expect((await lstat(shop.path('odd-out/fifo'))).isFIFO()).to.equal(true);
    expect(await rejectionOf(container.files.copyIn(import.meta.filename, '/odd/fifo'))).to.include(
      { code: 'ERR_FILES_FAILED' },
    );
  });

  it('Nothing of the container is executed', async () => {
    // CVE-2019-14271: what a copy runs or loads could be the container's.
    const container = await detached.start(
      'for p in tar sh cp ls; do printf "#!/bin/sh\\ntouch /ran" >/bin/fake; done; ' +
        'mkdir -p /lib /lib64 /usr/lib; for l in libnss_files.so.2 libc.so.6 ld-linux-x86-64.so.2; do cp /bin/fake /lib/$l; cp /bin/fake /lib64/$l; done; ' +
        'touch /ready; exec sleep 100',
    );
    await inside(container, 'until test -e /ready; do sleep 0.01; done');
    await container.files.copyIn(import.meta.filename, '/tmp/x');
    await container.files.copyOut('/etc', shop.path('etc-out'));
    expect(await inside(container, 'ls /ran 2>/dev/null; true')).to.equal('');
  });
});

describe('Archives that are extracted into a container', () => {
  let detached: DetachedContainers;
  let shop: Workshop;
  setUpDetached((given) => ({ detached, shop } = given));

  /** An archive of GNU tar with names as they are given. */
  async function archive(...argv: readonly string[]): Promise<Readable> {
    const directory = shop.path(`archive-${Math.random()}`);
    await mkdir(directory);
    await writeFile(join(directory, 'file'), 'content');
    await symlink('/etc', join(directory, 'link'));
    return Readable.from([
      execFileSync('tar', ['-cPf', '-', '-C', directory, ...argv], {
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    ]);
  }

  it('Names that lead out of the directory are refused', async () => {
    const container = await detached.create('true');
    for (const name of ['../escaped', 'a/../../escaped', '/tmp/../../escaped'])
      expect(
        await rejectionOf(
          container.files.extract(await archive(`--transform=s,file,${name},`, 'file'), '/tmp'),
        ),
        name,
      ).to.include({ code: 'ERR_INVALID_ARCHIVE' });
    expect((await container.diff()).map(({ path }) => path)).to.deep.equal([]);
  });

  it('Absolute names are below the directory, and links in it are followed inside the container', async () => {
    const container = await detached.create('true');
    await container.files.extract(await archive('--transform=s,file,/abs/file,', 'file'), '/tmp');
    await container.files.extract(await archive('link'), '/tmp');
    await container.files.extract(
      await archive('--transform=s,file,link/through,', 'file'),
      '/tmp',
    );
    expect((await container.diff()).map(({ path }) => path)).to.include.members([
      '/tmp/abs/file',
      '/etc/through',
    ]);
    expect(existsSync('/etc/through')).to.equal(false);
  });

  it('An archive that is compressed with gzip is extracted, and one with another compression refused', async () => {
    const container = await detached.create('true');
    const whole = await buffer(await archive('file'));
    await container.files.extract(Readable.from([gzipSync(whole)]), '/tmp');
    expect(String(await container.files.read('/tmp/file'))).to.equal('content');
    for (const [name, bytes] of [
      ['xz', Buffer.from('fd377a585a00', 'hex')],
      ['Z_', gzipSync(whole).subarray(0, 60)],
    ] as const) {
      const error = await rejectionOf(container.files.extract(Readable.from([bytes]), '/tmp'));
      expect(error, error.message).to.include({ code: 'ERR_INVALID_ARCHIVE' });
      expect(error.message).to.include(name);
    }
  });

  it('Damaged and truncated archives are refused with a typed error', async () => {
    const container = await detached.create('true');
    const whole = await buffer(await archive('file'));
    for (const bytes of [whole.subarray(0, 700), Buffer.alloc(5000, 'x')])
      expect(await rejectionOf(container.files.extract(Readable.from([bytes]), '/tmp'))).to.include(
        { code: 'ERR_INVALID_ARCHIVE' },
      );
    expect(
      await rejectionOf(container.files.extract(Readable.from([whole]), '/etc/passwd')),
    ).to.include({ code: 'ERR_FILES_FAILED' });
  });
});
