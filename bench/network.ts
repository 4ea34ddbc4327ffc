/**
 * What a network costs a start: the same container without one, on a bridge, with a published port, and on a created network
 * with names. All in one network namespace of the benchmark's own, so that nothing is changed on the host.
 */
import { fileURLToPath } from 'node:url';
import type { Contestant, Sample } from './contestant.js';
import { LineProcess } from './line-process.js';
import type { Workspace } from './workspace.js';

export const NETWORKS = 'run, by network';
/** Compared with the others. */
export const NO_NETWORK = 'no network';
export const BRIDGE = 'bridge';

const worker = fileURLToPath(new URL('node-worker.js', import.meta.url));

/** @returns also the process in the namespace, which the caller ends */
export function openNetworks(workspace: Workspace): {
  readonly namespace: LineProcess;
  readonly contestants: readonly Contestant[];
} {
  const directory = `${workspace.directory}/network`;
  const script = 'mkdir -p "$2" && ip link set lo up && exec "$0" "$1" 50 "$2" "$3"';
  const namespace = new LineProcess('unshare', [
    ...['--net', 'sh', '-c', script],
    ...[process.execPath, worker, directory, workspace.root],
  ]);
  const contestant = (name: string, what: string): Contestant => ({
    name,
    run: async (count, spacing) => await namespace.ask<Sample>(`${what} ${count} ${spacing}`),
  });
  return {
    namespace,
    contestants: [
      contestant(NO_NETWORK, 'network-none'),
      contestant(BRIDGE, 'network-bridge'),
      contestant('bridge, one port', 'network-port'),
      contestant('created network, names', 'network-created'),
    ],
  };
}
