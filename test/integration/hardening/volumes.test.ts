/** A7 and C15: whose files a container makes in a volume, and volumes whose source cannot be idmapped. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import type { VolumeUser } from '../../../lib/engine/options/mount-types.js';
import { needsRoot } from '../../support/needs.js';
import { Workshop } from '../../support/workshop.js';

const mapped = needsRoot('idmapped mounts');

mapped.describe('volumes', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  it('C15: kernel file systems and devices can be volumes, and show the owners that there are', async () => {
    const volumes = [
      '/proc:/host/proc:ro',
      '/sys/kernel:/host/kernel:ro',
      '/dev:/host/dev',
      '/dev/null:/n',
      '/proc/version:/version',
    ];
    const script =
      'stat -c "%u %n" /host/proc/version /host/kernel /host/dev/null; cat /version; ' +
      'cat /host/proc/1/environ 2>&1; (echo x >/host/kernel/profiling) 2>&1; wc -c </n; true';
    const [proc, kernel, dev, version, environ, write, empty] = (
      await shop.sh(script, { volumes })
    ).split('\n');
    expect([proc, kernel, dev]).to.deep.equal([
      '65534 /host/proc/version',
      '65534 /host/kernel',
      '65534 /host/dev/null',
    ]);
    expect(version).to.match(/^Linux version/);
    // The rights of everybody: neither a secret of the host's root, nor a change.
    expect(environ).to.include('Permission denied');
    expect(write).to.match(/Read-only|Permission denied/);
    expect(empty).to.equal('0');
  });

  it('C15: an overlay can be a volume, and so can a directory with a mount below it that cannot be idmapped', async () => {
    for (const name of ['lower', 'upper', 'work', 'merged', 'mixed', 'mixed/proc'])
      mkdirSync(shop.path(name));
    writeFileSync(shop.path('lower/file'), 'below');
    writeFileSync(shop.path('mixed/file'), 'beside');
    const layers = `lowerdir=${shop.path('lower')},upperdir=${shop.path('upper')},workdir=${shop.path('work')}`;
    execFileSync('mount', ['-t', 'overlay', 'none', '-o', layers, shop.path('merged')]);
    execFileSync('mount', ['-t', 'proc', 'none', shop.path('mixed/proc')]);
    try {
      const volumes = [`${shop.path('merged')}:/merged`, `${shop.path('mixed')}:/mixed`];
      const script =
        'stat -c %u /merged/file /mixed/file /mixed/proc/version; cat /merged/file /mixed/file; ' +
        'touch /merged/new 2>&1; touch /mixed/new && stat -c %u /mixed/new';
      expect((await shop.sh(script, { volumes })).split('\n')).to.deep.equal([
        '65534',
        '0',
        '65534',
        'belowbesidetouch: /merged/new: Permission denied',
        '0',
      ]);
    } finally {
      execFileSync('umount', [shop.path('merged'), shop.path('mixed/proc')]);
    }
  });

  it('C15: explain says which volumes those are', async () => {
    const volumes = ['/sys/kernel:/kernel:ro', `${shop.path('busybox')}:/mapped:ro`];
    const text = await shop.engine.explain(shop.busybox, ['true'], { volumes });
    const notes = text.slice(text.indexOf('\nnotes\n'));
    expect(notes).to.match(
      /\/kernel: the file system of \/sys\/kernel cannot be idmapped \(EINVAL\)/,
    );
    expect(notes).not.to.include('/mapped');
  });

  describe('volumes that other users of the host can reach', () => {
    let number = 0;

    before(() => chmodSync(shop.directory, 0o755));
    after(() => chmodSync(shop.directory, 0o700));

    /** What a program that is set-user-id becomes on the host when a container makes it in a volume: `uid:gid`, or an error. */
    const leave = async (
      [uid, mode]: readonly [uid: number, mode: number],
      options: RunOptions = {},
      idmap?: VolumeUser,
    ): Promise<string> => {
      const place = shop.path(`volume${number++}`);
      mkdirSync(place);
      chownSync(place, uid, uid);
      chmodSync(place, mode);
      const result = await shop.engine.run(
        shop.busybox,
        ['sh', '-c', 'cat /bin/busybox >/v/sh && chmod 6755 /v/sh'],
        { volumes: [`${place}:/v${idmap === undefined ? '' : `:idmap=${idmap}`}`], ...options },
      );
      if (result.exitCode !== 0) return result.stderr.trim();
      const left = statSync(`${place}/sh`);
      expect(left.mode & 0o6000, 'set-user-id').to.equal(0o6000);
      return `${left.uid}:${left.gid}`;
    };

    it('A7: a container of the library leaves no program there that is set-user-id root', async () => {
      expect(await leave([1234, 0o755])).to.equal('1234:1234');
      expect(await leave([1234, 0o755], { user: '7:8' })).to.equal('1234:1234');
      expect(await leave([0, 0o777])).to.equal('65534:65534');
      expect(await leave([0, 0o755])).to.include('Permission denied');
      // Each user has the number of another: no other file can be given away either.
      const place = shop.path('given-away');
      mkdirSync(place);
      chownSync(place, 1234, 1234);
      const given = await shop.sh(
        'touch /v/x; chown 0 /v/x && stat -c %u /v/x; chown 7 /v/x 2>&1; true',
        {
          volumes: [`${place}:/v`],
        },
      );
      expect(given).to.match(/^0\nchown: /);
      expect(statSync(`${place}/x`).uid).to.equal(1234);
    });

    it('A7: the owner of files can be chosen for each volume and for all', async () => {
      expect(await leave([1234, 0o755], {}, 'host')).to.equal('0:0');
      expect(await leave([1234, 0o755], { idmap: 'host' })).to.equal('0:0');
      expect(await leave([0, 0o755], {}, 'owner')).to.equal('0:0');
      expect(await leave([0, 0o777], { idmap: 'host' }, 'nobody')).to.equal('65534:65534');
      const { SUDO_UID, SUDO_GID } = process.env;
      Object.assign(process.env, { SUDO_UID: '4321', SUDO_GID: '4322' });
      try {
        expect(await leave([4321, 0o755], {}, 'caller')).to.equal('4321:4322');
      } finally {
        delete process.env['SUDO_UID'];
        delete process.env['SUDO_GID'];
        if (SUDO_UID !== undefined) Object.assign(process.env, { SUDO_UID, SUDO_GID });
      }
    });

    it('A7: explain warns of volumes in which the container’s root is the host’s', async () => {
      const place = shop.path('open');
      mkdirSync(place);
      const notes = async (options: RunOptions) =>
        /^notes\n([^]*)/m.exec(await shop.engine.explain(shop.busybox, ['true'], options))?.[1] ??
        '';
      const warning = /warning: \/v: .*set-user-id root/;
      expect(await notes({ volumes: [`${place}:/v`], idmap: 'host' })).to.match(warning);
      expect(await notes({ volumes: [`${place}:/v`], userns: 'host' })).to.match(warning);
      expect(await notes({ volumes: [`${place}:/v:ro`] })).to.equal('');
      expect(await notes({ volumes: [`${place}:/v`] })).to.match(/^ {2}\/v: .* 65534:65534 in /);
    });
  });

  it('A7: in a volume that root alone can reach, ids are the host’s', async () => {
    mkdirSync(shop.path('private'));
    await shop.sh('touch /v/x && chown 5:6 /v/x', { volumes: [`${shop.path('private')}:/v`] });
    expect(statSync(shop.path('private/x'))).to.include({ uid: 5, gid: 6 });
  });
});
