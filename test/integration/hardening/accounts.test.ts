/** Account files whose names the container chose, and what they say of root. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Container } from '../../../lib/engine/container/container.js';
import { CaissonError } from '../../../lib/base/errors.js';
import { type DetachedContainers, setUpDetached } from '../../support/detached.js';
import { needsRoot } from '../../support/needs.js';
import type { Workshop } from '../../support/workshop.js';
import { skip } from '../../support/skip.js';

describe('account files of a container', () => {
  let shop: Workshop;
  let detached: DetachedContainers;
  setUpDetached((made) => ({ shop, detached } = made));

  async function inside(container: Container, command: string): Promise<string> {
    const { stdout, stderr, exitCode } = await container.exec(['sh', '-c', command], { user: '0' });
    expect(exitCode, stderr).to.equal(0);
    return stdout;
  }

  it('A3: an exec reads no kernel file, fifo, device or endless file in place of /etc/passwd, nor waits for one', async () => {
    const container = await detached.start(['sleep', '1000'], { capAdd: ['MKNOD'] });
    const instead: Readonly<Record<string, string>> = {
      'a link to a kernel file': 'ln -s /proc/kmsg etc/passwd',
      'a link to the same through another process': 'ln -s /proc/1/root/proc/kmsg etc/passwd',
      'a fifo': 'mkfifo etc/passwd',
      'a device': 'ln -s /dev/zero etc/passwd',
      'a directory': 'mkdir etc/passwd',
      'a loop': 'ln -s passwd etc/passwd',
    };
    for (const [what, command] of Object.entries(instead)) {
      await inside(container, `cd /; rm -rf etc/passwd; ${command}`);
      // Four of them held all of Node's thread pool.
      const attempts = [1, 2, 3, 4, 5].map(() =>
        container.exec(['true'], { user: 'root', timeout: 20_000 }).then(
          () => 'started',
          (error: unknown) => (error instanceof CaissonError ? error.code : String(error)),
        ),
      );
      expect(new Set(await Promise.all(attempts)), what).to.deep.equal(
        new Set(['ERR_NO_SUCH_USER']),
      );
      const { stdout } = await container.exec(['grep', '^Uid', '/proc/self/status'], { user: '7' });
      expect(stdout.split('\t')[1], what).to.equal('7');
    }
    await inside(container, 'cd /; rm -rf etc/passwd; truncate -s 1G etc/passwd');
    const error = await container.exec(['true'], { user: 'root' }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.have.property('code', 'ERR_NO_SUCH_USER');
    expect(String(error)).to.match(/larger than/);
  });

  const { it: itAsRoot } = needsRoot('mounting');

  itAsRoot(
    'A3: an exec ends by its timeout or a kill also where the account files do not answer',
    async function () {
      // What the container's program is written in, and what it mounts.
      if (!existsSync('/usr/bin/python3') || !existsSync('/dev/fuse'))
        skip(this, 'python3 or /dev/fuse is missing');
      const options = {
        devices: ['/dev/fuse'],
        capAdd: ['SYS_ADMIN'],
        securityOpt: ['seccomp=unconfined'],
      };
      const silent = `import ctypes, os, time
fd = os.open('/dev/fuse', os.O_RDWR)
data = f'fd={fd},rootmode=40000,user_id=0,group_id=0'.encode()
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mount(b'fuse', b'/mnt', b'fuse', 0, data) == 0, os.strerror(ctypes.get_errno())
os.rename('/etc/passwd', '/etc/passwd-')
os.symlink('/mnt/passwd', '/etc/passwd')
print('mounted', flush=True)
time.sleep(1000)`;
      const container = await detached.start(['python3', '-c', silent], options, 'host');
      await container.waitFor({ log: 'mounted', timeout: 10_000 });
      const { timedOut, exitCode } = await container.exec(['true'], { user: 'root', timeout: 200 });
      expect([timedOut, exitCode]).to.deep.equal([true, 137]);
      const execution = container.exec(['true'], { user: 'root' });
      setTimeout(() => execution.kill(), 100); // while it waits for the file
      expect((await execution).exitCode).to.equal(137);
    },
  );

  itAsRoot("A3: a start reads no kernel file in place of an image's /etc/passwd", async () => {
    const image = shop.copyOfBusybox('kernel-file', { writable: 'direct' });
    const root = shop.path('kernel-file');
    mkdirSync(shop.path('kernel-file', 'kernel'));
    execFileSync('mount', ['-t', 'proc', 'proc', `${root}/kernel`]);
    try {
      rmSync(`${root}/etc/passwd`);
      symlinkSync('/kernel/version', `${root}/etc/passwd`);
      const error = await shop.engine.run(image, ['true'], { user: 'Linux version' }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(CaissonError);
      rmSync(`${root}/etc/passwd`);
      symlinkSync('/kernel/kmsg', `${root}/etc/passwd`);
      const refused = await shop.engine.run(image, ['true'], { user: 'root' }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(refused).to.have.property('code', 'ERR_NO_SUCH_USER');
    } finally {
      execFileSync('umount', [`${root}/kernel`]);
    }
    rmSync(`${root}/etc/passwd`);
    writeFileSync(`${root}/etc/passwd`, '');
    truncateSync(`${root}/etc/passwd`, 2 ** 32);
    const large = await shop.engine.run(image, ['true'], { user: 'root' }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(String(large)).to.match(/larger than/);
  });

  it("C14: without a user the image's own entry of root counts, for run and for exec", async () => {
    const image = shop.copyOfBusybox('other-root');
    writeFileSync(shop.path('other-root/etc/passwd'), 'root:x:0:42:root:/home/r:/bin/sh\n');
    writeFileSync(shop.path('other-root/etc/group'), 'root:x:0:\nwheel:x:10:root\nshadow:x:42:\n');
    const show = 'echo $(id -u):$(id -g):$(id -G):$HOME';
    const expected = '0:42:42 10:/home/r';
    expect(await shop.sh(show, {}, image)).to.equal(expected);
    expect(await shop.sh(show, { user: '0' }, image)).to.equal(expected);
    const container = await detached.start(['sleep', '1000'], {}, image);
    expect((await container.exec(['sh', '-c', show])).stdout.trim()).to.equal(expected);
  });
});
