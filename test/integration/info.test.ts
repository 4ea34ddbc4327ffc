/** What `info` says, beside what the kernel says and what can then be done. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { cpus, hostname, release, totalmem, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { machineInfo } from '../../lib/info/info.js';
import type { MachineInfo } from '../../lib/info/machine-info.js';
import { parseProbe } from '../../lib/native/probe.js';
import { isRoot, needsControllers, needsRoot } from '../support/needs.js';
import { hierarchies } from '../support/outside.js';
import { repository } from '../support/paths.js';
import { Workshop } from '../support/workshop.js';

const run = promisify(execFile);

function ability(info: Pick<MachineInfo, 'abilities'>, name: string) {
  const found = info.abilities.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no ability ${name}`);
  return found;
}

const limits = needsControllers('cpu', 'memory', 'pids');
const rights = needsRoot('rights to give up');

describe('info', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  it('The command says what this machine is', async () => {
    const info = await shop.engine.info();
    expect(info).to.include({
      node: process.version,
      kernel: release(),
      architecture: execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim(),
      cpus: cpus().length,
      memory: totalmem(),
      hostname: hostname(),
      dataRoot: shop.path('data'),
      runRoot: shop.path('run'),
    });
    expect(info.user).to.deep.equal({
      uid: process.geteuid!(),
      name: userInfo().username,
    });
  });

  limits.it('The command counts containers', async () => {
    const made = await Promise.all(
      [1, 2, 3].map(() => shop.engine.create(shop.busybox, ['sleep', '1000'])),
    );
    try {
      await made[0]!.start();
      await made[1]!.start();
      await made[1]!.pause();
      expect((await shop.engine.info()).containers).to.deep.equal({
        total: 3,
        running: 1,
        paused: 1,
        stopped: 1,
      });
    } finally {
      for (const container of made) await container.remove({ force: true });
    }
    expect((await shop.engine.info()).containers!.total).to.equal(0);
  });

  limits.it('The command finds here all that tests with containers need', async () => {
    const info = await shop.engine.info();
    for (const name of [
      ...(isRoot ? ['privileges'] : []),
      'data-root',
      'user-namespaces',
      'namespaces',
      'mounts',
      'proc',
    ])
      expect(ability(info, name), name).to.include({ available: true });
    for (const name of [
      ...(isRoot ? ['idmapped-mounts'] : []),
      'overlay',
      'seccomp',
      'cgroups',
      'pidfd',
      'memfd',
      'freezer',
    ])
      expect(ability(info, name), name).to.include({ available: true });
    expect(ability(info, 'overlay-descriptors').available).to.equal(
      shop.context.kernel.overlayByDescriptor,
    );
    expect(ability(info, 'seccomp').detail!.split(' ')).to.have.members(
      readFileSync('/proc/sys/kernel/seccomp/actions_avail', 'utf8').trim().split(' '),
    );
  });

  limits.it('The command finds the controllers where they are', async () => {
    const { cgroup } = await shop.engine.info();
    const mounted = await hierarchies();
    for (const { name, available, version, mountPoint } of cgroup.controllers) {
      if (!available) continue;
      const files = version === 2 ? 'cgroup.controllers' : 'tasks';
      expect(existsSync(join(mountPoint!, files)), name).to.equal(true);
      expect(
        mounted.some((one) => one.mountPoint === mountPoint && one.version === version),
      ).to.equal(true);
    }
    expect(cgroup.controllers.filter(({ available }) => available)).not.to.deep.equal([]);
  });

  it('The command leaves nothing behind', async () => {
    // Of this process: others may ask beside.
    const own = `*caisson-probe-${process.pid}*`;
    const look = async () => {
      const groups = await Promise.all(
        (await hierarchies()).map(
          async ({ mountPoint }) =>
            (await run('find', [mountPoint, '-maxdepth', '1', '-name', own])).stdout,
        ),
      );
      return [readFileSync('/proc/self/mountinfo', 'utf8'), groups.join('')];
    };
    const roots = { dataRoot: shop.path('none/data'), runRoot: shop.path('none/run') };
    const before = await look();
    const info = await machineInfo(roots);
    expect(info.containers).to.deep.equal({ total: 0, running: 0, paused: 0, stopped: 0 });
    expect(await look()).to.deep.equal(before);
    expect(existsSync(shop.path('none'))).to.equal(false);
  });

  describe('the info of other users', () => {
    const init = join(
      process.env['CAISSON_NATIVE'] ?? join(repository, 'build/Release'),
      'caisson-init',
    );
    let probe: string;

    before(async () => {
      // Where everybody can execute it.
      probe = shop.path('caisson-init');
      await copyFile(init, probe);
      await chmod(probe, 0o755);
      await chmod(shop.directory, 0o711);
    });

    async function as(...command: string[]) {
      return parseProbe((await run('setpriv', [...command, probe, 'probe', '/'])).stdout);
    }

    rights.it('The command knows what an unprivileged user may not', async () => {
      const found = await as('--reuid=65534', '--regid=65534', '--clear-groups');
      expect(found.get('mknod')).to.deep.equal({ errno: 'EPERM', call: 'mknodat' });
      expect(found.get('idmap.data')).to.deep.equal({ errno: 'EPERM', call: 'mount_setattr' });
      expect(found.get('bpf.devices')).to.include({ errno: 'EPERM' });
      // And may, with namespaces of its own.
      expect(found.get('mount.proc')).to.deep.equal({});
      expect(found.get('memfd')).to.deep.equal({});
    });

    rights.it('The command knows what root without a capability may not', async () => {
      const found = await as('--bounding-set=-mknod', '--inh-caps=-mknod');
      expect(found.get('mknod')).to.deep.equal({ errno: 'EPERM', call: 'mknodat' });
      expect(found.get('mount.tmpfs')).to.deep.equal({});
    });

    it('The command knows when user namespaces are used up', async () => {
      // A limit of a user namespace's own, so that no other is touched.
      const script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" probe /';
      const { stdout } = await run('unshare', [
        '--user',
        '--map-root-user',
        'sh',
        '-c',
        script,
        probe,
      ]);
      expect(parseProbe(stdout).get('userns')).to.deep.equal({ errno: 'ENOSPC', call: 'unshare' });
    });

    it('The command knows when /proc is masked', async () => {
      // By a user whose mounts it cannot remove.
      const script =
        'mount -t tmpfs none /proc/sys && exec unshare --user --map-root-user --mount "$0" probe /';
      const { stdout } = await run('unshare', [
        ...['--user', '--map-root-user', '--mount', '--pid', '--fork', '--mount-proc'],
        ...['sh', '-c', script, probe],
      ]);
      expect(parseProbe(stdout).get('mount.proc')).to.deep.equal({
        errno: 'EPERM',
        call: 'fsmount',
      });
    });
  });

  describe('caisson info', () => {
    const caisson = join(repository, 'bin/caisson');
    const roots = () => ['--data-root', shop.path('data'), '--run-root', shop.path('run')];

    it('The output is a text, JSON, or what a template makes of it', async () => {
      const text = (await run(caisson, [...roots(), 'info'])).stdout;
      expect(text)
        .to.match(/^ Running: 0$/m)
        .and.to.match(isRoot ? /^ privileges +yes /m : /^ privileges +no /m);
      const json = JSON.parse(
        (await run(caisson, [...roots(), 'info', '--format', 'json'])).stdout,
      ) as {
        NCPU: number;
        Abilities: MachineInfo['abilities'];
      };
      expect(json.NCPU).to.equal(cpus().length);
      expect(ability({ abilities: json.Abilities }, 'mounts').available).to.equal(true);
      const some = await run(caisson, [
        ...roots(),
        'info',
        '-f',
        '{{.KernelVersion}} {{.Containers}}',
      ]);
      expect(some.stdout).to.equal(`${release()} 0\n`);
    });

    it('A template that is none, or asks for something else, is refused', async () => {
      for (const [template, code, message] of [
        ['{{', 64, /template parsing error/],
        ['{{.Nothing}}', 1, /can't evaluate field Nothing/],
      ] as const) {
        const error = await run(caisson, ['info', '-f', template]).then(
          () => undefined,
          (thrown: unknown) => thrown as { code: number; stderr: string },
        );
        expect(error!.code, template).to.equal(code);
        expect(error!.stderr).to.match(message);
      }
    });
  });
});
