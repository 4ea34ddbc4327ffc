/**
 * What passes between containers, their host and a machine outside, with caisson and with Docker in turn, and what a policy
 * costs: all of it sent and timed by bench/floor/traffic.c, in containers of the same root.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Contestant, Sample } from './contestant.js';
import { LineProcess } from './line-process.js';
import type { Machine, Machines } from './network-machines.js';
import { race } from './race.js';
import type { Result } from './report.js';

/** What bench/floor/traffic.c measures, by the name that it has there. */
export type Measure = 'bytes' | 'answers' | 'datagrams' | 'connections' | 'names';
/** Of `bytes`. */
export const BYTES = 256 * 2 ** 20;
/** How many of them are one start's worth. */
export const TIMES: Readonly<Record<Measure, number>> = {
  bytes: 1,
  answers: 1,
  datagrams: 1,
  connections: 20,
  // Each name has another address, and a container with a policy has at most 1024 of them open at a time.
  names: 2,
};

export interface TrafficResults {
  readonly measure: Measure;
  /** From where to where. */
  readonly path: string;
  readonly results: readonly Result[];
}

/** Who asks, and whom. */
interface Flow {
  readonly name: string;
  readonly client: LineProcess;
  readonly host: string;
}

/** One thing that is measured of several. */
interface Comparison {
  readonly path: string;
  readonly measures: readonly Measure[];
  readonly flows: readonly Flow[];
}

export const POLICY = 'caisson, policy';
const ALL: readonly Measure[] = ['bytes', 'answers', 'datagrams', 'connections'];
const PORTS = ['-p', '7000:7000', '-p', '7001:7001', '-p', '7000:7000/udp'];

class Ground implements AsyncDisposable {
  readonly #processes: LineProcess[] = [];

  open(command: readonly string[]): LineProcess {
    const [program = '', ...args] = command;
    const process = new LineProcess(program, args);
    this.#processes.push(process);
    return process;
  }

  container(
    machine: Machine,
    program: 'ask' | 'serve',
    ...options: readonly string[]
  ): LineProcess {
    const { within, command, root } = machine;
    return this.open([
      ...within,
      ...command,
      'run',
      '-i',
      '--rm',
      ...options,
      ...root,
      '/traffic',
      program,
    ]);
  }

  /** @returns its address */
  async server(machine: Machine, ...options: readonly string[]): Promise<string> {
    const server = this.container(machine, 'serve', ...options);
    const [answer] = await server.ask<{ readonly address: string }>('');
    if (answer === undefined) throw new Error(`${machine.engine}: ${server.complaints}`);
    return answer.address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes.reverse()) await process[Symbol.asyncDispose]();
  }
}

async function compareEngines(
  ground: Ground,
  { caisson, docker, withinOutside }: Machines,
  traffic: string,
): Promise<Comparison[]> {
  const paths = [
    'container → container',
    'host → container',
    'host → port of 127.0.0.1',
    'outside → published port',
    'container → outside',
  ] as const;
  const flows = new Map<string, Flow[]>(paths.map((path) => [path, []]));
  const outside = ground.open([...withinOutside, traffic, 'ask']);
  for (const machine of [caisson, ...(docker ? [docker] : [])]) {
    const network = ['--network', 'bridge'];
    const server = await ground.server(machine, ...network, ...PORTS);
    const inside = ground.container(machine, 'ask', ...network);
    const host = ground.open([...machine.within, traffic, 'ask']);
    const add = (path: (typeof paths)[number], client: LineProcess, to: string) =>
      flows.get(path)?.push({ name: machine.engine, client, host: to });
    add('container → container', inside, server);
    add('host → container', host, server);
    add('host → port of 127.0.0.1', host, '127.0.0.1');
    add('outside → published port', outside, machine.address);
    add('container → outside', inside, machine.outside);
  }
  return paths.map((path) => ({
    path,
    // Docker's proxy has the port there: its queue, and the connection to it, are not those of the container.
    measures: path === 'host → port of 127.0.0.1' ? ['bytes', 'answers'] : ALL,
    flows: flows.get(path) ?? [],
  }));
}

async function comparePolicies(ground: Ground, { caisson }: Machines): Promise<Comparison[]> {
  const network = ['--network', 'policies'];
  const [program = '', ...args] = [...caisson.within, ...caisson.command];
  await promisify(execFile)(program, [...args, 'network', 'create', 'policies']);
  const server = await ground.server(caisson, ...network);
  const free = ground.container(caisson, 'ask', ...network);
  const policy = [`${server}`, caisson.outside, '*.bench.example'];
  const held = ground.container(
    caisson,
    ...(['ask', ...network] as const),
    ...policy.flatMap((rule) => ['--allow', rule]),
  );
  const flows = (host: string): Flow[] => [
    { name: 'caisson', client: free, host },
    { name: POLICY, client: held, host },
  ];
  return [
    { path: 'policy: container → container', measures: ALL, flows: flows(server) },
    { path: 'policy: container → outside', measures: ALL, flows: flows(caisson.outside) },
    { path: 'policy: by name, with look-up', measures: ['names'], flows: flows('bench.example') },
  ];
}

/** @param rounds of 10 samples, or of 2 transfers of bytes */
export async function raceTraffic(
  machines: Machines,
  traffic: string,
  { rounds, only }: { readonly rounds: number; readonly only: RegExp },
): Promise<TrafficResults[]> {
  await using ground = new Ground();
  const comparisons = [
    ...(await compareEngines(ground, machines, traffic)),
    ...(await comparePolicies(ground, machines)),
  ];
  const found: TrafficResults[] = [];
  for (const { path, measures, flows } of comparisons) {
    if (!only.test(path)) continue;
    for (const measure of measures) {
      const contestants = flows.map(({ name, client, host }): Contestant => ({
        name,
        slow: measure === 'bytes',
        run: async (count) =>
          await client.ask<Sample>(`${measure} ${host} ${count * TIMES[measure]}`),
      }));
      const results = await race(contestants, { dense: rounds, spaced: 0 });
      found.push({ measure, path, results });
    }
  }
  return found;
}
