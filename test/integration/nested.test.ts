/**
 * caisson in a container: of its own, of podman's, of Docker's. What works with which settings, and for each that is missing the
 * error that names it. docs/nested.md says the same.
 */
import { execFile, type ExecFileOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import { findUserNamespaceIds } from '../../lib/host/user-namespace-ids.js';
import { isRoot, needsRoot } from '../support/needs.js';
import { OuterNetwork, PORT, SERVER } from '../support/outer-network.js';
import { fixture, repository } from '../support/paths.js';
import { slowness } from '../support/slowness.js';
import { makeBusybox } from '../support/workshop.js';
import type { NestedOutcome, NestedReport, NestedRun } from './fixtures/nested.js';
import { skip } from '../support/skip.js';

const run = promisify(execFile);
const { mode } = await detectCgroups();
const users = await findUserNamespaceIds();
const v2 = mode === 'v2';
const { lastCap, effective } = {
  lastCap: Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8')),
  effective: BigInt(
    `0x${/^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]}`,
  ),
};
const hasAll = effective === (1n << BigInt(lastCap + 1)) - 1n;

/** `docker` in a daemon of its own: DOCKER_HOST names it. */
type Engine = 'caisson' | 'podman' | 'docker';

function unavailable(engine: Engine): string | undefined {
  if (engine === 'caisson') return undefined;
  if (engine === 'docker' && !isRoot) return 'needs root: its daemon is root’s';
  if (engine === 'podman' && users?.lack !== undefined) return users.lack.why;
  const programs = engine === 'podman' ? ['podman', 'runc'] : ['docker', 'dockerd'];
  const missing = programs.find(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  );
  return missing === undefined ? undefined : `${missing} is not installed`;
}

/** Docker and podman load a profile for their containers: where the kernel has it on, and its tools are installed. */
const hasAppArmor = ['/sys/kernel/security/apparmor', '/sbin/apparmor_parser'].every(existsSync);

const ADMIN = ['--cap-add', 'SYS_ADMIN'];
const NODES = ['--cap-add', 'MKNOD'];
const CGROUPS = ['-v', '/sys/fs/cgroup:/sys/fs/cgroup:rw'];

/** Cgroups that can be written, with as little else as there can be: in a cgroup namespace the host's tree of v2 is of no use. */
function writable(engine: Engine): readonly string[] {
  if (!v2) return CGROUPS;
  return {
    caisson: ['--privileged'],
    podman: ['--security-opt', 'unmask=/sys/fs/cgroup'],
    docker: ['--cgroupns', 'host', ...CGROUPS],
  }[engine];
}

const much = (engine: Engine): readonly string[] => [
  ...[...ADMIN, ...NODES, ...writable(engine)],
  ...['--cap-add', 'NET_ADMIN', '--cap-add', 'SYS_PTRACE'],
];

const ON_BRIDGE = 'ip -4 address show eth0 | grep -q 172.17.0.2/16 && echo hello from $(id -u)';
const PLAIN: NestedRun = { image: 'busybox', options: {} };
const LIMITED: NestedRun = { image: 'busybox', options: { memory: '64m' } };
const HOST_USERS: NestedRun = { image: 'busybox', options: { userns: 'host' } };
const HOST_IMAGE: NestedRun = { image: 'host', options: { userns: 'host' } };

/** Says hello when it has been answered. */
const CALL = `exec 3>&1; nc ${SERVER} ${PORT} -e sh -c 'echo; read word; [ $word = outside ] && echo hello from $(id -u) >&3'`;
const USER_MODE = (['pasta', 'slirp4netns'] as const).filter((name) =>
  existsSync(`/usr/bin/${name}`),
);

interface Setting {
  readonly title: string;
  readonly flags: (engine: Engine) => readonly string[];
  /** For system calls; `own`: the engine's. Missing: one that does not matter. */
  readonly filter?: object | 'own';
  /** AppArmor's. Missing: none. */
  readonly profile?: 'own';
  /** Nothing is mounted where its data lies. */
  readonly bare?: true;
  readonly only?: readonly Engine[];
  /** In a network of the test's, with what can be reached there; else there is none. */
  readonly network?: true;
  /** What is run, and that it works, or the code and hint of its error. */
  readonly runs: readonly (readonly [NestedRun, 'works' | readonly [code: string, hint: RegExp]])[];
  /** What `info` finds missing: ability and why. */
  readonly missing?: Readonly<Record<string, RegExp>>;
}

/** A filter that allows everything but these. */
function without(names: readonly string[], errnoRet: number): object {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'],
    syscalls: [{ names, action: 'SCMP_ACT_ERRNO', errnoRet }],
  };
}

