/** A1: device nodes that lie in a root, a layer or a volume; docs/security.md, "Protections that depend on the machine". */
import { execFile, execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import type { RootfsWritable } from '../../../lib/image/rootfs.js';
import { needsRoot } from '../../support/needs.js';
import { Workshop } from '../../support/workshop.js';

const nodes = needsRoot('device nodes');

nodes.describe('devices of the host', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  /** A node of /dev/zero, which every device filter lets pass, with everybody's rights. */
  const plant = (directory: string) => {
    execFileSync('mknod', ['-m', '0666', join(directory, 'zero'), 'c', '1', '5']);
  };

  for (const writable of ['overlay', 'none', 'direct'] as const satisfies RootfsWritable[]) {
    for (const userns of ['auto', 'host'] as const) {
      it(`A1: a node that lies in the root (${writable}, userns ${userns}) cannot be opened, whatever the filter says`, async () => {
        const root = shop.copyOfBusybox(`root-${writable}-${userns}`, { writable });
        plant(root.path);
        const text = await shop.sh(
          'head -c 3 /dev/zero | wc -c; head -c 1 /zero 2>&1; true',
          { userns },
          root,
        );
        expect(text).to.match(/^3\n.*zero.*Permission denied$/);
      });
    }
  }

  it('A1: a node that lies in a volume, or is one, cannot be opened, and --device opens it', async () => {
    const volume = shop.path('volume');
    execFileSync('mkdir', [volume]);
    plant(volume);
    execFileSync('mknod', ['-m', '0666', join(volume, 'kmsg'), 'c', '1', '11']);
    const volumes = [`${volume}:/v`, `${volume}/kmsg:/kmsg`];
    const script = 'for f in /v/zero /v/kmsg /kmsg; do (: <$f) 2>&1; done; true';
    const refused = /^(?:.*Permission denied\n?){3}$/;
    expect(await shop.sh(script, { volumes })).to.match(refused);
    expect(await shop.sh(script, { volumes, userns: 'host' })).to.match(refused);
    const devices = [`${volume}/kmsg:/dev/its-kmsg`];
    expect(await shop.sh('(: >/dev/its-kmsg) && echo open', { devices, userns: 'host' })).to.equal(
      'open',
    );
  });

  it('A1: a volume that is a device which the container has anyway is a node of its own', async () => {
    const volumes = ['/dev/null:/etc/motd', '/dev/zero:/dev/nil'];
    const script = 'wc -c </etc/motd; echo gone >/etc/motd; head -c 2 /dev/nil | wc -c';
    expect(await shop.sh(script, { volumes })).to.equal('0\n2');
    expect(await shop.sh(script, { volumes, userns: 'host' })).to.equal('0\n2');
  });

  it('A1: rules of the caller open nodes wherever they lie', async () => {
    const root = shop.copyOfBusybox('with-rules');
    plant(root.path);
    const options = { deviceCgroupRules: ['c 1:5 r'], userns: 'host' } as const;
    expect(await shop.sh('head -c 3 /zero | wc -c', options, root)).to.equal('3');
    expect(await shop.sh('head -c 3 /zero | wc -c', { privileged: true }, root)).to.equal('3');
  });

  describe('devices without a device filter', () => {
    /** In a mount namespace of the child's own there are no cgroups. */
    const without = async (root: string, argv: readonly string[], options: RunOptions) => {
      const program = fileURLToPath(new URL('../../support/programs/run-one.js', import.meta.url));
      const { stdout } = await promisify(execFile)('unshare', [
        ...['--mount', '--propagation', 'private', 'sh', '-c'],
        'mount -t tmpfs none /sys/fs/cgroup && exec "$@"',
        ...['sh', process.execPath, program, shop.path('without'), root],
        ...[JSON.stringify(argv), JSON.stringify(options)],
      ]);
      return JSON.parse(stdout) as Record<string, unknown>;
    };

    it('A1: a disk of the host cannot be opened through nodes in the root and in a volume', async () => {
      const root = shop.copyOfBusybox('with-disk');
      const [name = 'loop0'] = (await readdir('/sys/class/block')).sort();
      const disk = await readFile(`/sys/class/block/${name}/dev`, 'utf8');
      execFileSync('mknod', [
        ...['-m', '0666', join(root.path, 'disk'), 'b'],
        ...disk.trim().split(':'),
      ]);
      const script = 'for f in /disk /v/disk; do (: <$f) 2>&1; (: >>$f) 2>&1; done; echo end';
      const result = await without(root.path, ['sh', '-c', script], {
        volumes: [`${root.path}:/v`],
      });
      expect(result['stdout'], JSON.stringify(result)).to.match(
        /^(?:.*disk: Permission denied\n){4}end\n$/,
      );
    });

    it('A1: what only a filter can keep is refused, and says so', async () => {
      const cases = [
        [{ deviceCgroupRules: ['c 1:5 r'] }, '--device-cgroup-rule'],
        [{ devices: ['/dev/zero:/dev/z:r'] }, '--device'],
        [{ userns: 'host' }, '--userns host'],
        [{ capAdd: ['SYS_ADMIN'] }, '--cap-add SYS_ADMIN'],
      ] as const;
      const results = await Promise.all(
        cases.map(([options]) => without(shop.busybox.path, ['true'], options)),
      );
      results.forEach((result, index) => {
        expect(result['code'], JSON.stringify(result)).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
        expect(result['message']).to.include(cases[index]?.[1]);
      });
      const given = await without(shop.busybox.path, ['head', '-c', '1', '/dev/z'], {
        devices: ['/dev/zero:/dev/z'],
      });
      expect(given).to.include({ exitCode: 0, stdout: '\0' });
    });
  });
});
