/** AppArmor profiles and SELinux labels of containers: on a kernel that has either, and on one that has not. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';

import { CaissonError } from '../../../lib/index.js';
import { hasAppArmor } from '../../../lib/host/security-labels.js';
import { hasSelinux } from '../../../lib/host/selinux.js';
import { rootfs } from '../../../lib/image/rootfs.js';
import { isRoot, needsSelinux } from '../../support/needs.js';
import { eventually } from '../../support/outside.js';
import { Workshop } from '../../support/workshop.js';
import { skip } from '../../support/skip.js';

const PROFILE = `caisson-test-${process.pid}`;
const APPARMOR = { securityOpt: [`apparmor=${PROFILE}`] };
const CURRENT = 'cat /proc/self/attr/apparmor/current';

const selinux = needsSelinux();
const CONTAINER = ['label=type:container_t'];
const CONTEXT = 'tr -d "\\0" </proc/self/attr/current';
/** Of `container_t`, with two categories. */
const OF_A_CONTAINER = /^system_u:system_r:container_t:(s0:c\d+,c\d+)$/;

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
    for (const wrong of ['label', 'label=', 'label=type:', 'label=type:a:b', 'label=level:s0 x'])
      expect((await failure([wrong])).code, wrong).to.equal('ERR_INVALID_OPTION');
    const label = await failure(['label=type:caisson-test-none_t']);
    expect(label.code).to.equal(hasSelinux() ? 'ERR_INVALID_OPTION' : 'ERR_KERNEL_FEATURE_MISSING');
    expect(label.message).to.match(hasSelinux() ? /no label .*none_t/ : /kernel has no SELinux/);
    const disabled = ['label=type:caisson-test-none_t', 'apparmor=unconfined', 'label=disable'];
    expect(await shop.sh('echo ok', { securityOpt: disabled })).to.equal('ok');
    const missing = await failure([`apparmor=${PROFILE}-missing`]);
    expect(missing.path).to.equal(hasAppArmor() ? `${PROFILE}-missing` : 'securityOpt');
    expect(missing.code).to.equal(
      hasAppArmor() ? 'ERR_START_FAILED' : 'ERR_KERNEL_FEATURE_MISSING',
    );
    expect(missing.hint).to.match(hasAppArmor() ? /apparmor_parser/ : /kernel with AppArmor/);
  });

  describe('labels with a profile', () => {
    before(async function () {
      if (!hasAppArmor() || !isRoot || !existsSync('/sbin/apparmor_parser'))
        skip(this, 'needs root, AppArmor and apparmor_parser');
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

  selinux.describe('labels with SELinux', () => {
    it('A9: a container, its init and its files have the SELinux labels that were asked for, and the kernel goes by them', async () => {
      const volume = shop.path('volume');
      await mkdir(volume);
      await writeFile(`${volume}/file`, 'secret');
      const text = await shop.sh(
        `${CONTEXT}; echo; tr -d "\\0" </proc/1/attr/current; echo; cat /volume/file 2>&1; echo mine >/own && cat /own; cat /proc/self/mountinfo`,
        { securityOpt: CONTAINER, volumes: [`${volume}:/volume`], tmpfs: ['/t'] },
      );
      const [own = '', init, denied, mine, ...mounts] = text.split('\n');
      expect(own).to.match(OF_A_CONTAINER);
      expect(init).to.equal(own);
      expect(denied).to.match(/Permission denied/);
      expect(mine).to.equal('mine');
      const [, level = ''] = OF_A_CONTAINER.exec(own) ?? [];
      const context = `context="system_u:object_r:container_file_t:${level}"`;
      for (const place of ['/', '/t', '/dev', '/dev/pts', '/dev/shm', '/etc/hosts'])
        expect(
          mounts.find((line) => line.split(' ')[4] === place),
          place,
        ).to.include(context);

      // With the label of its files, the volume is the container's.
      const ownLevel = [...CONTAINER, 'label=level:s0:c5,c9'];
      const other = { securityOpt: ownLevel, volumes: [`${volume}:/volume`] };
      for (const [categories, shown] of [
        ['c5,c9', 'secret'],
        ['c5,c8', 'denied'],
      ] as const) {
        execFileSync('chcon', [
          '-R',
          `system_u:object_r:container_file_t:s0:${categories}`,
          volume,
        ]);
        expect(await shop.sh('cat /volume/file 2>/dev/null || echo denied', other)).to.equal(shown);
      }
    });

    it('A9: each container has SELinux categories of its own, unless a level was named, and a label whatever its user and its rights are', async () => {
      const labels = [];
      for (const options of [
        {},
        { user: '1000' },
        { securityOpt: [...CONTAINER, 'no-new-privileges'] },
        { init: false },
        { userns: 'host' as const },
        { privileged: true },
        { readOnly: true },
        { tty: true },
      ]) {
        const label = await shop.sh(CONTEXT, { securityOpt: CONTAINER, ...options });
        expect(label, JSON.stringify(options)).to.match(OF_A_CONTAINER);
        labels.push(label);
      }
      expect(new Set(labels).size).to.equal(labels.length);
      const named = { securityOpt: [...CONTAINER, 'label:level:s0:c1', 'label=level:s0:c2,c3'] };
      for (let run = 0; run < 2; run++)
        expect(await shop.sh(CONTEXT, named)).to.equal('system_u:system_r:container_t:s0:c2,c3');
      const unlabelled = await readFile('/proc/self/attr/current', 'utf8');
      for (const securityOpt of [[], ['label=disable', ...CONTAINER]])
        expect(await shop.sh(CONTEXT, { securityOpt })).to.equal(unlabelled.replace('\0', ''));
    });

    it('A9: what is started in a container later has its SELinux label: an exec, a health check, and all after a restart', async () => {
      const container = await shop.engine.create(shop.busybox, ['sleep', '1000'], {
        securityOpt: CONTAINER,
        healthcheck: { test: CONTEXT, interval: '60s', startInterval: '200ms', startPeriod: '60s' },
      });
      try {
        let before: string | undefined;
        for (let start = 0; start < 2; start++) {
          await container.start();
          const { state } = await container.inspect();
          const first = await readFile(`/proc/${state.pid}/attr/current`, 'utf8');
          const label = first.replace('\0', '');
          expect(label, 'the init').to.match(OF_A_CONTAINER);
          expect(label).to.equal(before ?? label);
          before = label;
          for (const options of [{}, { privileged: true }, { user: '1000' }, { tty: true }]) {
            const { stdout } = await container.exec(['sh', '-c', CONTEXT], options);
            expect(stdout.trim(), JSON.stringify(options)).to.equal(label);
          }
          const queues = `/proc/${state.pid}/root/dev/mqueue`;
          expect(execFileSync('stat', ['-c', '%C', queues], { encoding: 'utf8' }).trim()).to.equal(
            label.replace('system_r:container_t', 'object_r:container_file_t'),
          );
          await eventually(async () => {
            const { health } = await container.inspect();
            expect(health?.log.at(-1)?.output.trim()).to.equal(label);
          });
          await container.stop({ timeout: 0 });
        }
      } finally {
        await container.remove({ force: true });
      }
    });

    it('A9: a label that SELinux does not let the engine give fails the start, with or without an init', async () => {
      const failing = async (type: string, init: boolean, image = shop.busybox) => {
        const error: unknown = await shop.engine
          .run(image, ['true'], { init, securityOpt: [`label=type:${type}`] })
          .catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(CaissonError);
        return error as CaissonError;
      };
      const withInit = await failing('forbidden_t', true);
      expect(withInit.step).to.equal('init');
      expect(withInit.hint).to.match(/dyntransition.*init: false/);
      const without = await failing('forbidden_t', false);
      expect(without.code).to.equal('ERR_COMMAND_NOT_EXECUTABLE');
      expect(without.hint).to.match(/SELinux policy/);
      // A policy may allow the change by exec, and not that of a process that runs.
      const only = { init: false, securityOpt: ['label=type:exec_only_t'] };
      expect(await shop.sh(CONTEXT, only)).to.match(/:exec_only_t:/);
      expect((await failing('exec_only_t', true)).step).to.equal('init');
      // Nor does a root in place have another label than its own.
      const direct = rootfs(shop.path('busybox'), { writable: 'direct' });
      expect((await failing('container_t', false, direct)).errno).to.equal('EACCES');
      const files = await failure(['label=type:container_t', 'label=filetype:forbidden_t']);
      expect(files.step).to.equal('mount.fs');
      expect(files.hint).to.match(/SELinux policy .* files/);
    });
  });
});