const HOST_CGROUPS: Setting = {
  title: "the host's cgroups alone: that they are outside of the container's cgroup namespace",
  flags: () => [...ADMIN, ...NODES, ...CGROUPS],
  runs: [[LIMITED, ['ERR_START_FAILED', /cgroup namespace.*--cgroupns=host.*--privileged/]]],
};

const NO_NAMESPACE: Setting = {
  title: "the host's cgroups, and no cgroup namespace: limits",
  flags: () => [...ADMIN, ...NODES, '--cgroupns', 'host', ...CGROUPS],
  // As Docker above.
  only: ['podman'],
  runs: [[LIMITED, 'works']],
};

const SETTINGS_OF_ROOT: readonly Setting[] = [
  {
    title: '--privileged: everything',
    flags: () => ['--privileged'],
    runs: [
      [PLAIN, 'works'],
      [LIMITED, 'works'],
      [HOST_USERS, 'works'],
      [HOST_IMAGE, 'works'],
    ],
  },
  {
    title: 'SYS_ADMIN and MKNOD: containers with users of their own, without limits',
    flags: () => [...ADMIN, ...NODES],
    runs: [
      [PLAIN, 'works'],
      [
        LIMITED,
        ['ERR_CGROUP_CONTROLLER_MISSING', /read-only.*--privileged.*-v \/sys\/fs\/cgroup:/],
      ],
      // Rules for devices are theirs.
      [
        HOST_USERS,
        ['ERR_CGROUP_CONTROLLER_MISSING', /read-only.*--privileged.*-v \/sys\/fs\/cgroup:/],
      ],
    ],
    missing: { cgroups: /read-only.*--privileged/ },
  },
  {
    title: 'writable cgroups, too: limits',
    flags: (engine) => [...ADMIN, ...NODES, ...writable(engine)],
    // With v2, its own has nothing less than --privileged.
    only: v2 ? ['podman', 'docker'] : ['caisson', 'podman', 'docker'],
    runs: [
      [PLAIN, 'works'],
      [LIMITED, 'works'],
      [
        HOST_USERS,
        ['ERR_NO_PRIVILEGES', /no CAP_(?:NET_ADMIN|SYS_PTRACE); --cap-add \w+ or --priv/],
      ],
    ],
  },
  ...(v2 ? [HOST_CGROUPS, NO_NAMESPACE] : []),
  {
    title: 'NET_ADMIN and SYS_PTRACE, too: containers with the users around them',
    flags: much,
    runs: [
      [HOST_USERS, 'works'],
      [HOST_IMAGE, 'works'],
    ],
  },
  {
    title: 'none: which capability is missing',
    flags: () => [],
    runs: [[PLAIN, ['ERR_NO_PRIVILEGES', /no CAP_SYS_ADMIN; --cap-add SYS_ADMIN or --privileged/]]],
    missing: { privileges: /CAP_SYS_ADMIN.*--cap-add SYS_ADMIN/ },
  },
  {
    title: 'SYS_ADMIN alone: that device nodes cannot be made',
    flags: () => [...ADMIN, '--cap-drop', 'MKNOD'],
    runs: [[PLAIN, ['ERR_NO_PRIVILEGES', /no CAP_MKNOD; --cap-add MKNOD or --privileged/]]],
    missing: { 'device-nodes': /CAP_MKNOD/ },
  },
  {
    title: 'a filter against mounts: which call, and seccomp=unconfined',
    flags: () => [...ADMIN, ...NODES],
    filter: without(['fsopen', 'mount_setattr'], 1),
    runs: [
      [PLAIN, ['ERR_NO_PRIVILEGES', /seccomp filter.* refuses fsopen; --security-opt seccomp=/]],
    ],
    missing: { mounts: /seccomp filter.* refuses fsopen/ },
  },
  {
    title: 'a filter that hides clone3: so, too',
    flags: () => [...ADMIN, ...NODES],
    filter: without(['clone3'], 38),
    runs: [
      [PLAIN, ['ERR_NO_PRIVILEGES', /seccomp filter.* clone3 .*ENOSYS.*; --security-opt seccomp=/]],
    ],
    missing: { 'clone-into-cgroup': v2 ? /seccomp filter.* clone3/ : /./ },
  },
  {
    title: 'no volume: that data cannot lie on an overlay',
    flags: much,
    bare: true,
    runs: [[HOST_USERS, ['ERR_START_FAILED', /another overlay.*volume/]]],
    missing: { 'data-root': /overlay.*volume/ },
  },
  {
    title: 'the tap device: networks in user mode',
    flags: () => [...ADMIN, ...NODES, '--device', '/dev/net/tun'],
    network: true,
    runs: USER_MODE.map((network) => [
      { image: 'busybox', options: { network }, script: CALL },
      'works',
    ]),
  },
  {
    title: 'NET_ADMIN: networks with a bridge',
    flags: () => [...ADMIN, ...NODES, '--cap-add', 'NET_ADMIN'],
    runs: [[{ image: 'busybox', options: { network: 'bridge' }, script: ON_BRIDGE }, 'works']],
  },
  {
    title: 'no NET_ADMIN: that a bridge takes it',
    flags: () => [...ADMIN, ...NODES],
    runs: [
      [
        { image: 'busybox', options: { network: 'bridge' } },
        ['ERR_NETWORK_FAILED', /CAP_NET_ADMIN/],
      ],
    ],
  },
  {
    title: 'no tap device: that there is none',
    flags: () => [...ADMIN, ...NODES],
    runs: USER_MODE.map((network) => [
      { image: 'busybox', options: { network } },
      ['ERR_NETWORK_FAILED', /in a container: --device \/dev\/net\/tun/],
    ]),
    missing: Object.fromEntries(
      USER_MODE.map((name) => [name, /is missing; --device \/dev\/net\/tun/]),
    ),
  },
  {
    title: "its own filter: that it refuses a root of one's own",
    flags: () => [...ADMIN, ...NODES],
    filter: 'own',
    only: ['docker'],
    runs: [
      [
        PLAIN,
        ['ERR_NO_PRIVILEGES', /seccomp filter.* refuses pivot_root; --security-opt seccomp=/],
      ],
    ],
    missing: { mounts: /seccomp filter.* refuses pivot_root/ },
  },
  {
    title: 'its own AppArmor profile: that it refuses the same',
    flags: () => [...ADMIN, ...NODES],
    profile: 'own',
    only: ['podman', 'docker'],
    runs: [
      [
        PLAIN,
        [
          'ERR_NO_PRIVILEGES',
          /security module .*\(\S+-default.*\); --security-opt apparmor=unconf/,
        ],
      ],
    ],
    missing: { mounts: /security module .*-default.*; --security-opt apparmor=unconfined/ },
  },
];

