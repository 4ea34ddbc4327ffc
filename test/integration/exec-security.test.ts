/** Mistakes that other runtimes made when they joined a container: one test each, which fails on an engine that makes it. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { exec, type ExecTarget } from '../../lib/engine/start/exec.js';
import type { ExecOptions } from '../../lib/engine/options/exec-options.js';
import type { Execution } from '../../lib/engine/start/execution.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { CaissonError } from '../../lib/index.js';
import type { RootfsImage } from '../../lib/image/rootfs.js';
import { targetOf } from '../support/exec-target.js';
import { needsRoot } from '../support/needs.js';
import { sample } from '../support/sample.js';
import { SPY } from '../support/spy.js';
import { Workshop } from '../support/workshop.js';

/** So many places to look for a program take time in which it is about to be started. */
const LONG_PATH = `${Array.from({ length: 400 }, (_, n) => `/none/${n}`).join(':')}:/usr/bin:/bin`;

describe('security of exec', function () {
  this.timeout(120_000);
  let shop: Workshop;
  const containers: Execution[] = [];

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  afterEach(async () => {
    for (const container of containers.splice(0)) {
      container.kill();
      await container.catch(() => undefined);
    }
  });

  const contain = async (
    image: string | RootfsImage,
    argv: readonly string[],
    options: RunOptions = {},
  ): Promise<{ container: Execution; target: ExecTarget }> => {
    const container = shop.engine.run(image, argv, options);
    containers.push(container);
    await container.started;
    return { container, target: await targetOf(container.id, image, argv, options) };
  };

  const sleeper = async (options: RunOptions = {}, image: RootfsImage = shop.busybox) =>
    (await contain(image, ['sleep', '1000'], options)).target;

  const run = (target: ExecTarget, argv: readonly string[], options?: ExecOptions) =>
    exec(shop.context, target, argv, options);

  /** What a spy inside sees while programs are started beside it. */
  const spy = async (options: RunOptions): Promise<string[]> => {
    const { container, target } = await contain('host', ['perl', '-e', SPY], options);
    const lines: string[] = [];
    const reading = (async () => {
      for await (const line of container) lines.push(line);
    })();
    for (let round = 0; round < 200; round++) {
      const { exitCode } = await run(target, ['true'], {
        env: { PATH: LONG_PATH, SECRET: 'of the program alone' },
        stdin: 'pipe',
        tty: round % 2 === 0,
      });
      expect(exitCode).to.equal(0);
      if (round > 60 && lines.includes('seen')) break;
    }
    await run(target, ['touch', '/tmp/stop']);
    await reading;
    expect(lines.shift()).to.equal('ready');
    expect(lines).to.include('seen');
    return lines.filter((line) => line !== 'seen');
  };

  for (const options of [
    {},
    { userns: 'host' },
    // Rights over what is the container's own, which this is not yet.
    { capAdd: ['SYS_PTRACE'] },
  ] as const) {
    it(`A program that joins shows root inside nothing: ${JSON.stringify(options)} (CVE-2016-9962)`, async () => {
      expect(await spy(options)).to.deep.equal([]);
    });
  }

  for (const options of [
    { capAdd: ['SYS_PTRACE'], userns: 'host' },
    { privileged: true },
  ] as const) {
    const { it } = needsRoot('a user’s programs join unseen');
    it(`A program that joins has nothing of the host for a process that may trace it: ${JSON.stringify(options)} (CVE-2016-9962, CVE-2019-5736)`, async () => {
      const kinds = [
        // Never node, not even for a moment, but the sealed memfd, which no process can write.
        /^exe \/memfd:caisson-init \(deleted\)$/,
        /^maps \/memfd:caisson-(init|page)$/,
        /^(cwd|root) \/$/,
        /^fd (socket|pipe):\[\d+\]$/,
        // The container's first process, its cgroup namespace, and its own cgroups, until it is inside.
        /^fd (anon_inode:\[pidfd\]|pidfd:\[\d+\]|cgroup:\[\d+\])$/,
        /^fd \/(\S+\/caisson\/[0-9a-f]{64}\/)?tasks$/,
        /^fd \/memfd:caisson-page \(deleted\)$/,
        // The container's root and a terminal of its own, and a null device that no container owns.
        /^fd \/(dev\/pts\/\d+|dev\/pts\/ptmx|pts\/\d+|ptmx|\d+|null)?$/,
      ];
      const seen = await spy(options);
      expect(seen).to.include('exe /memfd:caisson-init (deleted)');
      expect(seen.filter((line) => !kinds.some((kind) => kind.test(line)))).to.deep.equal([]);
    });
  }

  it('A program runs as itself when something asks for /proc/self/exe (CVE-2019-5736)', async () => {
    const root = shop.copyOfBusybox('self-exe');
    await writeFile(join(root.path, 'bin/evil'), '#!/proc/self/exe\n');
    await chmod(join(root.path, 'bin/evil'), 0o755);
    const target = await sleeper({}, root);
    const { exitCode, stdout } = await run(target, ['/bin/evil']);
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 64, stdout: '' });
    expect((await run(target, ['true'])).exitCode).to.equal(0);
  });

  it('A program has neither inheritable nor ambient capabilities (CVE-2022-29162)', async () => {
    const none = '0000000000000000';
    for (const options of [{}, { userns: 'host' }, { capAdd: ['ALL'] }, { privileged: true }]) {
      const target = await sleeper(options as RunOptions);
      for (const more of [
        {},
        { user: '1000' },
        { privileged: true },
        { privileged: true, user: '7' },
      ]) {
        const { stdout } = await run(target, ['cat', '/proc/self/status'], more);
        const of = (name: string) => new RegExp(`^${name}:\\t(\\w+)$`, 'm').exec(stdout)?.[1];
        expect([of('CapInh'), of('CapAmb')]).to.deep.equal([none, none]);
        if (more.user !== undefined)
          expect([of('CapPrm'), of('CapEff')]).to.deep.equal([none, none]);
      }
    }
  });

  it('A program has no descriptor but 0, 1 and 2', async () => {
    for (const options of [{}, { userns: 'host' }] as const) {
      const target = await sleeper(options);
      for (const more of [
        {},
        { tty: true },
        { stdin: 'pipe' },
        { stdout: 'pipe', stderr: 'null' },
      ] as const) {
        const { stdout } = await run(
          target,
          ['sh', '-c', 'for f in /proc/$$/fd/*; do readlink $f; done; true'],
          more,
        );
        for (const to of stdout.trim().split(/\s+/))
          expect(to).to.match(/^(pipe:\[\d+\]|(\/dev)?\/null|\/dev\/pts\/0)$/);
      }
    }
  });

  it('A program has no working directory outside the root (CVE-2024-21626)', async () => {
    const names = ['/proc/self/cwd', '/proc/self/root', '/proc/1/cwd', '/proc/thread-self/root'];
    for (let fd = 0; fd < 40; fd++) names.push(`/proc/self/fd/${fd}`);
    for (const options of [{}, { userns: 'host' }] as const) {
      const target = await sleeper(options);
      for (const tty of [false, true]) {
        for (const workdir of sample(names)) {
          const outcome = await run(target, ['sh', '-c', 'pwd -P; ls -d bin etc'], {
            workdir,
            tty,
          }).catch((error: unknown) => error);
          if (outcome instanceof CaissonError) expect(outcome.code).to.equal('ERR_INVALID_WORKDIR');
          // The container's own root, which it may have as well as any other place inside.
          else
            expect((outcome as { stdout: string }).stdout.replaceAll('\r', '')).to.match(
              /^\/\nbin\s+etc\n$/,
            );
        }
      }
    }
  });

  it('A program is not led out by a link to such a directory either (CVE-2024-21626)', async () => {
    const target = await sleeper();
    for (const to of [
      '/proc/self/fd/5',
      '/proc/self/fd/7/../..',
      '/proc/self/cwd',
      '/proc/self/fd',
    ]) {
      await run(target, ['ln', '-sfn', to, '/escape']);
      const outcome = await run(target, ['sh', '-c', 'pwd -P; ls -d /proc/1'], {
        workdir: '/escape',
      }).catch((error: unknown) => error);
      if (outcome instanceof CaissonError) expect(outcome.code).to.equal('ERR_INVALID_WORKDIR');
      else
        expect((outcome as { stdout: string }).stdout).to.match(/^\/(proc\/\d+\/fd)?\n\/proc\/1\n/);
    }
  });

  it('A program takes no terminal from a trap in the place of /dev/pts (CVE-2025-52565)', async () => {
    const target = await sleeper({ capAdd: ['SYS_ADMIN'], securityOpt: ['seccomp=unconfined'] });
    const trap = 'mkdir /tmp/pts && touch /tmp/pts/ptmx && mount --bind /tmp/pts /dev/pts';
    expect((await run(target, ['sh', '-c', trap])).exitCode).to.equal(0);
    const error = await run(target, ['true'], { tty: true }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CaissonError);
    expect((error as CaissonError).step).to.equal('tty.open');
  });

  it('A program is filtered as the container is', async () => {
    const unshare = ['unshare', '-m', 'true'];
    const target = await sleeper({ capAdd: ['SYS_CHROOT'] });
    expect((await run(target, unshare)).exitCode).not.to.equal(0);
    expect((await run(target, unshare, { privileged: true })).exitCode).to.equal(0);
    const { stdout } = await run(await sleeper({ securityOpt: ['seccomp=unconfined'] }), [
      'grep',
      'Seccomp:',
      '/proc/self/status',
    ]);
    expect(stdout).to.equal('Seccomp:\t0\n');
  });
});
