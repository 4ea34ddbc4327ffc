/** Puts together what `machine-info.ts` promises, from files and from what caisson-init has tried. */
import { readFile } from 'node:fs/promises';
import { cpus, hostname, machine, release, totalmem } from 'node:os';
import type { CgroupLayout } from '../cgroup/layout.js';
import { type CgroupDriver, sliceFor } from '../cgroup/systemd/systemd.js';
import { CaissonError } from '../base/errors.js';
import { listAbilities } from './abilities.js';
import { listControllers } from './controllers.js';
import { gatherFacts } from './facts.js';
import type { Paths } from '../base/roots.js';
import { packageVersion } from '../base/package-version.js';
import { freezerLook } from '../cgroup/freezer.js';
import type { ContainerCounts, MachineInfo } from './machine-info.js';
import { defaultPaths } from '../engine/store/paths.js';
import { isSettled, Store } from '../engine/store/store.js';
import type { StoredConfig } from '../engine/store/stored.js';

export async function describeMachine(paths: Partial<Paths>): Promise<MachineInfo> {
  const { dataRoot, runRoot } = defaultPaths(paths);
  const [facts, system] = await Promise.all([gatherFacts(dataRoot), distribution()]);
  const { layout, confinement } = facts;
  const usable = layout.hierarchies.filter(
    (hierarchy) =>
      hierarchy.usable && (hierarchy.version === 2 || hierarchy.controllers.length > 0),
  );
  return {
    version: packageVersion(),
    node: process.version,
    kernel: release(),
    system,
    architecture: machine(),
    cpus: cpus().length,
    memory: totalmem(),
    hostname: hostname(),
    user: { uid: confinement.uid, name: facts.userName },
    ...(confinement.inside === undefined ? {} : { inside: confinement.inside }),
    dataRoot,
    runRoot,
    ...counted(new Store({ dataRoot, runRoot }), layout),
    cgroup: {
      mode: layout.mode,
      driver: driverOf(layout),
      versions: ([1, 2] as const).filter((n) => usable.some(({ version }) => version === n)),
      controllers: listControllers(layout),
    },
    abilities: listAbilities(facts),
  };
}

function driverOf(layout: CgroupLayout): CgroupDriver | 'none' {
  if (sliceFor(layout, undefined) !== undefined) return 'systemd';
  return layout.mode === 'none' ? 'none' : 'cgroupfs';
}

async function distribution(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? 'Linux';
}

/** As Docker counts: what neither runs nor is paused is stopped. What a crash has left is not recovered here. */
function counted(store: Store, layout: CgroupLayout): { containers?: ContainerCounts } {
  const counts = { total: 0, running: 0, paused: 0, stopped: 0 };
  try {
    const isPaused = freezerLook(layout);
    for (const id of store.ids()) {
      const found = store.state(id);
      const config = configOf(store, id);
      if (config === undefined) continue;
      counts.total++;
      const runs = found.state.status === 'running' && isSettled(store, found);
      const paused = runs && config !== 'damaged' && isPaused(config);
      counts[runs ? (paused ? 'paused' : 'running') : 'stopped']++;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    return {};
  }
  return { containers: counts };
}

/** One whose configuration cannot be read is a container, too. */
function configOf(store: Store, id: string): StoredConfig | 'damaged' | undefined {
  try {
    return store.config(id);
  } catch (error) {
    if (error instanceof CaissonError) return 'damaged';
    throw error;
  }
}