/** Rootless: root in there is root over what belongs to this user, and no more. */
const SETTINGS_OF_USER: readonly Setting[] = [
  {
    title: '--privileged: everything',
    flags: () => ['--privileged'],
    runs: [
      [PLAIN, 'works'],
      [HOST_USERS, 'works'],
      [HOST_IMAGE, 'works'],
      [LIMITED, mode === 'none' ? ['ERR_CGROUP_CONTROLLER_MISSING', /./] : 'works'],
      [
        {
          image: 'busybox',
          options: { user: '1000' },
          script: 'echo hello from $(($(id -u) - 1000))',
        },
        users?.lack === undefined ? 'works' : ['ERR_NO_PRIVILEGES', /outer container/],
      ],
    ],
    missing: { privileges: /root of a user namespace/, 'idmapped-mounts': /rootful podman/ },
  },
  {
    title: 'SYS_ADMIN, and a /proc in which nothing is masked: containers without limits',
    // Without the capability its filter refuses what takes one in a namespace of one's own, too.
    flags: () => [...ADMIN, '--security-opt', 'unmask=ALL'],
    only: ['podman'],
    runs: [
      [PLAIN, 'works'],
      [HOST_IMAGE, 'works'],
    ],
  },
  {
    title: 'SYS_ADMIN alone: that /proc is masked',
    flags: () => ADMIN,
    runs: [[PLAIN, ['ERR_NO_PRIVILEGES', /hidden here.*--privileged/]]],
    missing: { proc: /masked here.*--privileged/ },
  },
  {
    title: 'none: that namespaces take SYS_ADMIN, or no filter',
    flags: () => [],
    only: ['caisson'],
    runs: [[PLAIN, ['ERR_NO_PRIVILEGES', /seccomp filter.* clone3.*--security-opt seccomp=/]]],
    missing: { 'user-namespaces': /--cap-add SYS_ADMIN or --privileged/ },
  },
];

