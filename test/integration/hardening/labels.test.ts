/** AppArmor profiles of containers: on a kernel that has AppArmor, and on one that has not. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';

import { CaissonError } from '../../../lib/index.js';
import { hasAppArmor } from '../../../lib/machine/security-labels.js';
import { isRoot } from '../../support/needs.js';
import { Workshop } from '../../support/workshop.js';

const PROFILE = `caisson-test-${process.pid}`;
const APPARMOR = { securityOpt: [`apparmor=${PROFILE}`] };
const CURRENT = 'cat /proc/self/attr/apparmor/current';

describe('hardening: labels', function () {
  this.timeout(120_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  const failure = async (securityOpt: readonly string[]): Promise<CaissonError> => {
    const error: unknown = await shop.engine
      .run(shop.busybox, ['true'], { securityOpt })
      .catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CaissonError);
    return error as CaissonError;
  };

  it('A9: a label that the kernel cannot give is a typed error, and none is no error', async () => {
    for (const wrong of ['apparmor', 'apparmor=', 'apparmor=a\nb', `apparmor=${'a'.repeat(4001)}`])
      expect((await failure([wrong])).code, wrong).to.equal('ERR_INVALID_OPTION');
    const label = await failure(['label=disable', 'label=type:container_t']);
    expect(label.code).to.equal(
      existsSync('/sys/fs/selinux/enforce')
        ? 'ERR_UNSUPPORTED_OPTION'
        : 'ERR_KERNEL_FEATURE_MISSING',
    );
    expect(label.hint).to.match(/label=disable/);
    expect(
      await shop.sh('echo ok', { securityOpt: ['apparmor=unconfined', 'label=disable'] }),
    ).to.equal('ok');
    const missing = await failure([`apparmor=${PROFILE}-missing`]);
    expect(missing.path).to.equal(hasAppArmor() ? `${PROFILE}-missing` : 'securityOpt');
    expect(missing.code).to.equal(
      hasAppArmor() ? 'ERR_START_FAILED' : 'ERR_KERNEL_FEATURE_MISSING',
    );
    expect(missing.hint).to.match(hasAppArmor() ? /apparmor_parser/ : /kernel with AppArmor/);
  });

  describe('with a profile', () => {
    before(async function () {
      if (!hasAppArmor() || !isRoot || !existsSync('/sbin/apparmor_parser')) this.skip();
      const file = shop.path('profile');
      await writeFile(
        file,
        `profile ${PROFILE} flags=(attach_disconnected, mediate_deleted) {\n` +
          `  file,\n  capability,\n  network,\n  signal,\n  ptrace,\n  unix,\n  deny /tmp/secret rw,\n}\n`,
      );
      execFileSync('/sbin/apparmor_parser', ['--replace', '--skip-cache', file]);
    });

    after(() => {
      if (existsSync(shop.path('profile')))
        execFileSync('/sbin/apparmor_parser', ['--remove', shop.path('profile')]);
    });

    it('A9: a container and what it starts are confined by the AppArmor profile that was named', async () => {
      const { stdout, stderr } = await shop.engine.run(
        shop.busybox,
        [
          'sh',
          '-c',
          `${CURRENT}; sh -c '${CURRENT}'; echo no >/tmp/secret; echo yes >/tmp/other && cat /tmp/other`,
        ],
        APPARMOR,
      );
      const confined = `${PROFILE} (enforce)`;
      expect(stdout.split('\n').filter((line) => line !== '')).to.deep.equal([
        confined,
        confined,
        'yes',
      ]);
      expect(stderr).to.match(/secret: Permission denied/);
    });

    it('A9: neither another user, no-new-privileges, nor the lack of an init changes that', async () => {
      for (const options of [
        { user: '1000' },
        { securityOpt: [...APPARMOR.securityOpt, 'no-new-privileges'] },
        { init: false },
        { userns: 'host' as const },
        { privileged: true },
      ])
        expect(
          await shop.sh(CURRENT, { ...APPARMOR, ...options }),
          JSON.stringify(options),
        ).to.equal(`${PROFILE} (enforce)`);
      expect(await shop.sh(CURRENT)).to.equal('unconfined');
    });

    it('A9: the init of a detached container and a further program in it are confined as its own program, and inspect names the profile', async () => {
      const container = await shop.engine.create(shop.busybox, ['sleep', '1000'], APPARMOR);
      try {
        await container.start();
        const { state } = await container.inspect();
        const first = await readFile(`/proc/${state.pid}/attr/apparmor/current`, 'utf8');
        expect(first.trim(), 'the init').to.equal(`${PROFILE} (enforce)`);
        for (const options of [{}, { privileged: true }, { user: '1000' }]) {
          const { stdout } = await container.exec(['sh', '-c', CURRENT], options);
          expect(stdout.trim(), JSON.stringify(options)).to.equal(`${PROFILE} (enforce)`);
        }
        expect((await container.inspect()).config.options.securityOpt).to.deep.equal(
          APPARMOR.securityOpt,
        );
      } finally {
        await container.remove({ force: true });
      }
    });
  });
});
