/**
 * How long a start takes: the C floor, caisson from Node and as a command, `child_process.spawn`, and the other
 * engines of this machine, from request to exit of a program that does nothing; then exec, detached starts, and bytes
 * through streams. All in one run and in turn, because machines differ, and differ from minute to minute: only the ratios mean something.
 */
import { existsSync } from 'node:fs';
import { freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Contestant, Sample } from './contestant.js';
import { openDetached } from './detached.js';
import { imageTable, imageTargets, type ImageResults } from './image-report.js';
import { raceImages } from './images.js';
import { LineProcess } from './line-process.js';
import { openMachines } from './network-machines.js';
import { NETWORKS, openNetworks } from './network.js';
import { openCommands, openLaunchers } from './peers.js';
import { mayBeRootless, raceRootless } from './rootless-traffic.js';
import { race } from './race.js';
import {
  caissonName,
  FLOOR,
  type DetachedResults,
  detachedTable,
  save,
  spawnName,
  streamTable,
  streamTargets,
  table,
  targets,
} from './report.js';
import { openPools } from './pools.js';
import { openStreams } from './streams.js';
import { raceTraffic, type TrafficResults } from './traffic.js';
import { trafficTable, trafficTargets } from './traffic-report.js';
import { openWorkspace } from './workspace.js';

const usage = `usage: npm run bench -- [options]
  --quick            a tenth of the starts, and no 4 GiB heap
  --only PATTERN     only contestants whose name matches (the floor is always there)
  --part NAME        only start, exec, detached, jobs, pools, network, streams or images; may be repeated
                     (network: in scripts/with-docker --network, if Docker's is to be timed as well;
                     images: in scripts/with-docker; it takes some minutes and up to 20 GB of disk,
                     and is left out without --part)
  --rounds N         rounds back to back (20), of 10 starts each
  --spaced-rounds N  rounds with 100 ms between starts (10), of 5 starts each
  --pulls N          rounds of pulls of the large image (5); of the small one twice as many
  --heap MIB         heaps of the Node contestants; may be repeated (50, 4096)
  --check            exit with 1 when a target of the project is missed`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    part: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    'spaced-rounds': { type: 'string' },
    pulls: { type: 'string' },
    heap: { type: 'string', multiple: true },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}

const rounds = Number(values.rounds ?? (values.quick ? 3 : 20));
const spacedRounds = Number(values['spaced-rounds'] ?? (values.quick ? 2 : 10));
const parts = new Set(
  values.part ?? ['start', 'exec', 'detached', 'jobs', 'pools', 'network', 'streams'],
);
// Images have a process of their own.
const usual = values.quick || [...parts].every((part) => part === 'images') ? [50] : [50, 4096];
const heaps = (values.heap?.map(Number) ?? usual).filter((mib) => {
  if (mib * 2 ** 20 < freemem() * 0.8) return true;
  console.error(`left out: a heap of ${mib} MiB does not fit this machine`);
  return false;
});
const only = new RegExp(values.only ?? '');

if (process.getuid?.() !== 0) {
  console.error('bench: needs root, as the floor and most contestants do');
  process.exit(1);
}

const workspace = await openWorkspace();
await using floor = new LineProcess(workspace.helper('floor'), [
  ...['--serve', '--work', workspace.directory, '--lower', workspace.root],
]);
const launchers = openLaunchers(workspace);
const nodes: LineProcess[] = [launchers.plain, launchers.v1Only];
await using _nodes = {
  [Symbol.asyncDispose]: async (): Promise<void> => {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  },
};