const SETTINGS = isRoot ? SETTINGS_OF_ROOT : SETTINGS_OF_USER;

for (const engine of ['caisson', 'podman', 'docker'] as const) {
  const reason = unavailable(engine);
  const names = { caisson: 'a container of its own', podman: 'podman', docker: 'Docker' };
  describe(`in ${names[engine]}`, function () {
    this.timeout(60_000);
    let directory: string;
    /** By title. Docker's all at once: its daemon takes long to start. */
    const outputs = new Map<string, string>();
    const settings = SETTINGS.filter(({ only }) => only?.includes(engine) !== false);
    let outer: OuterNetwork | undefined;

    function beyond({ flags, network, profile, runs }: Setting): string | undefined {
      if (profile !== undefined && !hasAppArmor) return 'this machine has no AppArmor';
      // All capabilities that there are, or none at all where this machine's root has not got one.
      if (engine === 'docker' && flags(engine).includes('--privileged') && !hasAll)
        return 'the root of this machine has not all capabilities, which Docker would give';
      if (runs.length === 0) return 'neither pasta nor slirp4netns is installed';
      return network === undefined ? undefined : OuterNetwork.missing();
    }

    before(async function () {
      if (reason !== undefined) skip(this, reason);
      directory = await mkdtemp(join(tmpdir(), 'caisson-nested-'));
      makeBusybox(join(directory, 'busybox'));
      for (const [i, { filter }] of settings.entries()) {
        await mkdir(join(directory, `data${i}`));
        if (typeof filter === 'object')
          await writeFile(join(directory, `filter${i}.json`), JSON.stringify(filter));
      }
      if (isRoot && OuterNetwork.missing() === undefined) outer = await OuterNetwork.make();
      if (engine === 'docker') await runAllInDocker();
    });
    after(async () => {
      await outer?.cleanUp();
      if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    });

    /** The network outside is the test's own. */
    function runOutside(command: readonly string[], options: ExecFileOptions) {
      const [program = '', ...args] = [...(outer?.within ?? []), ...command];
      return run(program, args, { ...options, encoding: 'utf8' });
    }

    function command(setting: Setting, i: number): string[] {
      const { filter, profile, bare, network, runs } = setting;
      const flags = setting.flags(engine);
      const system = join(directory, 'busybox');
      const bind = (from: string, to = from) => ['-v', `${from}:${to}:ro`];
      const common = [
        ...['run', '--rm', '--network', network === undefined ? 'none' : 'host', ...flags],
        ...(typeof filter === 'object'
          ? ['--security-opt', `seccomp=${join(directory, `filter${i}.json`)}`]
          : filter === undefined && engine === 'docker'
            ? ['--security-opt', 'seccomp=unconfined']
            : []),
        ...(hasAppArmor && profile === undefined && engine !== 'caisson'
          ? ['--security-opt', 'apparmor=unconfined']
          : []),
        ...(bare === true ? [] : ['-v', `${join(directory, `data${i}`)}:/data`]),
        ...[...bind(repository), ...bind(join(repository, 'node_modules')), ...bind(system)],
        ...bind(process.execPath, '/node'),
        ...[...(process.env['CAISSON_NATIVE'] === undefined ? [] : ['-e', 'CAISSON_NATIVE'])],
      ];
      const libraries = ['/usr', '/lib', '/lib64'].filter(existsSync).flatMap((path) => bind(path));
      const asked = JSON.stringify(runs.map(([one]) => one));
      const make = bare === true ? 'mkdir -p /data && ' : '';
      const inner = ['sh', '-c', `${make}exec /node "$@"`, 'sh', fixture('nested'), system, asked];
      switch (engine) {
        case 'caisson': {
          const hostUsers = isRoot && !flags.includes('--privileged') ? ['--userns', 'host'] : [];
          return [
            ...[join(repository, 'bin/caisson'), '--data-root', join(directory, 'outer')],
            ...['--run-root', join(directory, 'outer-run'), ...common],
            ...[...hostUsers, 'host', ...inner],
          ];
        }
        case 'podman':
          return [
            ...['podman', '--runtime', 'runc', '--events-backend', 'none', ...common],
            // Its defaults are more than root of this machine may have.
            ...['--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=4096:4096', ...libraries],
            ...['--rootfs', `${system}:O`, ...inner],
          ];
        case 'docker':
          return ['docker', ...common, ...libraries, 'nested-system', ...inner];
      }
    }

    /** One daemon for all of them; a line for each, and what goes wrong beside it. */
    async function runAllInDocker(): Promise<void> {
      const quote = (words: readonly string[]) =>
        words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
      const script = [
        `tar -C ${join(directory, 'busybox')} -c . | docker import - nested-system >/dev/null`,
        ...settings.map((setting, i) =>
          beyond(setting) === undefined
            ? `${quote(command(setting, i))} </dev/null || echo {}`
            : 'echo {}',
        ),
      ].join('\n');
      const { stdout, stderr } = await runOutside(
        [join(repository, 'scripts/with-docker'), 'sh', '-c', script],
        { timeout: 120_000 * slowness, env: { ...process.env, TMPDIR: '/tmp' } },
      );
      const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
      expect(lines.length, `${stdout}${stderr}`).to.equal(settings.length);
      settings.forEach(({ title }, i) =>
        outputs.set(title, lines[i] === '{}' ? stderr : lines[i]!),
      );
    }

    settings.forEach((setting, i) => {
      const skipped = beyond(setting);
      it(`${setting.title}`, async function () {
        if (skipped !== undefined) skip(this, skipped);
        const output =
          outputs.get(setting.title) ??
          (await runOutside(command(setting, i), { timeout: 60_000 * slowness })).stdout;
        expect(output).to.match(/^\{/);
        const report = JSON.parse(output) as NestedReport;
        expect(report.inside).to.equal(
          { caisson: 'caisson', podman: 'podman', docker: 'Docker' }[engine],
        );
        setting.runs.forEach(([asked, wanted], at) => {
          const outcome: NestedOutcome = report.outcomes[at]!;
          const told = `${JSON.stringify(asked)}: ${JSON.stringify(outcome)}`;
          if (wanted === 'works') {
            expect(outcome, told).to.include({ exitCode: 0, stdout: 'hello from 0\n' });
          } else {
            expect('code' in outcome, told).to.equal(true);
            if (!('code' in outcome)) return;
            expect(outcome.code, told).to.equal(wanted[0]);
            expect(outcome.hint, told).to.match(wanted[1]);
          }
        });
        for (const [name, why] of Object.entries(setting.missing ?? {}))
          expect(report.missing[name], name).to.match(why);
      });
    });
  });
}

needsRoot('a user namespace with many ids, without newuidmap').describe(
  'the root of a user namespace alone',
  function () {
    this.timeout(60_000);
    let directory: string;

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'caisson-nested-'));
      makeBusybox(join(directory, 'busybox'));
    });
    after(() => rm(directory, { recursive: true, force: true }));

    it('Everything works as the root of a user namespace alone', async () => {
      const count = 65_537;
      const hello = (user: string): NestedRun => ({
        image: 'busybox',
        options: { user },
        script: `[ $(id -u) = ${user} ] && echo hello from 0`,
      });
      const asked: NestedRun[] = [PLAIN, LIMITED, HOST_USERS, HOST_IMAGE, hello('65536')];
      const child = spawn(
        'unshare',
        [
          ...['--user', '--mount', '--propagation', 'private'],
          ...['sh', '-c', 'echo made; read mapped && exec "$@"', 'sh', process.execPath],
          ...[fixture('nested'), join(directory, 'busybox'), JSON.stringify(asked), directory],
        ],
        { stdio: ['pipe', 'pipe', 'inherit'] },
      );
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      expect((await lines.next()).value).to.equal('made');
      for (const map of ['uid_map', 'gid_map'])
        await writeFile(`/proc/${child.pid}/${map}`, `0 0 ${count}`);
      child.stdin.end('\n');
      const report = await lines.next();
      expect(report.done).to.equal(false);
      const { outcomes, missing } = JSON.parse(String(report.value)) as NestedReport;
      for (const [i, outcome] of outcomes.entries())
        expect(outcome, JSON.stringify([asked[i], outcome])).to.include({
          exitCode: 0,
          stdout: 'hello from 0\n',
        });
      expect(outcomes).to.have.length(asked.length);
      expect(missing['privileges']).to.match(/root of a user namespace/);
    });
  },
);
