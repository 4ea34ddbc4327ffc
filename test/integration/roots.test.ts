import { execFileSync } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { rootfs } from '../../lib/image/rootfs.js';
import { needsRoot } from '../support/needs.js';
import { exists, outsideUid, spareDevice } from '../support/outside.js';
import { Workshop } from '../support/workshop.js';
import { skip } from '../support/skip.js';

/** Every path below a directory with what a stray write would change. */
async function snapshot(directory: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(directory, { recursive: true })).sort()) {
    const { mode, uid, gid, size, ino, mtimeMs } = await lstat(`${directory}/${name}`);
    lines.push([name, mode.toString(8), uid, gid, size, ino, mtimeMs].join(' '));
  }
  return lines;
}

const ids = needsRoot('files of ids that the user does not have');
const mounts = needsRoot('mounts on the host');
const hostUsr = needsRoot('a user has the host’s /usr as it is');
const filters = needsRoot('a filter for devices');

describe('roots', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  describe('the host image', () => {
    it('The host image has the machine’s programs and accounts, and none of its secrets', async () => {
      const text = await shop.sh(
        'cat /etc/os-release; getent passwd daemon; ls -A /home /root /run /srv /opt /mnt /media /boot; ' +
          'ls -d /etc/shadow* /etc/gshadow* /etc/ssh/ssh_host* /etc/ssl/private /etc/sudoers* ' +
          '/etc/machine-id.* /var/lib/dpkg 2>/dev/null; find /run /var/lib /var/spool /var/cache -type f; true',
        {},
        'host',
      );
      expect(text).to.include((await readFile('/etc/os-release', 'utf8')).trimEnd());
      expect(text).to.match(/^daemon:/m);
      const after = text.slice(text.indexOf('daemon:')).split('\n').slice(1).join('\n');
      expect(after.split('\n\n')).to.have.members([
        '/boot:',
        '/home:',
        '/media:',
        '/mnt:',
        '/opt:',
        '/root:',
        '/run:\nlock',
        '/srv:',
      ]);
      expect(await shop.sh('cat /etc/machine-id', {}, 'host')).to.equal('');
    });

    hostUsr.it(
      'The host image has a /usr that can be written, and the host does not notice',
      async () => {
        for (const userns of ['auto', 'host'] as const) {
          await using box = await shop.session({ userns }, 'host');
          const name = `/usr/local/bin/t${box.id.slice(0, 12)}`;
          const before = await lstat('/usr/bin/env');
          await box.sh(`printf '#!/bin/sh\\necho mine\\n' >${name} && chmod 755 ${name}`);
          expect(await box.sh(name)).to.equal('mine');
          expect(await exists(name)).to.equal(false);
          await box.sh('echo broken >/usr/bin/env && rm /usr/bin/perl && chmod 000 /usr/bin/id');
          expect(await box.sh('cat /usr/bin/env')).to.equal('broken');
          const after = await lstat('/usr/bin/env');
          expect([after.size, after.mtimeMs]).to.deep.equal([before.size, before.mtimeMs]);
          expect(await exists('/usr/bin/perl')).to.equal(true);
          expect((await lstat('/usr/bin/id')).mode & 0o111).to.equal(0o111);
        }
        expect(await shop.sh('/usr/bin/env true; id -u', {}, 'host')).to.equal('0');
      },
    );

    ids.it('The host image shows owners as they are on the host', async () => {
      expect(await shop.sh('stat -c %u:%g /usr /usr/bin/env /etc/passwd /', {}, 'host')).to.equal(
        '0:0\n0:0\n0:0\n0:0',
      );
    });
  });

  describe('a directory', () => {
    const USE =
      'echo new >/etc/added && rm /etc/os-release && chown 1000 /etc/group && mkdir -p /a/b/c && cat /etc/added';

    for (const userns of ['auto', 'host'] as const) {
      describe(`with userns "${userns}"`, () => {
        it('A root directory below an overlay stays as it is, and the overlay is forgotten', async () => {
          const root = shop.copyOfBusybox(`overlay-${userns}`);
          const before = await snapshot(root.path);
          expect(await shop.sh(USE, { userns }, root)).to.equal('new');
          expect(await snapshot(root.path)).to.deep.equal(before);
          expect(
            await shop.sh(
              'cat /etc/added 2>&1 || ls -d /a /etc/os-release; true',
              { userns },
              root,
            ),
          )
            .to.include("can't open")
            .and.to.include('/etc/os-release');
        });

        it('A root directory is written through when it is direct', async () => {
          const root = shop.copyOfBusybox(`direct-${userns}`, { writable: 'direct' });
          expect(await shop.sh(USE, { userns }, root)).to.equal('new');
          expect(await readFile(`${root.path}/etc/added`, 'utf8')).to.equal('new\n');
          expect(await exists(`${root.path}/etc/os-release`)).to.equal(false);
          expect((await lstat(`${root.path}/a/b/c`)).uid).to.equal(await outsideUid(0));
          expect((await lstat(`${root.path}/etc/group`)).uid).to.equal(await outsideUid(1000));
          expect(await shop.sh('cat /etc/added', { userns }, root)).to.equal('new');
        });

        it('A root directory is not written at all when it is neither', async () => {
          const root = shop.copyOfBusybox(`none-${userns}`, { writable: 'none' });
          const before = await snapshot(root.path);
          const text = await shop.sh(
            '(echo x >/etc/added || rm /etc/os-release || mkdir /a || chmod 700 /bin) 2>&1; ' +
              'echo x >/dev/shm/x && cat /dev/shm/x',
            { userns },
            root,
          );
          expect(text.match(/Read-only file system/g)?.length).to.equal(4);
          expect(text).to.match(/\nx$/);
          expect(await snapshot(root.path)).to.deep.equal(before);
        });

        ids.it('A root directory has its own owners', async () => {
          expect(await shop.sh('stat -c %u:%g / /home/user', { userns })).to.equal(
            '0:0\n1000:1000',
          );
        });
      });
    }

    it('A root directory that lacks what the engine mounts on gets none of it when nothing may be written', async () => {
      const root = shop.copyOfBusybox('bare', { writable: 'none' });
      for (const name of ['proc', 'dev', 'sys']) {
        await rm(`${root.path}/${name}`, { recursive: true });
      }
      const before = await snapshot(root.path);
      const text = await shop.sh('ls -d /proc/1 /dev/null /sys/class /etc/hosts', {}, root);
      expect(text.split('\n')).to.have.members([
        '/proc/1',
        '/dev/null',
        '/sys/class',
        '/etc/hosts',
      ]);
      expect(await snapshot(root.path)).to.deep.equal(before);
    });

    it('A root directory below a read-only overlay takes no writes, and leaves the engine’s paths writable', async () => {
      for (const image of [shop.busybox, 'host'] as const) {
        const text = await shop.sh(
          'for d in / /etc /usr /usr/bin /tmp /var/tmp /root; do ' +
            '(echo x >$d/probe) 2>/dev/null && echo wrote $d; done; ' +
            'for d in /dev/shm /dev /scratch /volume; do echo x >$d/probe && echo ok $d; done; ' +
            '(echo x >>/etc/hosts) 2>/dev/null && echo wrote /etc/hosts; ' +
            '(echo x >/proc/sys/kernel/hostname) 2>/dev/null && echo wrote /proc/sys; true',
          { readOnly: true, tmpfs: ['/scratch'], volumes: [`${shop.directory}:/volume`] },
          image,
        );
        expect(text).to.equal('ok /dev/shm\nok /dev\nok /scratch\nok /volume');
      }
    });
  });

  describe('tmpfs', () => {
    it('A tmpfs is empty, of the size that was asked for, and gone afterwards', async () => {
      await writeFile(shop.path('busybox/tmp/below'), '');
      const text = await shop.sh(
        'ls -A /tmp; df -k /tmp | tail -1; stat -c %a /tmp /deep/er; ' +
          'grep -E " (/tmp|/deep/er) " /proc/self/mounts; ' +
          'dd if=/dev/zero of=/tmp/big bs=1M count=2 2>&1 | grep -c "No space"; ' +
          'cp /bin/busybox /tmp/sh; /tmp/sh true 2>&1; cp /bin/true /deep/er/ && /deep/er/true && echo ran',
        { tmpfs: { '/tmp': 'size=1m', '/deep/er': 'exec,mode=700,size=8m' } },
      );
      await rm(shop.path('busybox/tmp/below'));
      expect(text).to.match(/^tmpfs|none +1024 /);
      expect(text).to.match(/\n1777\n700\n/);
      expect(text).to.match(/ \/tmp tmpfs rw,nosuid,nodev,noexec,/);
      expect(text).to.match(/ \/deep\/er tmpfs rw,nosuid,nodev,relatime/);
      expect(text).to.match(/\n1\n/);
      expect(text).to.match(/Permission denied\nran$/);
    });

    it('A tmpfs of --mount has its own size and mode', async () => {
      const text = await shop.sh(
        'df -k /t | tail -1; stat -c %a /t; touch /r/x 2>/dev/null || echo ro',
        {
          mounts: [
            { type: 'tmpfs', target: '/t', tmpfsSize: '2m', tmpfsMode: 0o750 },
            { type: 'tmpfs', target: '/r', readOnly: true },
          ],
        },
      );
      expect(text).to.match(/ 2048 .*\n750\nro$/);
    });

    it('The tmpfs /dev/shm has 64 MiB, or what was asked for', async () => {
      expect(await shop.sh('df -k /dev/shm | tail -1')).to.match(/ 65536 /);
      expect(
        await shop.sh('df -k /dev/shm | tail -1; stat -c %a /dev/shm', { shmSize: '3m' }),
      ).to.match(/ 3072 .*\n1777$/);
    });
  });

  describe('volumes', () => {
    for (const userns of ['auto', 'host'] as const) {
      describe(`with userns "${userns}"`, () => {
        ids.it('Volumes show the host’s files with the host’s owners, both ways', async () => {
          const source = shop.path(`volume-${userns}`);
          await mkdir(source);
          await chmod(source, 0o777);
          await writeFile(`${source}/theirs`, 'from outside\n');
          await chown(`${source}/theirs`, 1234, 4321);
          const text = await shop.sh(
            'stat -c %u:%g /v /v/theirs; cat /v/theirs; echo root >/v/root; ' +
              'setpriv --reuid 1000 --regid 1000 --clear-groups sh -c "echo user >/v/user" || ' +
              'su user -c "echo user >/v/user"; chown 77:88 /v/theirs',
            { userns, volumes: [`${source}:/v`] },
          );
          expect(text).to.match(/^0:0\n1234:4321\nfrom outside/);
          const owner = async (name: string) => {
            const { uid, gid } = await lstat(`${source}/${name}`);
            return `${uid}:${gid}`;
          };
          expect(await owner('root')).to.equal('0:0');
          expect(await owner('user')).to.equal('1000:1000');
          expect(await owner('theirs')).to.equal('77:88');
          await shop.sh('echo n >/v/number', {
            userns,
            volumes: [`${source}:/v`],
            user: '4242:2424',
          });
          expect(await owner('number')).to.equal('4242:2424');
        });

        mounts.it('Volumes are read-only when asked, all the way down', async () => {
          const source = shop.path(`readonly-${userns}`);
          await mkdir(`${source}/below`, { recursive: true });
          execFileSync('mount', ['-t', 'tmpfs', 'caisson-test', `${source}/below`]);
          try {
            const text = await shop
              .sh(
                'for d in ro ro/below rw rw/below alone alone/below m m/below; do ' +
                  '(echo x >/$d/x) 2>/dev/null && echo $d; done; grep -c " /alone/below " /proc/self/mounts',
                {
                  userns,
                  volumes: [`${source}:/ro:ro`, `${source}:/rw`],
                  mounts: [
                    { type: 'bind', source, target: '/alone', bindRecursive: false },
                    { type: 'bind', source, target: '/m', readOnly: true },
                  ],
                },
              )
              .catch((error: unknown) => error as Error);
            expect(String(text).split('\n')).to.include.members([
              'rw',
              'rw/below',
              'alone',
              'alone/below',
            ]);
            for (const place of ['ro', 'ro/below', 'm', 'm/below']) {
              expect(String(text).split('\n')).not.to.include(place);
            }
          } finally {
            execFileSync('umount', [`${source}/below`]);
          }
        });

        it('Volumes may be single files, and their mount points are made', async () => {
          const file = shop.path(`file-${userns}`);
          await writeFile(file, 'before\n');
          const text = await shop.sh('cat /deep/er/file /etc/group; echo after >/deep/er/file', {
            userns,
            volumes: [`${file}:/deep/er/file`, `${file}:/etc/group:ro`],
          });
          expect(text).to.equal('before\nbefore');
          expect(await readFile(file, 'utf8')).to.equal('after\n');
        });
      });
    }

    mounts.it(
      'A volume shows what is mounted on the host, but not what the container mounts',
      async () => {
        const source = shop.path('slave');
        await mkdir(`${source}/later`, { recursive: true });
        await using box = await shop.session({ volumes: [`${source}:/v`] });
        execFileSync('mount', ['-t', 'tmpfs', 'caisson-test', `${source}/later`]);
        try {
          // rprivate is the default: what comes later stays outside.
          expect(await box.sh('grep -c /v/later /proc/self/mounts || true')).to.equal('0');
        } finally {
          execFileSync('umount', [`${source}/later`]);
        }
      },
    );

    it('Volumes are mounted in order: the inner one on top of the outer one', async () => {
      await mkdir(shop.path('outer/in'), { recursive: true });
      await mkdir(shop.path('inner'));
      await writeFile(shop.path('outer/in/wrong'), '');
      await writeFile(shop.path('inner/right'), '');
      const options = { volumes: [`${shop.path('inner')}:/o/in`, `${shop.path('outer')}:/o`] };
      expect(await shop.sh('ls /o/in', options)).to.equal('right');
    });
  });

  describe('files of names', () => {
    it('The files of names have the name of the container', async () => {
      const text = await shop.sh(
        'cat /etc/hosts; echo ==; cat /etc/resolv.conf; echo ==; hostname -i',
        {
          hostname: 'box',
        },
      );
      expect(text).to.match(/^127\.0\.0\.1\s+localhost$/m);
      expect(text).to.match(/^127\.0\.1\.1\s+box$/m);
      expect(text).to.match(/\n==\n==\n127\.0\.1\.1$/);
    });

    it('The files of names have what was asked for, and can be written', async () => {
      const text = await shop.sh(
        'cat /etc/hosts /etc/resolv.conf; echo 10.9.8.7 late >>/etc/hosts; tail -1 /etc/hosts',
        {
          addHost: ['db:10.0.0.5', 'six:[2001:db8::1]'],
          dns: ['192.0.2.1', '192.0.2.2'],
          dnsSearch: ['example.test'],
          dnsOption: ['ndots:2'],
        },
      );
      expect(text)
        .to.match(/^10\.0\.0\.5\s+db$/m)
        .and.to.match(/^2001:db8::1\s+six$/m);
      expect(text).to.include(
        'search example.test\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:2\n',
      );
      expect(text).to.match(/\n10\.9\.8\.7 late$/);
      expect(await readFile('/etc/hosts', 'utf8')).not.to.include('late');
    });

    it('The files of names give way to a volume at their path', async () => {
      await writeFile(shop.path('my-hosts'), 'mine\n');
      const volumes = [`${shop.path('my-hosts')}:/etc/hosts`];
      expect(await shop.sh('cat /etc/hosts', { volumes })).to.equal('mine');
    });

    it('The files of names are the host’s with network "host", without being the host’s files', async () => {
      const text = await shop.sh('cat /etc/resolv.conf /etc/hosts; echo x >>/etc/hosts', {
        network: 'host',
      });
      for (const file of ['/etc/resolv.conf', '/etc/hosts']) {
        const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
        for (const line of lines) expect(text).to.include(line);
      }
      expect(await readFile('/etc/hosts', 'utf8')).not.to.match(/^x$/m);
    });
  });

  describe('devices', () => {
    const NODES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

    for (const userns of ['auto', 'host'] as const) {
      it(`The devices are the usual ones, and work (userns "${userns}")`, async () => {
        const text = await shop
          .sh(
            'ls /dev; head -c 4 /dev/zero | od -An -tx1; echo x >/dev/null; head -c 3 /dev/urandom | wc -c; ' +
              '(echo x >/dev/full) 2>&1; for n in fd stdin stdout stderr ptmx; do readlink /dev/$n; done',
            { userns },
          )
          .catch((error: unknown) => String(error));
        for (const node of NODES) expect(text).to.match(new RegExp(`^${node}$`, 'm'));
        for (const node of ['kmsg', 'mem', 'loop0', 'sda', 'vda', 'console']) {
          expect(text, node).not.to.match(new RegExp(`^${node}$`, 'm'));
        }
        expect(text).to.include(' 00 00 00 00\n3\n');
        expect(text).to.match(/write error: No space left on device/);
        expect(text).to.include(
          '/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx',
        );
      });

      it(`Devices are given one by one (userns "${userns}")`, async function () {
        const device = await spareDevice();
        if (device === undefined) skip(this, 'no device of this machine is free to be given');
        const { rdev } = await lstat(device);
        const number = `${(rdev >> 8).toString(16)} ${(rdev & 0xff).toString(16)}`;
        const text = await shop.sh(
          `for f in ${device} /dev/sub/it; do stat -c "%t %T" $f; (: <$f) && echo read; (: >$f) && echo wrote; done`,
          { userns, devices: [device, `${device}:/dev/sub/it:rwm`] },
        );
        expect(text).to.equal(`${number}\nread\nwrote\n${number}\nread\nwrote`);
      });

      filters.it(`A device can be given for reading only (userns "${userns}")`, async function () {
        const device = await spareDevice();
        if (device === undefined) skip(this, 'no device of this machine is free to be given');
        const reading = await shop.sh(
          `(: <${device}) && echo read; (: >${device}) 2>/dev/null && echo wrote; true`,
          { userns, devices: [`${device}:r`] },
        );
        expect(reading).to.equal('read');
      });

      it(`Devices that were not given cannot be made (userns "${userns}")`, async () => {
        const text = await shop.sh(
          'mknod /dev/mine c 10 237 2>/dev/null; mknod /tmp/mine c 10 237 2>/dev/null; ' +
            'for d in /dev/mine /tmp/mine; do (: <$d) 2>/dev/null && echo opened $d; done; echo done',
          { userns },
        );
        expect(text).to.equal('done');
      });
    }
  });

  it('Errors do not blame /dev/null for the standard streams', async () => {
    await mkdir(shop.path('dev'));
    await writeFile(shop.path('dev/null'), 'not null');
    const options = { volumes: [`${shop.path('dev')}:/dev`], stderr: 'null' } as const;
    const { stdout } = await shop.engine.run(
      shop.busybox,
      ['sh', '-c', 'cat; echo lost >&2; cat /dev/null'],
      options,
    );
    expect(stdout).to.equal('not null');
  });

  describe('the working directory', () => {
    it('The working directory is made where it is missing', async () => {
      expect(await shop.sh('pwd; stat -c %a:%u .; echo $PWD', { workdir: '/some/where' })).to.equal(
        '/some/where\n755:0\n/some/where',
      );
      expect(await exists(shop.path('busybox/some'))).to.equal(false);
    });

    it('The working directory is the one that was asked for, also in a volume', async () => {
      const { directory } = shop;
      expect(
        await shop.sh('pwd; ls', { workdir: '/v/busybox/home', volumes: [`${directory}:/v:ro`] }),
      ).to.equal('/v/busybox/home\nuser');
    });

    it('A working directory that is a file is an error', async () => {
      const error = await shop.engine.run(shop.busybox, ['true'], { workdir: '/etc/passwd' }).then(
        () => undefined,
        (reason: unknown) => reason as Error & { code: string },
      );
      expect(error?.code).to.equal('ERR_INVALID_WORKDIR');
      expect(error?.message).to.include('/etc/passwd');
    });
  });

  it('Roots are named by relative paths too', async () => {
    const here = process.cwd();
    process.chdir(shop.directory);
    try {
      expect(await shop.sh('cat /etc/os-release', {}, rootfs('busybox'))).to.include('BusyBox');
    } finally {
      process.chdir(here);
    }
  });
});
