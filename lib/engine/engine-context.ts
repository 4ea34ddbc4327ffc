/** What an engine has found out about its machine, and what its starts and containers share. */
import { join } from 'node:path';
import { checkOptions, invalid } from '../base/check.js';
import { CaissonError } from '../base/errors.js';
import { smallFile } from '../base/small-file.js';
import { detectCgroups } from '../cgroup/detect.js';
import { evacuateRoot } from '../cgroup/evacuate.js';
import { planCgroups } from '../cgroup/limits/plan.js';
import { type CgroupDriver, sliceFor } from '../cgroup/systemd/systemd.js';
import type { Paths } from '../base/roots.js';
import { thermalThrottlePaths } from '../host/cpu-masks.js';
import { ownerName } from '../host/owner.js';
import { findUserNamespaceIds, isRoot } from '../host/user-namespace-ids.js';
import { loadNative } from '../native/load.js';
import type { ClaimContext } from '../network/bridge/claim-context.js';
import { VolumeHolds } from '../volumes/volume-holds.js';
import { compileEngineTeardown, parentsOf } from '../program/compile.js';
import { Encoder, type Fault } from '../program/encode.js';
import type { ContainerContext } from './container/container-context.js';
import type { HostFacts } from './options/config.js';
import { RunningExecutions } from './running-executions.js';
import type { StartContext, StartWarning } from './start/context.js';
import { IdRanges } from './start/id-ranges.js';
import { defaultPaths } from './store/paths.js';
import { Store } from './store/store.js';

/** Where an engine has its files, and what it tells. */
export interface EngineOptions {
  /**
   * What outlives a reboot: images, containers' files. Default `/var/lib/caisson`; a user's: `$XDG_DATA_HOME/caisson`.
   * Relative to the working directory when the engine is opened, as `runRoot` is.
   */
  readonly dataRoot?: string | undefined;
  /** What does not: locks. Default `/run/caisson`; a user's: `$XDG_RUNTIME_DIR/caisson`. */
  readonly runRoot?: string | undefined;
  /**
   * What makes the cgroups of detached containers: `systemd` (a scope for each), or `cgroupfs` (caisson, below a directory
   * of its own). Default: `systemd` where there is nothing but cgroup v2 and systemd manages it. A container stays with
   * the driver that it was created with.
   */
  readonly cgroupDriver?: CgroupDriver | undefined;
  /**
   * Called with what a start could not do, and does not fail for, such as a network that the host's firewall may not
   * forward. Default: process.emitWarning() with the code CAISSON_WARNING.
   */
  readonly onWarning?: ((warning: StartWarning) => void) | undefined;
  /** @internal Makes one step of every start fail or be killed; for tests, in debug builds of the addon. */
  readonly fault?: Fault | undefined;
}

export interface EngineContext extends StartContext, ContainerContext {
  readonly running: RunningExecutions;
}

const CGROUP_DRIVERS: ReadonlySet<unknown> = new Set<CgroupDriver>(['systemd', 'cgroupfs']);

/** @throws ERR_NATIVE_LOAD, ERR_NO_PRIVILEGES, ERR_SYSTEMD */
export async function openContext(options: EngineOptions): Promise<EngineContext> {
  const { dataRoot, runRoot } = defaultPaths(pathsOf(checkOptions(options)));
  const { cgroupDriver, fault, onWarning = emitWarning } = options;
  const binding = loadNative();
  if (fault !== undefined && !binding.faults) {
    throw new CaissonError('ERR_UNSUPPORTED_OPTION', 'fault: only debug builds inject faults', {
      stage: 'config',
      path: 'fault',
    });
  }
  if (cgroupDriver !== undefined && !CGROUP_DRIVERS.has(cgroupDriver))
    throw invalid('cgroupDriver', cgroupDriver, 'is neither "systemd" nor "cgroupfs"');
  if (typeof onWarning !== 'function') throw invalid('onWarning', onWarning, 'is not a function');
  const layout = await detectCgroups();
  const slice = sliceFor(layout, cgroupDriver);
  const store = new Store({ dataRoot, runRoot });
  // A container's root may write set-user-id files that belong to the host's root: other users must not reach them.
  store.prepare();
  const host = lookAtHost();
  const idRanges = IdRanges.open(binding, join(runRoot, 'ids'));
  const users = await findUserNamespaceIds();
  await evacuateRoot(layout);
  const running = new RunningExecutions();
  let networks: Promise<ClaimContext> | undefined;
  const context: EngineContext = {
    store,
    dataRoot,
    containersRoot: store.containers,
    binding,
    layout,
    slice,
    kernel: binding.probe(),
    host,
    // What a worker thread of root's leaves is torn down by its process; a rootless user's by the next engine.
    owner: ownerName(isRoot() ? 'self' : 'thread-self'),
    idRanges,
    networks: () => (networks ??= loadNetworks(store)),
    volumes: new VolumeHolds(binding, dataRoot),
    async createVolumes(mounts) {
      const { createVolumes } = await import('./container/volumes-context-of.js');
      await createVolumes(context, mounts);
    },
    users,
    warn: onWarning,
    encoder: new Encoder(),
    fault,
    running,
    cgroups: () => Promise.resolve(layout),
    startContext: () => Promise.resolve(context),
    adopt: ({ execution, gone }) => {
      running.add(execution);
      void gone.then(() => running.remove(execution));
    },
  };
  const parents = parentsOf(planCgroups(layout, 'none', {}));
  binding.retain(context.encoder.encode(compileEngineTeardown(parents)));
  return context;
}

function emitWarning({ message, hint }: StartWarning): void {
  process.emitWarning(message, { code: 'CAISSON_WARNING', detail: hint });
}

/** Loaded when a container is first connected to a network. */
async function loadNetworks(store: Store): Promise<ClaimContext> {
  const { claimContext } = await import('./networks/container-lookup.js');
  return claimContext(store);
}

function pathsOf({ dataRoot, runRoot }: EngineOptions): Partial<Paths> {
  return {
    ...(dataRoot === undefined ? {} : { dataRoot }),
    ...(runRoot === undefined ? {} : { runRoot }),
  };
}

function lookAtHost(): HostFacts {
  const read = (path: string, otherwise: string) => (smallFile(path) ?? otherwise).trim();
  const cpus = read('/sys/devices/system/cpu/online', '0');
  const mems = read('/sys/devices/system/node/online', '0');
  const lastCap = read('/proc/sys/kernel/cap_last_cap', '40');
  const status = read('/proc/self/status', '');
  const permitted = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return {
    cpus,
    mems,
    lastCap: Number(lastCap),
    rootless: !isRoot(),
    cpuMasks: thermalThrottlePaths(),
    // A rootless container has all of them in its user namespace.
    permitted: !isRoot() || permitted === undefined ? undefined : BigInt(`0x${permitted}`),
  };
}
