/**
 * Where systemd manages the cgroup tree, a detached container has a scope of its own: systemd.scope(5) and
 * https://systemd.io/CGROUP_DELEGATION/. This file has what can be known without a request to systemd; scope.ts makes
 * the requests.
 */
import { shortId } from '../../base/ids.js';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { inUserNamespace } from '../../host/confinement.js';
import type { CgroupLayout } from '../layout.js';
import type { CgroupWrite } from '../writes.js';

/** The program that makes the parent of a container's cgroup. */
export type CgroupDriver = 'systemd' | 'cgroupfs';

/** The session that requests come from; tests replace it. */
export interface Session {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exists: (path: string) => boolean;
  /** Undefined where there is no such file, or it may not be read. */
  readonly read: (path: string) => string | undefined;
  /** The first process has other id maps: to its systemd this root is an unmapped or another user. */
  readonly foreign?: boolean | undefined;
}

export function ownSession(): Session {
  return {
    uid: process.geteuid?.() ?? 0,
    env: process.env,
    exists: existsSync,
    read: (path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return undefined;
      }
    },
    foreign: inUserNamespace() && usersOf('1') !== usersOf('self'),
  };
}

/** To whom another's is closed, it is another's. */
function usersOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`);
  } catch {
    return undefined;
  }
}

/**
 * The slice for scopes, from the hierarchy's root: `/system.slice`. Undefined: systemd is not to be asked.
 *
 * @param driver undefined: systemd where it can be asked.
 * @throws ERR_SYSTEMD where it is wanted and cannot be
 */
export function sliceFor(
  layout: CgroupLayout,
  driver: CgroupDriver | undefined,
  session: Session = ownSession(),
): string | undefined {
  if (driver === 'cgroupfs') return undefined;
  const obstacle = obstacleTo(layout, session);
  if (obstacle === undefined) return sliceOf(session);
  if (driver === undefined) return undefined;
  throw new CaissonError(
    'ERR_SYSTEMD',
    `cgroupDriver: systemd cannot be asked for scopes: ${obstacle.why}`,
    { stage: 'config', path: 'cgroupDriver', hint: obstacle.hint },
  );
}

interface Obstacle {
  readonly why: string;
  readonly hint: string;
}

function obstacleTo(layout: CgroupLayout, session: Session): Obstacle | undefined {
  return obstacleOfMachine(layout, session) ?? obstacleOfSession(session);
}

/** Undefined also where no bus would help. */
export function missingBus(layout: CgroupLayout, session: Session): Obstacle | undefined {
  return obstacleOfMachine(layout, session) === undefined ? obstacleOfSession(session) : undefined;
}

function obstacleOfMachine({ hierarchies }: CgroupLayout, session: Session): Obstacle | undefined {
  const unified = hierarchies.find(({ version }) => version === 2);
  if (hierarchies.some(({ version, controllers }) => version === 1 && controllers.length > 0)) {
    return {
      why: 'there are controllers in cgroup v1',
      hint: 'systemd.unified_cgroup_hierarchy=1 on the kernel’s command line, or the driver cgroupfs',
    };
  }
  if (unified?.mountRoot !== '/') {
    return { why: 'the whole of cgroup v2 is not mounted here', hint: 'use the driver cgroupfs' };
  }
  // sd_booted(3)
  if (!session.exists('/run/systemd/system')) {
    return {
      why: '/run/systemd/system is missing, so it is not this machine’s init',
      hint: 'use the driver cgroupfs',
    };
  }
  if (session.uid === 0 && session.foreign === true) {
    return {
      why: 'this root is that of a user namespace which systemd is not in',
      hint: 'use the driver cgroupfs, or be who has made the namespace',
    };
  }
  return undefined;
}

function obstacleOfSession(session: Session): Obstacle | undefined {
  const address = busAddress(session);
  const socket = /^unix:path=([^,;]*)/.exec(address)?.[1];
  if (socket !== undefined && !session.exists(decodeURIComponent(socket))) {
    return { why: `there is no bus at ${address}`, hint: busHint(session) };
  }
  return undefined;
}

/** How a session without a bus gets one. */
export function busHint({ uid, exists }: Session): string {
  if (uid === 0) return 'install and start dbus, or use the driver cgroupfs';
  // The user's systemd runs; the bus is a separate package on Debian.
  if (exists(`/run/user/${uid}/systemd`))
    return 'install the package dbus-user-session, then: systemctl --user start dbus.socket';
  return `log in, rather than su; or, once, as root: loginctl enable-linger ${uid}`;
}

/** The system's bus for root, and the user's bus for other users: dbus-daemon(1), pam_systemd(8). */
export function busAddress({ uid, env }: Session): string {
  if (uid === 0) return env['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket';
  const { DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR } = env;
  return DBUS_SESSION_BUS_ADDRESS ?? `unix:path=${XDG_RUNTIME_DIR ?? `/run/user/${uid}`}/bus`;
}

/** As other engines do: system.slice of the system's systemd, user.slice of the user's. */
function sliceOf({ uid, read }: Session): string {
  // Its first process tells where its tree begins, also in a container without a cgroup namespace.
  const root = /^0::(.*)\/init\.scope$/m.exec(read('/proc/1/cgroup') ?? '')?.[1] ?? '';
  if (uid === 0) return `${root}/system.slice`;
  return `${root}/user.slice/user-${uid}.slice/user@${uid}.service/user.slice`;
}

/** A unit's property: name, signature, value. */
export type UnitProperty = readonly [name: string, signature: string, value: unknown];

/** systemd's for v2's: systemd.resource-control(5). Both are from 1 to 10000; bfq's is from 1 to 1000. */
const WEIGHTS: Readonly<
  Record<string, readonly [property: string, of: (value: number) => number]>
> = {
  'cpu.weight': ['CPUWeight', (value) => value],
  'io.weight': ['IOWeight', (value) => value],
  // The inverse of what systemd writes there.
  'io.bfq.weight': [
    'IOWeight',
    (value) => (value <= 100 ? value : Math.round(100 + ((value - 100) * 9900) / 900)),
  ],
};

/**
 * A weight counts among siblings, and those of a container are in scopes of their own: so the scope has it, too.
 *
 * @param writes of the container's cgroup; what is no weight is not for systemd.
 */
export function weightProperties(writes: readonly CgroupWrite[]): UnitProperty[] {
  return writes.flatMap(({ file, value }) => {
    const weight = WEIGHTS[file];
    const number = /^(?:default )?(\d+)$/.exec(value)?.[1];
    if (weight === undefined || number === undefined) return [];
    const [property, of] = weight;
    return [[property, 't', BigInt(of(Number(number)))] as const];
  });
}

/**
 * What the scope is to be: org.freedesktop.systemd1(5).
 *
 * @param limits of the container's cgroup.
 */
export function scopeProperties(
  id: string,
  slice: string,
  name: string,
  pid: number,
  limits: readonly CgroupWrite[] = [],
): UnitProperty[] {
  return [
    ['Description', 's', `caisson container ${name} (${shortId(id)})`],
    ['Slice', 's', basename(slice)],
    ['Delegate', 'b', true],
    // The container's own cgroup has its limit; systemd's default for units would be one more.
    ['TasksMax', 't', 2n ** 64n - 1n],
    // Gone with its last process, also where that was killed.
    ['CollectMode', 's', 'inactive-or-failed'],
    ['PIDs', 'au', [pid]],
    ...weightProperties(limits),
  ];
}
