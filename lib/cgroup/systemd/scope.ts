/** Asking systemd for a container's scope, over D-Bus: org.freedesktop.systemd1(5). Loaded only where that is done. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DBusError, type Message, type MessageBus, Variant } from 'dbus-native';
import { CaissonError } from '../../base/errors.js';
import { isErrno } from '../../base/errno.js';
import { BUS_PATIENCE, BusConnection } from '../../host/message-bus.js';
import { scopeName, scopePath, unifiedPath } from '../cgroup-paths.js';
import type { CgroupWrite } from '../writes.js';
import {
  busAddress,
  busHint,
  ownSession,
  scopeProperties,
  type Session,
  type UnitProperty,
  weightProperties,
} from './systemd.js';

/** Milliseconds. */
const PAUSE = 20;

/** What StartTransientUnit says while the scope of the run before is there. */
const STILL_THERE: ReadonlySet<string | undefined> = new Set([
  'org.freedesktop.systemd1.UnitExists',
  'org.freedesktop.systemd1.TransactionIsDestructive',
]);

const MANAGER = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

export class Systemd {
  /** Results of jobs, by their path: a signal may come before the answer that names it. */
  private readonly jobs = new Map<string, string>();
  private onJob: (() => void) | undefined;
  private readonly bus: MessageBus;

  private constructor(
    private readonly connection: BusConnection,
    private readonly session: Session,
  ) {
    this.bus = connection.bus;
    this.bus.connection.on('message', ({ member, body }: Message) => {
      if (member !== 'JobRemoved' || body === undefined) return;
      const [, job, , result] = body as [number, string, string, string];
      this.jobs.set(job, result);
      this.onJob?.();
    });
  }

  /**
   * The systemd of this user, by its bus.
   *
   * @throws ERR_SYSTEMD
   */
  static async open(session: Session = ownSession()): Promise<Systemd> {
    const address = busAddress(session);
    let connection: BusConnection | undefined;
    try {
      connection = await BusConnection.open(address);
      const systemd = new Systemd(connection, session);
      await systemd.bus.addMatch(
        `type='signal',interface='${MANAGER.interface}',member='JobRemoved'`,
      );
      return systemd;
    } catch (error) {
      connection?.close();
      throw new CaissonError(
        'ERR_SYSTEMD',
        `systemd cannot be reached by the bus at ${address}: ${connection?.reasonOf(error) ?? textOf(error)}`,
        { stage: 'host', path: address, hint: busHint(session), cause: error },
      );
    }
  }

  /** At once: a bus that says nothing any more is not waited for. */
  close(): void {
    this.connection.close();
  }

  /**
   * Puts a process into a scope of its own, and there into a leaf beside the container's cgroup: a cgroup that
   * hands controllers on takes no process.
   *
   * @param mountPoint of cgroup v2
   * @param slice as `sliceFor` gives it
   * @param limits of the container's cgroup
   * @throws ERR_SYSTEMD
   */
  async enterScope(
    mountPoint: string,
    slice: string,
    { id, name }: { readonly id: string; readonly name: string },
    pid: number,
    limits: readonly CgroupWrite[] = [],
  ): Promise<void> {
    await this.startScope(slice, id, name, pid, limits);
    const scope = scopePath(id, slice);
    const leaf = `${scope}/supervisor`;
    const now = await cgroupOf(pid);
    if (now !== scope && now !== leaf) {
      throw new CaissonError(
        'ERR_SYSTEMD',
        `systemd has put the container’s scope at ${now ?? 'a place that cannot be seen'} and not at ${scope}`,
        { stage: 'host', path: scope, hint: 'use the driver cgroupfs' },
      );
    }
    const dir = `${mountPoint}${leaf}`;
    try {
      await mkdir(dir).catch((error: unknown) => {
        if (!isErrno(error, 'EEXIST')) throw error;
      });
      await writeFile(`${dir}/cgroup.procs`, String(pid));
    } catch (cause) {
      const { code, syscall } = cause as NodeJS.ErrnoException;
      throw new CaissonError('ERR_SYSTEMD', `the scope’s cgroup cannot be used: ${textOf(cause)}`, {
        stage: 'host',
        syscall,
        errno: code,
        path: dir,
        hint: 'use the driver cgroupfs',
        cause,
      });
    }
  }

