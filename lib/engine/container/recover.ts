/** Bringing a container's state in line with the machine after its supervisor was killed; teardown and deletion. */
import { detectCgroups } from '../../cgroup/detect.js';
import type { CgroupLocation } from '../../cgroup/cgroup-paths.js';
import { planCgroups } from '../../cgroup/limits/plan.js';
import { sliceFor } from '../../cgroup/systemd/systemd.js';
import { CaissonError } from '../../base/errors.js';
import { compileTeardown, type KnownProcess } from '../../program/compile.js';
import { Encoder } from '../../program/encode.js';
import { errnoName } from '../../base/errno.js';
import type { AnyNetwork } from '../../network/bridge/stored-network.js';
import { recordEvent } from '../store/container-events.js';
import { currentConnections } from '../store/current-options.js';
import { recordNetworkEvent } from '../store/network-events.js';
import { withLock } from '../../host/locks.js';
import { bootId } from '../../host/owner.js';
import { isRoot } from '../../host/user-namespace-ids.js';
import { CREATED } from '../store/parse-stored.js';
import { isSettled, type Store } from '../store/store.js';
import type { StoredConfig, StoredState } from '../store/stored.js';
import { anonymousNames } from '../store/volumes-of.js';
import { VolumeStore } from '../../volumes/volume-store.js';
import { releaseAddresses } from './release-addresses.js';
import { tearDown } from './tear-down.js';

/** Docker's, for a container whose exit code is not known. */
const UNKNOWN_EXIT = 255;

const REMOVE_ATTEMPTS = 5;

/** Recovers a container from the death of its supervisor, a crash, or a restart of the machine. */
export async function recover(store: Store, id: string): Promise<void> {
  await withLock(store.paths.runRoot, id, async () => {
    const config = store.config(id);
    if (config === undefined) return;
    const { state, damaged } = store.state(id);
    if (isSettled(store, { state, damaged })) return;
    if (store.isSupervised(state)) return; // it is just removing itself
    await tearDownRun(store, config, state);
    const left = state.status === 'running' ? await networksOf(store, config) : [];
    const disconnected = () =>
      left.forEach((network) =>
        recordNetworkEvent(store.paths.runRoot, network, 'disconnect', { container: id }),
      );
    if (config.autoRemove || state.status === 'removing') {
      disconnected();
      await deleteContainer(store, config);
      return;
    }
    await store.writeState(id, {
      ...state,
      status: 'exited',
      pid: 0,
      startTime: '',
      supervisor: '',
      finishedAt: new Date().toISOString(),
      exitCode: UNKNOWN_EXIT,
      error: reason(state, damaged),
    });
    recordEvent(store, config, 'die', { exitCode: String(UNKNOWN_EXIT) });
    disconnected();
  });
}

async function networksOf(store: Store, config: StoredConfig): Promise<readonly AnyNetwork[]> {
  if (currentConnections(config).length === 0) return [];
  const { connectedNetworks } = await import('../networks/container-networks.js');
  return connectedNetworks(store, config);
}

function reason({ supervisor }: StoredState, damaged: boolean): string {
  if (damaged) return 'its state was damaged; what ran of it has been ended';
  return supervisor.endsWith(bootId())
    ? 'its supervisor was killed, and the container with it'
    : 'the machine was restarted while it ran';
}

/** Ends and removes what a run has outside the container's directory. Nothing of it need be there. */
export async function tearDownRun(
  store: Store,
  config: StoredConfig,
  state: StoredState = CREATED,
): Promise<void> {
  await runTeardown(store, config.id, config, undefined, firstProcess(state));
}

/** Undefined: there can be none any more. */
function firstProcess({ pid, startTime, supervisor }: StoredState): KnownProcess | undefined {
  const known = pid > 1 && /^\d+$/.test(startTime) && supervisor.endsWith(bootId());
  return known ? { pid, startTime } : undefined;
}

/** Removes a container that does not run: its name, what it is, then all other files. */
export async function deleteContainer(store: Store, config: StoredConfig): Promise<void> {
  const { id, name } = config;
  await store.releaseName(name, id);
  await store.removeConfig(id);
  await store.removeSocket(id);
  await removeFiles(store, config);
  if (config.layers !== undefined) {
    const { releaseLayers } = await import('./release-layers.js');
    await releaseLayers(store, config);
  }
  recordEvent(store, config, 'destroy');
  const names = anonymousNames(config.mounts ?? []);
  for (const volume of names) await new VolumeStore(store.paths).removeUser(volume, id);
  if (config.autoRemove) await deleteVolumesOf(store, config);
}

/** The anonymous ones of a container that was removed, unless others have them. */
export async function deleteVolumesOf(store: Store, { mounts = [] }: StoredConfig): Promise<void> {
  const names = anonymousNames(mounts);
  if (names.length === 0) return;
  const { volumesContext } = await import('./volumes-context-of.js');
  const { deleteAnonymous } = await import('../volumes/delete-volumes.js');
  await deleteAnonymous(volumesContext(store), names);
}

async function removeFiles(store: Store, config: StoredConfig): Promise<void> {
  const { id } = config;
  for (let attempt = 1; ; attempt++) {
    try {
      await runTeardown(store, id, config, store.directory(id));
      return;
    } catch (error) {
      // Its supervisor removes the same files, and each may find what the other is moving.
      const busy = error instanceof CaissonError && error.errno === 'EBUSY';
      if (!busy && attempt < REMOVE_ATTEMPTS) continue;
      // Something of it is still there, and so must it be, to be removed again. Why it is is what the caller has to
      // know, also where that cannot be written down.
      await store.writeState(id, { ...CREATED, status: 'removing' }).catch(() => undefined);
      await store.writeConfig(config).catch(() => undefined);
      throw error;
    }
  }
}

/** The same for one whose configuration cannot be read. */
export async function deleteUnreadable(store: Store, id: string): Promise<void> {
  await store.releaseNamesOf(id);
  await store.removeSocket(id);
  // It is not known any more whether the container had a scope of systemd.
  const slice = sliceFor(await detectCgroups(), undefined);
  if (slice !== undefined) await runTeardown(store, id, { cgroupSlice: slice }, undefined);
  await runTeardown(store, id, {}, store.directory(id));
}

async function runTeardown(
  store: Store,
  id: string,
  location: CgroupLocation,
  directory: string | undefined,
  first?: KnownProcess,
): Promise<void> {
  const plan = planCgroups(await detectCgroups(), id, {}, { location });
  const program = compileTeardown(plan, directory, undefined, first);
  const error =
    program.teardown.length === 0 ? null : await tearDown(new Encoder().encode(program));
  await releaseAddresses(store, id);
  if (error === null) return;
  throw new CaissonError(
    'ERR_REMOVE_FAILED',
    `cannot remove ${error.object}: ${error.call}: ${errnoName(error.errno)}`,
    {
      stage: 'teardown',
      syscall: error.call,
      errno: errnoName(error.errno),
      path: error.object,
      hint: isRoot()
        ? undefined
        : 'what belongs to subordinate ids takes the ranges that /etc/subuid and /etc/subgid had at its start',
    },
  );
}
