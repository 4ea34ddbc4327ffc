/** The files of a rootless user's containers: what was changed, exports and copies, running or not. */
import { execFileSync } from 'node:child_process';
import { lstat, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import { needsRoot } from '../support/needs.js';
import { skip } from '../support/skip.js';
import { UID, UnprivilegedUser } from '../support/unprivileged-user.js';

needsRoot('a user of its own').describe('Files of rootless containers', function () {
  this.timeout(60_000);
  let user: UnprivilegedUser;

  before(function () {
    const forbidden = userNamespaceSwitch();
    if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
  });

  for (const ranges of [true, false]) {
    describe(ranges ? 'with subordinate ids' : 'of a user with one id', () => {
      before(async () => {
        user = await UnprivilegedUser.make(ranges);
      });
      after(() => (user as UnprivilegedUser | undefined)?.cleanUp());

      it(`Changes, exports and copies are those of the container${ranges ? ' and its users' : ''}`, async () => {
        const give = ranges ? 'chown 33:44 /d/f; ' : '';
        const root = user.busybox();
        await user.ok([
          ...['run', '-d', '--name', 'box', '--rootfs', root, 'sh', '-c'],
          `mkdir -p /d; echo x >/d/f; ${give}rm /etc/group; touch /ready; exec sleep 100`,
        ]);
        await user.ok(['exec', 'box', 'sh', '-c', 'until test -e /ready; do sleep 0.01; done']);
        await writeFile(join(user.home, 'file'), 'from outside\n', { mode: 0o640 });
        execFileSync('chown', [`${UID}:${UID}`, join(user.home, 'file')]);
        for (const state of ['running', 'stopped']) {
          if (state === 'stopped') await user.ok(['stop', '-t', '0', 'box']);
          const changes = (await user.ok(['diff', 'box'])).split('\n');
          expect(changes).to.include.members(['A /d', 'A /d/f', 'A /ready', 'D /etc/group']);
          expect(changes).to.not.include('A /etc/hosts');
          await user.ok(['cp', 'file', `box:/d/${state}`]);
          await user.ok(['cp', 'box:/d', `out-${state}`]);
          const copied = join(user.home, `out-${state}`, state);
          expect(await readFile(copied, 'utf8')).to.equal('from outside\n');
          expect(await lstat(copied)).to.include({ uid: UID, gid: UID });
          await user.ok(['export', '-o', `${state}.tar`, 'box']);
          const listed = execFileSync('tar', ['-tvf', join(user.home, `${state}.tar`)], {
            encoding: 'utf8',
          });
          expect(listed).to.match(ranges ? /33\/44 .* d\/f\n/ : /0\/0 .* d\/f\n/);
          expect(listed).to.match(new RegExp(` d/${state}\n`));
        }
        await user.ok(['start', 'box']);
        const inside = ['exec', 'box', 'stat', '-c', '%u:%g %a', '/d/stopped', '/d/f'];
        // Owners are numbers, as with Docker; one that the container does not have is root.
        expect(await user.ok(inside)).to.equal(
          ranges ? `${UID}:${UID} 640\n33:44 644` : '0:0 640\n0:0 644',
        );
        await user.ok(['rm', '-f', 'box']);
      });

      it('Links of the container lead to its own files only', async () => {
        await writeFile(join(user.directory, 'secret'), 'of the host');
        const place = join(user.directory, 'secret');
        await user.ok([
          ...['create', '--name', 'linked', '--rootfs', user.busybox(), 'sh', '-c'],
          `ln -s ${place} /link`,
        ]);
        await user.ok(['start', '-a', 'linked']);
        expect(await user.fails(['cp', '-L', 'linked:/link', 'copied'], {}, 1)).to.include(
          'Could not find the file',
        );
        await user.ok(['rm', 'linked']);
      });
    });
  }
});
