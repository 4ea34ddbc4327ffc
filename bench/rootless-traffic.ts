/**
 * What passes through a published port of a rootless user's container, from a machine outside: by caisson's forwarder, and by what
 * else does that on this machine.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Contestant, Sample } from './contestant.js';
import { LineProcess } from './line-process.js';
import type { Machines } from './network-machines.js';
import { IMAGE } from './peers.js';
import { race } from './race.js';
import { openRootlessMachine, type RootlessMachine } from './rootless-machine.js';
import { type Measure, TIMES, type TrafficResults } from './traffic.js';
import type { Workspace } from './workspace.js';

const MEASURES: readonly Measure[] = ['bytes', 'answers', 'datagrams', 'connections'];

/** A process of podman's own keeps its namespaces. */
const END_PODMAN =
  'pid=$(cat "$XDG_RUNTIME_DIR/libpod/tmp/pause.pid" 2>/dev/null) && kill -9 "$pid"; true';

interface Rival {
  readonly name: string;
  readonly command: readonly string[];
  readonly options: readonly string[];
  readonly root: readonly string[];
}

/** Each publishes the same ports, on an address of its own. */
const addressOf = (index: number): string => `198.51.1.${100 + index}`;

const published = (address: string): readonly string[] =>
  ['7000:7000', '7001:7001', '7000:7000/udp'].flatMap((port) => ['-p', `${address}:${port}`]);

/** Whether pasta is there, without which a rootless user has no networks. */
export function mayBeRootless(): boolean {
  const found = existsSync('/usr/bin/pasta');
  if (!found) console.error('left out: ports of rootless users (the package passt is missing)');
  return found;
}

/** @param rounds of 10 samples, or of 2 transfers of bytes */
export async function raceRootless(
  workspace: Workspace,
  { caisson, withinOutside }: Machines,
  { rounds, only }: { readonly rounds: number; readonly only: RegExp },
): Promise<TrafficResults[]> {
  const user = openRootlessMachine(workspace, caisson);
  const rivals = await rivalsOf(workspace, user);
  const outside = new LineProcess(withinOutside[0] ?? '', [
    ...withinOutside.slice(1),
    ...[workspace.helper('traffic'), 'ask'],
  ]);
  const servers: LineProcess[] = [];
  const flows: Contestant[] = [];
  const hosts: string[] = [];
  try {
    for (const { name, command, options, root } of rivals) {
      const address = addressOf(servers.length);
      await run([...caisson.within, 'ip', 'address', 'add', `${address}/24`, 'dev', 'outside']);
      const [program = '', ...args] = [
        ...[...user.within, ...command, 'run', '-i', '--rm', ...options, ...published(address)],
        ...[...root, '/traffic', 'serve'],
      ];
      const server = new LineProcess(program, args);
      servers.push(server);
      const answers = await server.ask('').catch((error: unknown) => String(error));
      if (typeof answers === 'string') {
        console.error(`left out: ${name}: ${answers}`);
        continue;
      }
      hosts.push(address);
      flows.push({ name, run: () => Promise.resolve([]) });
    }
    const found: TrafficResults[] = [];
    const [own] = flows;
    for (const [at, rival] of flows.entries()) {
      const path = `rootless: outside → published port (${rival.name})`;
      if (at === 0 || own === undefined || !only.test(path)) continue;
      for (const measure of MEASURES) {
        const contestants = [own, rival].map(({ name }, which): Contestant => ({
          name,
          slow: measure === 'bytes',
          run: async (count) =>
            await outside.ask<Sample>(
              `${measure} ${hosts[which === 0 ? 0 : at] ?? ''} ${count * TIMES[measure]}`,
            ),
        }));
        found.push({ measure, path, results: await race(contestants, { dense: rounds, spaced: 0 }) }); // prettier-ignore
      }
    }
    return found;
  } finally {
    for (const process of [outside, ...servers]) await process[Symbol.asyncDispose]();
    await run([...user.within, 'sh', '-c', END_PODMAN]);
  }
}

async function rivalsOf({ root }: Workspace, user: RootlessMachine): Promise<Rival[]> {
  const rootfs = ['--rootfs', root];
  const rivals: Rival[] = [
    { name: 'caisson', command: user.command, options: ['--network', 'bridge'], root: rootfs },
    { name: 'pasta', command: user.command, options: ['--network', 'pasta'], root: rootfs },
  ];
  const importing = ['sh', '-c', 'tar -C "$0" -c . | "$@"', root];
  const podman = [...user.within, 'podman'];
  try {
    await run([...importing, ...podman, 'import', '-', IMAGE]);
    rivals.push({
      name: 'podman, rootlessport',
      command: ['podman'],
      // Limits need cgroups of the user.
      options: ['--cgroups=disabled', '--network', 'slirp4netns:port_handler=rootlesskit'],
      root: [IMAGE],
    });
  } catch (error) {
    console.error(`left out: podman, which this user cannot run: ${String(error)}`);
  }
  return rivals;
}

async function run([program = '', ...args]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, args)).stdout;
}