const floorAlone: readonly Contestant[] = [
  { name: FLOOR, run: async (count, spacing) => await floor.ask<Sample>(`${count} ${spacing}`) },
];
const contestants = [...floorAlone];
const worker = fileURLToPath(new URL('node-worker.js', import.meta.url));
for (const heap of heaps) {
  const node = new LineProcess(process.execPath, [
    ...[`--max-old-space-size=${heap + 1024}`, worker],
    ...[String(heap), workspace.directory, workspace.root],
  ]);
  nodes.push(node);
  const contestant = (name: string, what: string): Contestant => ({
    name,
    slow: what === 'spawn' && heap > 1024,
    run: async (count, spacing) => await node.ask<Sample>(`${what} ${count} ${spacing}`),
  });
  if (existsSync(new URL('../lib/index.js', import.meta.url))) {
    contestants.push(contestant(caissonName(heap), 'caisson'));
  } else {
    console.error('left out: caisson, which is not built');
  }
  contestants.push(contestant(spawnName(heap), 'spawn'));
}
if (parts.has('start')) contestants.push(...(await openCommands(workspace, launchers)));

const taking = contestants.filter(({ name }) => name === FLOOR || only.test(name));
const results = parts.has('start')
  ? await race(taking, { dense: rounds, spaced: spacedRounds })
  : [];
const kept: DetachedResults[] = [];
const isKeeping = ['exec', 'detached', 'jobs'].some((part) => parts.has(part));
const keeping = isKeeping ? await openDetached(workspace, launchers, nodes[2]) : [];
const [, , small] = nodes;
if (small !== undefined) keeping.push(openPools(small, floorAlone));
for (const { part, title, contestants: all } of keeping) {
  if (!parts.has(part)) continue;
  const chosen = all.filter(({ name }) => only.test(name));
  kept.push({ title, results: await race(chosen, { dense: rounds, spaced: spacedRounds }) });
}
const traffic: TrafficResults[] = [];
if (parts.has('network')) {
  await using machines = await openMachines(workspace);
  const open = (command: readonly string[]): LineProcess => {
    const [program = '', ...args] = command;
    const process = new LineProcess(program, args);
    nodes.push(process);
    return process;
  };
  const chosen = await openNetworks(workspace, machines, open, only);
  const all = chosen.length > 0 ? [...floorAlone, ...chosen] : [];
  const results = await race(all, { dense: rounds, spaced: spacedRounds });
  if (results.length > 0) kept.push({ title: NETWORKS, results });
  traffic.push(...(await raceTraffic(machines, workspace.helper('traffic'), { rounds, only })));
  if (mayBeRootless()) traffic.push(...(await raceRootless(workspace, machines, { rounds, only })));
}
const streams: DetachedResults[] = [];
if (parts.has('streams') && small !== undefined) {
  for (const { title, contestants: all } of openStreams(small)) {
    const chosen = all.filter(({ name }) => only.test(name));
    const dense = Math.ceil(rounds / 4);
    streams.push({ title, results: await race(chosen, { dense, spaced: 0 }) });
  }
}
let images: ImageResults | undefined;
const [cFloor] = floorAlone;
if (parts.has('images') && cFloor !== undefined)
  images = await raceImages(workspace, cFloor, {
    only,
    rounds: Number(values.pulls ?? (values.quick ? 2 : 5)),
    starts: rounds * 50,
    layer: values.quick ? 128 : 1024,
  });
workspace.clear();

const met = [
  ...targets(results, kept, heaps),
  ...trafficTargets(traffic),
  ...streamTargets(streams),
  ...(images === undefined ? [] : imageTargets(images)),
];
if (results.length > 0) console.log(table(results));
if (kept.length > 0) console.log(`\n${detachedTable(kept)}`);
if (traffic.length > 0) console.log(`\n${trafficTable(traffic)}`);
if (streams.length > 0) console.log(`\n${streamTable(streams)}`);
if (images !== undefined) console.log(`\n${imageTable(images)}`);
console.log('');
for (const { text, value, limit, met: good } of met) {
  console.log(`${good ? '✔' : '✘'} ${text}: ${value.toFixed(3)} (at most ${limit})`);
}
const all = [
  ...kept,
  ...streams,
  ...(images === undefined ? [] : [...images.pulls, { title: 'starts', results: images.starts }]),
];
console.log(await save(results, all, traffic, met, { rounds, spacedRounds, heaps }));
if (values.check && met.some((target) => !target.met)) process.exitCode = 1;
