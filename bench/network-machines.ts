/**
 * The machines of the network benchmark: network namespaces. One for each engine, so that none meets the other's rules, and
 * one that is outside of both. Nothing of them is on the real machine.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LineProcess } from './line-process.js';
import { IMAGE, importImage, works } from './peers.js';
import { type Workspace, repository } from './workspace.js';

const run = promisify(execFile);
const worker = fileURLToPath(new URL('node-worker.js', import.meta.url));

/** The first of the addresses that names outside have; all of 198.18.0.0/15 (RFC 2544) is there. */
const FIRST_NAMED = '198.18.0.1';
const outsideOf = (machine: number): string => `198.51.${machine}.2`;

/** A machine on which one engine runs. */
export interface Machine {
  readonly engine: 'caisson' | 'Docker';
  /** What runs a command there: put before it. */
  readonly within: readonly string[];
  /** The address that the machine outside knows. */
  readonly address: string;
  /** The address of the machine outside. */
  readonly outside: string;
  /** The engine's command. */
  readonly command: readonly string[];
  /** The root of a container, after the options of `run`. */
  readonly root: readonly string[];
}

export interface Machines extends AsyncDisposable {
  readonly caisson: Machine;
  /** If the bench was started by `scripts/with-docker --network`. */
  readonly docker?: Machine | undefined;
  /** What runs a command on the machine outside. */
  readonly withinOutside: readonly string[];
  /** A Node process on the machine of caisson; see node-worker.ts. */
  readonly node: LineProcess;
}

/** In a network namespace of its own, which is then known by its pid; `"$@"` follows. */
const IN_NAMESPACE = 'ip link set lo up && exec "$@"';

/** As /run, where the run root is by default. The data root is on the disk, as /var/lib. */
const IN_MEMORY = 'mount -t tmpfs -o mode=0755 none "$2" && mount -t tmpfs -o mode=0755 none "$3"';

function enter(pid: number): readonly string[] {
  return ['nsenter', '--target', String(pid), '--net', '--mount', '--'];
}

export async function openMachines(workspace: Workspace): Promise<Machines> {
  const { directory, root, helper } = workspace;
  const resolvConf = `${directory}/resolv.conf`;
  await writeFile(resolvConf, `nameserver ${outsideOf(1)}\n`);
  const outside = new LineProcess('unshare', [
    ...['--net', '--mount', 'sh', '-c', `ip route add local 198.18.0.0/15 dev lo; ${IN_NAMESPACE}`],
    ...['sh', helper('traffic'), 'serve', FIRST_NAMED],
  ]);
  await outside.ask('');
  const script = `mount --bind "$1" /etc/resolv.conf && ${IN_MEMORY} && shift 3 && ${IN_NAMESPACE}`;
  const runRoots = [`${directory}/network/run-50`, `${directory}/run-network`];
  for (const path of runRoots) await mkdir(path, { recursive: true });
  const node = new LineProcess('unshare', [
    ...['--net', '--mount', 'sh', '-c', script, 'sh', resolvConf, ...runRoots],
    ...[process.execPath, worker, '50', `${directory}/network`, root],
  ]);
  await node.ask('spawn 0 0');
  const cable = async (machine: number, pid: number, within: readonly string[]): Promise<void> => {
    const commands = [
      [...enter(outside.pid), 'ip', 'link', 'add', `machine${machine}`, 'type', 'veth'].concat(
        ...['peer', 'name', 'outside', 'netns', String(pid)],
      ),
      [...enter(outside.pid), 'ip', 'address', 'add', `${outsideOf(machine)}/24`].concat(
        ...['dev', `machine${machine}`],
      ),
      [...enter(outside.pid), 'ip', 'link', 'set', `machine${machine}`, 'up'],
      [...within, 'ip', 'address', 'add', `198.51.${machine}.1/24`, 'dev', 'outside'],
      [...within, 'ip', 'link', 'set', 'outside', 'up'],
      [...within, 'ip', 'route', 'add', 'default', 'via', outsideOf(machine)],
    ];
    for (const [program = '', ...args] of commands) await run(program, args);
  };
  const machine = (number: number): Pick<Machine, 'address' | 'outside'> => ({
    address: `198.51.${number}.1`,
    outside: outsideOf(number),
  });
  const within = enter(node.pid);
  await cable(1, node.pid, within);
  const caisson: Machine = {
    ...machine(1),
    engine: 'caisson',
    within,
    command: [
      ...[`${repository}bin/caisson`, '--data-root', `${directory}/data-network`],
      ...['--run-root', `${directory}/run-network`],
    ],
    root: ['--rootfs', root],
  };
  let docker: Machine | undefined;
  if (await hasDockerNetworks()) {
    await cable(2, process.pid, []);
    await importImage('docker', root);
    docker = { ...machine(2), engine: 'Docker', within: [], command: ['docker'], root: [IMAGE] };
  } else console.error('left out: networks of Docker (scripts/with-docker --network)');
  return {
    caisson,
    docker,
    withinOutside: enter(outside.pid),
    node,
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]();
      await outside[Symbol.asyncDispose]();
    },
  };
}

/** This process is then in the network namespace of the daemon, and of nothing else. */
export async function hasDockerNetworks(): Promise<boolean> {
  return (
    process.env['DOCKER_NETWORK'] === '1' && (await works('docker', 'network', 'inspect', 'bridge'))
  );
}