  /**
   * Puts a process into a container's cgroup.
   *
   * @throws ERR_SYSTEMD
   */
  async attach(id: string, pid: number): Promise<void> {
    const unit = scopeName(id);
    try {
      await this.call('AttachProcessesToUnit', 'ssau', [unit, '/container', [pid]]);
    } catch (error) {
      throw this.refused(unit, 'take a process', error);
    }
  }

  /**
   * Gives a container's scope the weights among these, which its cgroup has.
   *
   * @throws ERR_SYSTEMD
   */
  async weigh(id: string, limits: readonly CgroupWrite[]): Promise<void> {
    const properties = weightProperties(limits);
    if (properties.length === 0) return;
    const unit = scopeName(id);
    try {
      await this.call('SetUnitProperties', 'sba(sv)', [unit, true, properties.map(variant)]);
    } catch (error) {
      throw this.refused(unit, 'take a weight', error);
    }
  }

  private async startScope(
    slice: string,
    id: string,
    name: string,
    pid: number,
    limits: readonly CgroupWrite[],
  ): Promise<void> {
    const unit = scopeName(id);
    const properties = scopeProperties(id, slice, name, pid, limits).map(variant);
    for (const end = performance.now() + BUS_PATIENCE; ; await sleep(PAUSE)) {
      try {
        const job = await this.call<string>('StartTransientUnit', 'ssa(sv)a(sa(sv))', [
          unit,
          'fail',
          properties,
          [],
        ]);
        const result = await this.resultOf(job);
        if (result === 'done') return;
        throw this.refused(unit, 'start', `its job ended with "${result}"`);
      } catch (error) {
        if (error instanceof CaissonError) throw error;
        const patient = STILL_THERE.has((error as DBusError).dbusName) && performance.now() < end;
        if (!patient) throw this.refused(unit, 'start', error);
      }
      // The supervisor of the run before may be there for a while, for clients that read slowly: then it is shared.
      const attached = this.call('AttachProcessesToUnit', 'ssau', [unit, '/supervisor', [pid]]);
      const joined = await attached.then(
        () => true,
        () => false, // it is just leaving
      );
      if (joined) {
        await this.weigh(id, limits);
        return;
      }
    }
  }

  private async call<T>(member: string, signature: string, body: unknown[]): Promise<T> {
    return this.bus.invoke<T>({ ...MANAGER, member, signature, body });
  }

  private async resultOf(job: string): Promise<string> {
    const end = performance.now() + BUS_PATIENCE;
    for (;;) {
      const result = this.jobs.get(job);
      if (result !== undefined) return result;
      const left = end - performance.now();
      if (left <= 0) return 'timeout';
      const told = new Promise<void>((resolve) => (this.onJob = resolve));
      const enough = new AbortController();
      const late = sleep(left, undefined, { signal: enough.signal }).catch(() => undefined);
      await Promise.race([told, late]);
      enough.abort();
    }
  }

  private refused(unit: string, what: string, cause: unknown): CaissonError {
    return new CaissonError('ERR_SYSTEMD', `systemd: ${unit} does not ${what}: ${textOf(cause)}`, {
      stage: 'host',
      path: unit,
      hint: `systemctl ${this.session.uid === 0 ? '' : '--user '}status ${unit}; the driver cgroupfs does without`,
      cause,
    });
  }
}

function variant([property, signature, value]: UnitProperty): [string, Variant] {
  return [property, new Variant(signature, value)];
}

/** Of cgroup v2, as the kernel says it; undefined when there is no such process. */
async function cgroupOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
  return unifiedPath(text);
}

function textOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
