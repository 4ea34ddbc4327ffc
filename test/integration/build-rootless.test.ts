/** Builds of a user without privileges. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import { needsRoot } from '../support/needs.js';
import { skip } from '../support/skip.js';
import { UID, UnprivilegedUser } from '../support/unprivileged-user.js';

needsRoot('a user of its own').describe('Rootless builds', function () {
  this.timeout(120_000);
  let user: UnprivilegedUser;
  const env = { CAISSON_NETWORK: 'none' };

  before(function () {
    const forbidden = userNamespaceSwitch();
    if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
  });

  for (const ranges of [true, false]) {
    describe(ranges ? 'with subordinate ids' : 'of a user with one id', () => {
      before(async () => {
        user = await UnprivilegedUser.make(ranges);
        const archive = join(user.directory, 'root.tar');
        execFileSync('tar', ['-C', user.busybox(), '--owner=0', '--group=0', '-cf', archive, '.']);
        await user.ok(['import', archive, 'busybox']);
      });
      afterEach(() => user.clear());
      after(() => (user as UnprivilegedUser | undefined)?.cleanUp());

      it('Steps have the files of those before them, and owners that containers see', async () => {
        const context = join(user.home, 'context');
        await mkdir(join(context, 'd'), { recursive: true });
        await writeFile(join(context, 'd/f'), 'f', { mode: 0o640 });
        const owned = ranges
          ? ['RUN chown 33:44 /one', 'COPY --chown=33 d /owned', 'USER 33', 'RUN id -u >/tmp/id']
          : ['USER root'];
        const lines = [
          'FROM busybox AS base',
          'RUN echo 1 >/one && rm /bin/vi',
          'WORKDIR /made/here',
          'COPY d .',
          ...owned,
          'FROM busybox',
          'COPY --from=base /one /made /',
          'COPY --from=base / /all/',
        ];
        await writeFile(join(context, 'Dockerfile'), lines.join('\n'));
        execFileSync('chown', ['-R', `${UID}:${UID}`, context]);
        await user.ok(['build', '-t', 'made', 'context'], { env });
        const inside = 'cat /one /here/f; stat -c "%u:%g %a" /here/f /all/one; ls /all/bin/vi; [ ! -e /all/tmp/id ] || cat /all/tmp/id; stat -c %u:%g /all/owned/f'; // prettier-ignore
        const { stdout } = await user.caisson(['run', '--rm', 'made', 'sh', '-c', inside], { env });
        expect(stdout).to.equal(
          ranges ? '1\nf0:0 640\n33:44 644\n33\n33:33\n' : '1\nf0:0 640\n0:0 644\n',
        );
        const again = await user.caisson(['build', '-t', 'made', 'context'], { env });
        expect(again.stderr.match(/ CACHED\n/g)).to.have.length(ranges ? 8 : 5);
      });

      it('A build that is killed leaves nothing that runs', async () => {
        const child = user.start([process.execPath, user.bin, 'build', '-'], { env });
        child.stdin?.end('FROM busybox\nRUN echo begun; sleep 1000\n');
        let stderr = '';
        await new Promise<void>((resolve) =>
          child.stderr?.setEncoding('utf8').on('data', (text: string) => {
            if (/\d begun\n/.test((stderr += text))) resolve();
          }),
        );
        child.kill('SIGKILL');
        await once(child, 'close');
        await user.ok(['build', '-q', '-'], { env, input: 'FROM busybox\nWORKDIR /x\n' });
        await user.expectNothing();
      });
    });
  }
});
