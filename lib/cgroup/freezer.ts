/**
 * Pausing: the freezer of cgroup v1 (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst), `cgroup.freeze`
 * of v2. A container is paused once all of its processes have stopped, not when that has been requested.
 */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { OWN_CGROUPS } from './systemd/delegation.js';
import type { CgroupLayout } from './layout.js';
import {
  type CgroupLocation,
  cgroupPath,
  type CgroupDirectory,
  isGone,
  parseFlat,
  readIn,
} from './cgroup-paths.js';
import { CaissonError } from '../base/errors.js';
import { isRoot } from '../host/user-namespace-ids.js';

export type FreezerState = 'running' | 'paused';

/** Milliseconds. A process in a disk access stops after it. */
const PATIENCE = 5000;

/** Milliseconds between looks; and how many looks before v1 is thawed for a moment and asked again. */
const LOOK = 2;
const CHECKS_BEFORE_THAW = 100;

/** Undefined if the container has no freezer, or is gone. A container that is being frozen or thawed is `paused`. */
export async function freezerState(
  directories: readonly CgroupDirectory[],
): Promise<FreezerState | undefined> {
  const freezer = await freezerOf(directories);
  if (freezer === undefined) return undefined;
  const look = await freezer.look();
  if (look === undefined) return undefined;
  return look === 'thawed' ? 'running' : 'paused';
}

/** The same for one container after another, synchronously: whether it is paused. */
export function freezerLook(
  layout: CgroupLayout,
): (container: { readonly id: string } & CgroupLocation) => boolean {
  const freezer = layout.controllers.get('freezer');
  if (freezer?.version === 1) {
    return (container) => {
      const dir = `${freezer.mountPoint}${cgroupPath(container.id, container)}`;
      const state = readAtOnce(`${dir}/freezer.state`)?.trim();
      return state !== undefined && state !== 'THAWED';
    };
  }
  const { unified } = layout;
  if (unified === undefined) return () => false;
  return (container) => {
    const dir = `${unified.mountPoint}${cgroupPath(container.id, container)}`;
    return (
      readAtOnce(`${dir}/cgroup.freeze`)?.trim() === '1' ||
      parseFlat(readAtOnce(`${dir}/cgroup.events`)).get('frozen') === 1
    );
  };
}

function readAtOnce(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function freezerV1(directories: readonly CgroupDirectory[]): CgroupDirectory | undefined {
  return directories.find(
    ({ version, controllers }) => version === 1 && controllers.includes('freezer'),
  );
}

/**
 * Returns when the state is reached. If a process cannot be stopped in time, all of them are resumed.
 *
 * @param patience milliseconds
 * @throws ERR_FREEZE_FAILED, ERR_CGROUP_CONTROLLER_MISSING
 */
export async function setFrozen(
  directories: readonly CgroupDirectory[],
  frozen: boolean,
  patience = PATIENCE,
): Promise<void> {
  const freezer = await freezerOf(directories);
  if (freezer === undefined) {
    throw new CaissonError(
      'ERR_CGROUP_CONTROLLER_MISSING',
      'the container is gone, or has no cgroup that can be frozen',
      {
        hint: isRoot()
          ? 'it needs the controller freezer of cgroup v1, or cgroup v2'
          : `${OWN_CGROUPS}; the container then has to be started again`,
      },
    );
  }
  const wanted = frozen ? 'frozen' : 'thawed';
  const end = performance.now() + patience;
  try {
    await freezer.ask(frozen);
    for (let looks = 1; ; looks++) {
      const state = await freezer.look();
      if (state === wanted) return;
      // A resumed container may end at once, for example by a signal that was pending.
      if (state === undefined && !frozen) return;
      if (state === undefined) throw failed(freezer, frozen, 'the container is gone', 'ENOENT');
      if (performance.now() > end) break;
      if (frozen && freezer.forgetful && looks % CHECKS_BEFORE_THAW === 0) {
        await freezer.ask(false);
        await sleep(LOOK);
        await freezer.ask(true);
      } else await sleep(LOOK);
    }
  } catch (cause) {
    if (cause instanceof CaissonError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (frozen && !isGone(cause)) await freezer.ask(false).catch(() => undefined);
    throw failed(freezer, frozen, code ?? String(cause), code, cause);
  }
  if (!frozen) {
    throw failed(freezer, frozen, `it is not after ${patience} ms; is a cgroup above it frozen?`);
  }
  await freezer.ask(false).catch(() => undefined);
  throw failed(freezer, frozen, `not all of it has stopped after ${patience} ms`, 'ETIMEDOUT');
}

interface Freezer {
  readonly path: string;
  /** v1 can miss a process that forks at the wrong moment, until it is asked again (as runc does). */
  readonly forgetful: boolean;
  ask(frozen: boolean): Promise<void>;
  /** Undefined: there is no such cgroup any more. */
  look(): Promise<'frozen' | 'thawed' | 'between' | undefined>;
}

async function freezerOf(directories: readonly CgroupDirectory[]): Promise<Freezer | undefined> {
  const v1 = freezerV1(directories);
  if (v1 !== undefined) {
    const path = `${v1.dir}/freezer.state`;
    return {
      path,
      forgetful: true,
      ask: (frozen) => write(path, frozen ? 'FROZEN' : 'THAWED'),
      look: async () => {
        const state = (await readIn(v1.dir, 'freezer.state'))?.trim();
        if (state === undefined) return undefined;
        return state === 'FROZEN' ? 'frozen' : state === 'THAWED' ? 'thawed' : 'between';
      },
    };
  }
  // A hybrid machine's cgroup2 has the processes too, where the container has a directory in it.
  const v2 = directories.find(({ version }) => version === 2);
  if (v2 === undefined || (await readIn(v2.dir, 'cgroup.freeze')) === undefined) return undefined;
  const path = `${v2.dir}/cgroup.freeze`;
  return {
    path,
    forgetful: false,
    ask: (frozen) => write(path, frozen ? '1' : '0'),
    look: async () => {
      const [asked, events] = await Promise.all([
        readIn(v2.dir, 'cgroup.freeze'),
        readIn(v2.dir, 'cgroup.events'),
      ]);
      if (asked === undefined || events === undefined) return undefined;
      const is = parseFlat(events).get('frozen') === 1;
      if (is) return 'frozen';
      return asked.trim() === '1' ? 'between' : 'thawed';
    },
  };
}

async function write(path: string, value: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(value);
  } finally {
    await file.close();
  }
}

function failed(
  { path }: Freezer,
  frozen: boolean,
  why: string,
  errno?: string,
  cause?: unknown,
): CaissonError {
  const message = `the container could not be ${frozen ? 'paused' : 'resumed'}: ${why}`;
  return new CaissonError('ERR_FREEZE_FAILED', message, { path, errno, cause });
}
