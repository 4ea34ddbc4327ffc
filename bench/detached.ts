/** Containers that are kept: a further program in one, and starting one detached. caisson and whoever else is installed. */
import { writeBundle } from './bundle.js';
import type { Contestant, Sample } from './contestant.js';
import type { LineProcess } from './line-process.js';
import {
  HIDE_UNIFIED,
  IMAGE,
  importImage,
  installed,
  type Launchers,
  PODMAN_LIMITS,
  works,
} from './peers.js';
import { BASE, JOB_PAIRS, JOBS } from './report.js';
import { repository, type Workspace } from './workspace.js';

export interface DetachedPart {
  readonly part: 'exec' | 'detached' | 'jobs' | 'pools';
  readonly title: string;
  readonly contestants: readonly Contestant[];
}

/** An engine by its commands. */
interface Commands {
  readonly name: string;
  readonly launcher: LineProcess;
  readonly slow?: boolean;
  readonly runDetached: (id: string) => readonly string[];
  readonly exec: (id: string) => readonly string[];
  readonly remove: (id: string) => readonly string[];
  /** Removes all that have been started here. */
  readonly removeAll: string;
}

const PROGRAM = ['sleep', '100000'];
const LIMITS = ['-m', '64m', '--cpu-shares', '512'];

async function commands(workspace: Workspace, launchers: Launchers): Promise<Commands[]> {
  const { directory, root } = workspace;
  const words = [`${repository}bin/caisson`, '--data-root', `${directory}/data-command`];
  const caisson = [...words, '--run-root', `${directory}/run-command`];
  const found: Commands[] = [
    {
      name: 'caisson (command)',
      launcher: launchers.plain,
      slow: true,
      runDetached: (id) =>
        [...caisson, 'run', '-d', '--name', id, '--network', 'none', ...LIMITS].concat([
          '--rootfs',
          root,
          ...PROGRAM,
        ]),
      exec: (id) => [...caisson, 'exec', id, '/true'],
      remove: (id) => [...caisson, 'rm', '-f', id],
      removeAll: `${caisson.join(' ')} ps -aq | xargs -r ${caisson.join(' ')} rm -f`,
    },
  ];
  for (const [program, name] of [
    ['crun', BASE],
    ['runc', 'runc'],
  ] as const) {
    if (!(await installed(program))) continue;
    const bundle = await writeBundle(`${directory}/kept-${program}`, root, 'docker', PROGRAM);
    const state = `${directory}/state-kept-${program}`;
    const oci = [program, '--root', state];
    const all = `for id in $(ls ${state}); do ${oci.join(' ')} delete -f $id; done`;
    found.push({
      name,
      // crun refuses a hybrid machine whose cgroup2 has any controller.
      launcher: program === 'crun' ? launchers.v1Only : launchers.plain,
      slow: program === 'runc',
      runDetached: (id) => [...oci, 'run', '--detach', '--bundle', bundle, id],
      exec: (id) => [...oci, 'exec', id, '/true'],
      remove: (id) => [...oci, 'delete', '--force', id],
      removeAll: program === 'crun' ? `unshare -m sh -c '${HIDE_UNIFIED}; ${all}'` : all,
    });
  }
  for (const program of ['podman', 'docker']) {
    if (!(await installed(program)) || !(await works(program, 'info'))) continue;
    if (!(await importImage(program, root))) continue;
    const label = `caisson-bench=${process.pid}`;
    const ulimits = program === 'podman' ? PODMAN_LIMITS : [];
    const hidden = (script: string): string =>
      program === 'podman' ? `unshare -m sh -c '${HIDE_UNIFIED}; ${script}'` : script;
    const force = program === 'podman' ? ['rm', '-f', '-t', '0'] : ['rm', '-f'];
    found.push({
      name: program,
      // Its runtime is crun, too.
      launcher: program === 'podman' ? launchers.v1Only : launchers.plain,
      slow: true,
      runDetached: (id) =>
        [program, 'run', '-d', '--name', id, '--label', label, ...ulimits, ...LIMITS].concat([
          '--network',
          'none',
          IMAGE,
          ...PROGRAM,
        ]),
      exec: (id) => [program, 'exec', id, '/true'],
      remove: (id) => [program, ...force, id],
      removeAll: hidden(
        `${program} ps -aq --filter label=${label} | xargs -r ${program} ${force.join(' ')}`,
      ),
    });
  }
  return found;
}

async function timed(
  { name, launcher }: Pick<Commands, 'name' | 'launcher'>,
  argv: readonly string[],
  count = 1,
  spacingMs = 0,
): Promise<Sample[]> {
  const line = [`${count} ${spacingMs} 60`, ...argv].join('\t');
  const answers = await launcher.ask<Sample & { exitCode?: number }>(line);
  const failed = answers.find(({ exitCode }) => exitCode !== undefined);
  if (failed === undefined) return answers;
  throw new Error(`${name}: exit code ${failed.exitCode}: ${launcher.complaints.split('\n')[0]}`);
}

/** Starts with the same options: the same program each time, and another argument and variable each time. */
function jobs(byNode: (what: string, name: string) => Contestant): Contestant[] {
  return JOB_PAIRS.flatMap(({ same, other }) => [
    byNode(same.replaceAll(' ', '-'), same),
    byNode(other.replaceAll(' ', '-'), other),
  ]);
}

/** @param node a Node process that has caisson's library (node-worker.ts) */
export async function openDetached(
  workspace: Workspace,
  launchers: Launchers,
  node: LineProcess | undefined,
): Promise<DetachedPart[]> {
  const exec: Contestant[] = [];
  const detached: Contestant[] = [];
  const byNode = (what: string, name = 'caisson'): Contestant => ({
    name,
    run: async (count, spacing) => (await node?.ask<Sample>(`${what} ${count} ${spacing}`)) ?? [],
  });
  if (node !== undefined) {
    exec.push(byNode('exec'));
    detached.push(byNode('detached'));
  }
  exec.push({
    name: 'node -e 0, for comparison',
    slow: true,
    run: (count, spacing) =>
      timed(
        { name: 'node', launcher: launchers.plain },
        [process.execPath, '-e', '0'],
        count,
        spacing,
      ),
  });
  for (const engine of await commands(workspace, launchers)) {
    const { name, slow } = engine;
    const kept = `caisson-bench-${process.pid}-kept`;
    workspace.atExit(engine.removeAll);
    try {
      await timed(engine, engine.runDetached(kept));
      await timed(engine, engine.exec(kept), 2);
    } catch (error) {
      console.error(`left out: ${(error as Error).message}`);
      continue;
    }
    exec.push({
      name,
      slow,
      run: (count, spacing) => timed(engine, engine.exec(kept), count, spacing),
    });
    let serial = 0;
    detached.push({
      name,
      slow,
      run: async (count, spacing) => {
        const samples: Sample[] = [];
        for (let i = 0; i < count; i++) {
          const id = `caisson-bench-${process.pid}-${serial++}`;
          samples.push(...(await timed(engine, engine.runDetached(id), 1, spacing)));
          await timed(engine, engine.remove(id));
        }
        return samples;
      },
    });
  }
  return [
    { part: 'exec', title: 'exec, to its exit', contestants: exec },
    { part: 'detached', title: 'run -d, until it runs', contestants: detached },
    { part: 'jobs', title: JOBS, contestants: node === undefined ? [] : jobs(byNode) },
  ];
}
