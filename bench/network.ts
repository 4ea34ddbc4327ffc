/**
 * What a network costs a start: the same container without one, on a bridge, with a policy, with a published port, and on a
 * created network with names; and the bridges of Docker and podman. All in network namespaces of the benchmark's own.
 */
import type { Contestant, Sample } from './contestant.js';
import type { LineProcess } from './line-process.js';
import type { Machines } from './network-machines.js';
import { commandContestants, HIDE_UNIFIED, IMAGE, importImage, installed, PODMAN_LIMITS, works } from './peers.js'; // prettier-ignore
import type { Workspace } from './workspace.js';

export const NETWORKS = 'run, by network';
/** Compared with the others. */
export const NO_NETWORK = 'no network';
export const BRIDGE = 'bridge';
export const BRIDGE_POLICY = 'bridge, policy';

const LIMITS = ['-m', '64m', '--cpu-shares', '512'];
const BY_NETWORK = [
  ['no network', ['--network', 'none']],
  ['bridge', ['--network', 'bridge']],
  ['bridge, one port', ['--network', 'bridge', '-p', '8080:80']],
] as const;

/**
 * @param open starts a process that the caller ends
 * @param only those whose names match
 */
export async function openNetworks(
  workspace: Workspace,
  { caisson, docker, node }: Machines,
  open: (command: readonly string[]) => LineProcess,
  only: RegExp,
): Promise<readonly Contestant[]> {
  const launcher = workspace.helper('launch');
  const contestant = (name: string, what: string): Contestant => ({
    name,
    run: async (count, spacing) => await node.ask<Sample>(`${what} ${count} ${spacing}`),
  });
  const commands: Parameters<typeof commandContestants>[0][number][] = [];
  const add = (
    on: LineProcess,
    engine: string,
    argv: readonly string[],
    root: readonly string[],
  ) => {
    for (const [name, options] of BY_NETWORK)
      commands.push({
        name: `${engine} run, ${name}`,
        launcher: on,
        argv: [...argv, ...LIMITS, ...options, ...root, '/true'],
        slow: true,
      });
  };
  const here = open([...caisson.within, launcher]);
  add(here, 'caisson', [...caisson.command, 'run', '--rm'], caisson.root);
  if (docker !== undefined)
    add(
      open([...docker.within, launcher]),
      'docker',
      [...docker.command, 'run', '--rm'],
      docker.root,
    );
  if ((await installed('podman')) && (await works('podman', 'info'))) {
    await importImage('podman', workspace.root);
    // Its plugins keep the addresses in /var/lib/cni.
    const script = `${HIDE_UNIFIED}; mkdir -p /var/lib/cni; mount -t tmpfs none /var/lib/cni; ip link set lo up; exec ${launcher}`;
    const podman = open(['unshare', '--net', '--mount', 'sh', '-c', script]);
    add(podman, 'podman', ['podman', 'run', '--rm', ...PODMAN_LIMITS], [IMAGE]);
  }
  return [
    contestant(NO_NETWORK, 'network-none'),
    contestant(BRIDGE, 'network-bridge'),
    contestant(BRIDGE_POLICY, 'network-policy'),
    contestant('bridge, policy by name', 'network-policy-name'),
    contestant('bridge, one port', 'network-port'),
    contestant('created network, names', 'network-created'),
    ...(await commandContestants(commands.filter(({ name }) => only.test(name)))),
  ].filter(({ name }) => only.test(name));
}
