/** `container.files`: single operations on the files of a container, from outside. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { WatchedChange } from '../../lib/archive/file-server.js';
import type { Container } from '../../lib/engine/container/container.js';
import { type DetachedContainers, setUpDetached } from '../support/detached.js';
import { eventually } from '../support/outside.js';
import { fixture } from '../support/paths.js';
import { rejectionOf } from '../support/rejection.js';
import type { Workshop } from '../support/workshop.js';

describe('Files of a container, one by one', () => {
  let detached: DetachedContainers;
  let shop: Workshop;
  setUpDetached((given) => ({ detached, shop } = given));

  async function inside(container: Container, command: string): Promise<string> {
    const { exitCode, stdout, stderr } = await container.exec(['sh', '-c', command]);
    expect(exitCode, `${command}: ${stderr}`).to.equal(0);
    return stdout.trimEnd();
  }

  const running = () => detached.start('exec sleep 100');

  for (const state of ['running', 'stopped'] as const) {
    it(`Files of a ${state} container are written, read, listed, renamed and removed`, async () => {
      const container = state === 'running' ? await running() : await detached.create('true');
      const { files } = container;
      await files.write('/app/deep/main.txt', 'ein Süßes\n');
      await files.write('/app/deep/main.txt', 'more', { append: true });
      expect(await files.readText('/app/deep/main.txt')).to.equal('ein Süßes\nmore');
      await files.write('app/run', Buffer.from([0, 255]), { mode: 0o755 });
      await files.symlink('run', '/app/link');
      await files.mkdir('/app/empty', { mode: 0o700 });
      await files.mkdir('/app/a/b', { recursive: true });
      await files.mkdir('/app/a/b', { recursive: true });
      expect(
        (await files.list('/app')).map(({ name, kind, mode }) => [name, kind, mode.toString(8)]),
      ).to.deep.equal([
        ['a', 'directory', '755'],
        ['deep', 'directory', '755'],
        ['empty', 'directory', '700'],
        ['link', 'link', '777'],
        ['run', 'file', '755'],
      ]);
      expect(await files.stat('/app/link')).to.include({ kind: 'link', link: 'run' });
      expect(await files.stat('/app/link', { follow: true })).to.include({
        kind: 'file',
        size: 2,
        uid: 0,
        gid: 0,
      });
      await files.chmod('/app/run', 0o640);
      await files.chown('/app/run', 5, 6);
      await files.rename('/app/run', '/app/a/renamed');
      expect(await files.stat('/app/a/renamed')).to.include({ mode: 0o640, uid: 5, gid: 6 });
      await files.remove('/app/link');
      await files.remove('/app', { recursive: true });
      await files.remove('/app', { force: true });
      expect((await files.list('/')).map(({ name }) => name)).to.not.include('app');
      if (state === 'running')
        expect(await inside(container, 'ls -d /app 2>&1; true')).to.include('No such');
    });
  }

  it('What cannot be done is a typed error that names the path', async () => {
    const { files } = await running();
    const fails = async (work: Promise<unknown>) => {
      const { code, errno, path } = (await rejectionOf(work)) as never;
      return { code, errno, path };
    };
    const failed = (errno: string, path: string) => ({ code: 'ERR_FILES_FAILED', errno, path });
    const missing = (path: string) => ({ code: 'ERR_NO_SUCH_FILE', errno: 'ENOENT', path });
    expect(await fails(files.read('/missing'))).to.deep.equal(missing('/missing'));
    expect(await fails(files.stat('/missing'))).to.deep.equal(missing('/missing'));
    expect(await fails(files.remove('/missing'))).to.deep.equal(missing('/missing'));
    expect(await fails(files.list('/etc/passwd'))).to.deep.equal(failed('ENOTDIR', '/etc/passwd'));
    expect(await fails(files.read('/etc'))).to.deep.equal(failed('EISDIR', '/etc'));
    expect(await fails(files.write('/etc', ''))).to.deep.equal(failed('EISDIR', '/etc'));
    expect(await fails(files.mkdir('/etc'))).to.deep.equal(failed('EEXIST', '/etc'));
    expect(await fails(files.remove('/etc'))).to.include({ code: 'ERR_FILES_FAILED' });
    expect(await fails(files.remove('/'))).to.deep.equal(failed('EBUSY', '/'));
    expect(await fails(files.write('/etc/passwd', '', { exclusive: true }))).to.deep.equal(
      failed('EEXIST', '/etc/passwd'),
    );
    expect(await fails(files.read('/etc/passwd', { limit: 3 }))).to.deep.equal(
      failed('EFBIG', '/etc/passwd'),
    );
    expect(await fails(files.read('a\0b'))).to.include({ code: 'ERR_INVALID_OPTION' });
    expect(await fails(files.write('/x', 7 as never))).to.include({ code: 'ERR_INVALID_OPTION' });
    expect(await fails(files.chmod('/etc', 0o10000))).to.include({ code: 'ERR_INVALID_OPTION' });
  });

  it('A program that does nothing else gets the files of a container that does not run', async () => {
    const args = [fixture('stopped-files'), shop.busybox.path, shop.path('of-program')];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).to.equal('content');
  });

  it('A file of many messages, and many requests at once, are all answered', async () => {
    const container = await running();
    const bytes = Buffer.alloc(5 * 2 ** 20 + 17, 'abcdefg');
    await container.files.write('/large', bytes);
    expect((await container.files.read('/large')).equals(bytes)).to.equal(true);
    expect(await inside(container, 'wc -c </large')).to.equal(String(bytes.length));
    const names = Array.from({ length: 300 }, (_, index) => `/many/${index}`);
    await container.files.mkdir('/many');
    await Promise.all(names.map((name) => container.files.write(name, name)));
    const read = await Promise.all(names.map((name) => container.files.readText(name)));
    expect(read).to.deep.equal(names);
    expect(await container.files.list('/many')).to.have.length(300);
  });

  it('A directory with thousands of names is listed whole', async () => {
    const container = await running();
    await inside(container, 'mkdir /n; cd /n; seq 5000 | xargs touch');
    const names = (await container.files.list('/n')).map(({ name }) => name);
    expect(new Set(names).size).to.equal(5000);
  });

  it('Fifos and devices are not opened, and links lead to the container’s own files', async () => {
    const secret = shop.path('secret');
    await writeFile(secret, 'of the host');
    const container = await running();
    await inside(container, `mkfifo /fifo; ln -s ${secret} /link; ln -s /proc/1/root /magic`);
    const { files } = container;
    for (const path of ['/fifo', '/dev/zero', '/dev/tty'])
      expect(await rejectionOf(files.read(path)), path).to.include({ code: 'ERR_FILES_FAILED' });
    expect(await rejectionOf(files.read('/link'))).to.include({ code: 'ERR_NO_SUCH_FILE' });
    expect(await rejectionOf(files.write('/link', 'x'))).to.have.property('code');
    expect(await rejectionOf(files.list('/magic/'))).to.have.property('code');
    expect(await readFile(secret, 'utf8')).to.equal('of the host');
  });

  it('Changes are told as they happen, also in directories that are made meanwhile', async () => {
    const container = await running();
    await container.files.mkdir('/w/old', { recursive: true });
    const seen: WatchedChange[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const change of container.files.watch('/w', {
        recursive: true,
        signal: stop.signal,
      }))
        seen.push(change);
    })();
    const saw = (kind: string, path: string) =>
      eventually(() => {
        expect(seen).to.deep.include({ kind, path });
      });
    // The watch may begin after this, so that it is repeated.
    await eventually(async () => {
      await inside(container, 'echo x >>/w/first');
      expect(seen.map(({ path }) => path)).to.include('/w/first');
    });
    await inside(container, 'mkdir -p /w/new/deep; echo x >/w/new/deep/file; echo x >/w/old/file');
    await saw('added', '/w/new');
    await saw('added', '/w/new/deep/file');
    await saw('added', '/w/old/file');
    await inside(container, 'echo y >>/w/new/deep/file; rm /w/old/file');
    await saw('changed', '/w/new/deep/file');
    await saw('removed', '/w/old/file');
    stop.abort();
    await watching;
  });

  it('A watch ends with the container, and one of a container that does not run is refused', async () => {
    const container = await running();
    const watching = (async () => {
      const kinds: string[] = [];
      for await (const { kind } of container.files.watch('/etc')) kinds.push(kind);
      return kinds;
    })();
    await container.files.stat('/etc');
    await container.kill();
    expect(await watching).to.deep.equal(['lost']);
    expect(await rejectionOf(container.files.watch('/etc').next())).to.include({
      code: 'ERR_CONTAINER_NOT_RUNNING',
    });
  });

  it('The process with the files ends with the container, and the next run has its own', async () => {
    const container = await running();
    await container.files.write('/x', 'first');
    expect(servers()).to.have.length(1);
    await container.stop({ timeout: 0 });
    await eventually(() => expect(servers()).to.deep.equal([]));
    await container.start();
    expect(await container.files.readText('/x')).to.equal('first');
    await container.remove({ force: true });
    await eventually(() => expect(servers()).to.deep.equal([]));
  });

  it('Volumes of a stopped container are read and written, and a link in one leads nowhere else', async () => {
    const secret = shop.path('beside');
    await mkdir(secret);
    await writeFile(join(secret, 'file'), 'of the host');
    const container = await detached.create(`ln -s ${secret} /v/out; mkdir /v/sub`, {
      volumes: ['files-test:/v'],
    });
    try {
      await container.start();
      await container.wait();
      expect((await container.files.list('/v')).map(({ name }) => name)).to.deep.equal([
        'out',
        'sub',
      ]);
      await container.files.write('/v/sub/new', 'into the volume');
      expect(await container.files.readText('/v/sub/new')).to.equal('into the volume');
      expect(await rejectionOf(container.files.read('/v/out/file'))).to.have.property('code');
      expect(readdirSync(secret)).to.deep.equal(['file']);
    } finally {
      await container.remove({ force: true });
      await shop.engine.volumes.remove('files-test');
    }
  });
});

/** Pids of processes of caisson-archive that this one has started. */
function servers(): number[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  return children
    .trim()
    .split(' ')
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('caisson-archive');
      } catch {
        return false; // it has just ended
      }
    })
    .map(Number);
}
