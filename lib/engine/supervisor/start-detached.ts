/** Starting a detached container: its supervisor, and the wait for the program's exec. */
import { join } from 'node:path';
import { Socket } from 'node:net';
import type { CgroupWrite } from '../../cgroup/writes.js';
import { withSystemd } from '../../cgroup/systemd/with-systemd.js';
import { CaissonError } from '../../base/errors.js';
import { beforeFirstStep, endedEarly, failureOf } from '../start/failure.js';
import { makeTimeline } from '../../program/timeline.js';
import { eventAttributes } from '../store/container-events.js';
import type { FirstClient } from './first-client.js';
import { compileCheck } from './health-program.js';
import { rootOf } from '../store/image-of.js';
import { SupervisorConnection } from './supervisor-connection.js';
import { encodeSupervisorConfig } from './supervisor-config.js';
import { isTerminal } from '../options/terminal.js';
import { bootId } from '../../host/owner.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import type { NetworkUse } from '../../network/netlink/request.js';
import { type DetachedStart, prepareDetached } from '../start/prepare-detached.js';
import type { InstantiatedStart } from '../start/prepared-start.js';
import type { StartContext } from '../start/context.js';
import { currentOptions } from '../store/current-options.js';
import { networkAttributes } from '../store/network-events.js';
import type { Store } from '../store/store.js';
import { volumeAttachments } from '../store/volume-events.js';
import type { StoredConfig } from '../store/stored.js';

/**
 * Starts the container; the caller holds its lock and knows that it does not run. Resolves when the program has
 * been exec'ed.
 *
 * @param attached a client from the beginning to the end
 * @param lock holds the container's lock (locks.ts). The supervisor gets a copy: when this process is killed during the
 *   start, the lock is not free before the supervisor has written how the start ended.
 * @throws what `Engine.run` rejects with for the same mistakes
 */
export async function startDetached(
  context: StartContext,
  store: Store,
  config: StoredConfig,
  attached: FirstClient | undefined,
  lock: number,
): Promise<void> {
  const { cgroupSlice } = config;
  const startWith = (enter?: Enter) => startIn(enter, context, store, config, attached, lock);
  if (cgroupSlice === undefined) return startWith();
  const unified = context.layout.hierarchies.find(({ version }) => version === 2);
  const mountPoint = unified?.mountPoint ?? '';
  // Connected to before anything is made: a start without systemd fails here.
  return withSystemd((systemd) =>
    startWith((pid, limits) => systemd.enterScope(mountPoint, cgroupSlice, config, pid, limits)),
  );
}

/** Moves a supervisor into its scope before it begins, with the limits of the container's cgroup. */
type Enter = (pid: number, limits: readonly CgroupWrite[]) => Promise<void>;

async function startIn(
  enter: Enter | undefined,
  context: StartContext,
  store: Store,
  config: StoredConfig,
  attached: FirstClient | undefined,
  lock: number,
): Promise<void> {
  const { id, name } = config;
  const stdin = stdinOf(config);
  const start = await prepareDetached(
    context,
    id,
    rootOf(store, config),
    config.argv,
    { ...currentOptions(config), name, stdin, ...attached?.stdio },
    config,
  );
  let shared: NetworkUse | undefined;
  try {
    store.prepare();
    await start.makeParents();
    if (start.published.length > 0) await store.writePorts(id, start.published);
    const { layerSize } = start.config;
    if (start.layer?.kind === 'image' && layerSize !== undefined) {
      const { makeLayer } = await import('../start/layer.js');
      await makeLayer(join(context.containersRoot, id), layerSize);
    }
    shared = await sharedNetworkOf(context, start);
    const socket = await spawnSupervisor(context, store, config, start, attached, lock, shared);
    if (attached !== undefined)
      attached.draw = (timestamps) => makeTimeline(start.steps(), timestamps);
    const started = () => untilStarted(socket, start, attached, enter);
    if (context.users === undefined) await started();
    else {
      const joins = start.joinedPid !== undefined || shared !== undefined;
      const own = joins ? undefined : context.users;
      await untilIdMapsAreWritten(own, socket, started, shared !== undefined);
    }
  } catch (error) {
    start.release();
    throw error;
  } finally {
    await Promise.all([start.ids?.close(), shared?.alive.close()]);
  }
}

/** Of its program. */
export function stdinOf({ openStdin, options }: StoredConfig): 'pipe' | 'null' {
  return openStdin || isTerminal(options) ? 'pipe' : 'null';
}

/** Of a rootless container on bridges: its supervisor enters it, and uses it as long as it lives. */
async function sharedNetworkOf(
  context: StartContext,
  { config }: DetachedStart,
): Promise<NetworkUse | undefined> {
  if (config.network !== 'bridge') return undefined;
  return (await context.networks()).networks.netlink.userNetwork?.use();
}

/** A rootless supervisor waits for its id maps before it does anything else. */
async function untilIdMapsAreWritten(
  users: UserNamespaceIds | undefined,
  socket: Socket,
  then: () => Promise<void>,
  inSharedNetwork: boolean,
): Promise<void> {
  const { writeIdMaps } = await import('../../host/write-id-maps.js');
  try {
    await writeIdMaps(socket, users, inSharedNetwork);
    const started = then();
    socket.resume();
    await started;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function spawnSupervisor(
  context: StartContext,
  store: Store,
  config: StoredConfig,
  start: DetachedStart,
  attached: FirstClient | undefined,
  lock: number,
  shared: NetworkUse | undefined,
): Promise<Socket> {
  const { id } = config;
  const bytes = supervisorConfig(context, store, config, start, attached, shared);
  const fd = await new Promise<number>((resolve, reject) => {
    const kept = start.ids?.fd ?? shared?.alive.fd ?? -1;
    context.binding.keep(bytes, kept, lock, id, (error, connection) => {
      if (error === null) resolve(connection);
      else reject(beforeFirstStep(error, 'start the supervisor'));
    });
  });
  return new Socket({ fd, readable: true, writable: true });
}

/** What a supervisor is told. */
export function supervisorConfig(
  context: StartContext,
  store: Store,
  config: StoredConfig,
  start: InstantiatedStart,
  attached?: FirstClient,
  shared?: NetworkUse,
): Buffer {
  const { id, name, log, healthcheck } = config;
  return encodeSupervisorConfig({
    id,
    name,
    terminal: start.config.terminal !== undefined,
    openStdin: config.openStdin,
    stdinOnce: config.stdinOnce,
    autoRemove: config.autoRemove,
    ownUserNamespace: context.users !== undefined,
    joinedPid: context.users === undefined ? 0 : (start.joinedPid ?? 0),
    holderPid: shared?.holder ?? 0,
    bound: attached?.bound === true,
    gated: config.cgroupSlice !== undefined,
    log: log.driver === 'none' ? undefined : log,
    restart: config.restart,
    stopSignal: config.stopSignal,
    stopTimeout: config.stopTimeout,
    idBase: start.identity.base ?? 0,
    attach: attached?.bits ?? 0,
    slots: start.slots,
    directory: join(context.containersRoot, id),
    names: store.names,
    sockets: store.sockets,
    events: store.events,
    attributes: eventAttributes(config),
    attachments: [
      ...(start.connection?.endpoints ?? []).map(({ network }) => ({
        id: network.id,
        attributes: { ...networkAttributes(network), container: id },
      })),
      ...volumeAttachments(id, start.config.mounts),
    ],
    bootId: bootId(),
    program: start.program.instantiate(context.binding, start.identity, start.appended),
    teardown: start.teardown.instantiate(context.binding, start.identity, start.appendedToTeardown),
    check: healthcheck === undefined ? undefined : compileCheck(context, start, healthcheck),
  });
}

function untilStarted(
  socket: Socket,
  start: DetachedStart,
  attached: FirstClient | undefined,
  enter: Enter | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const then = attached?.listener ?? {};
    const begin = () => {
      connection.begin();
      attached?.connect(connection);
    };
    const connection = new SupervisorConnection(socket, {
      ...then,
      waiting: (pid) => {
        const limits = start.joining.placements.flatMap(({ writes }) => writes);
        enter?.(pid, limits).then(begin, (error: CaissonError) => {
          connection.close();
          reject(error);
        });
      },
      started: (pid) => {
        then.started?.(pid);
        if (attached === undefined) connection.close();
        else connection.listener = then;
        resolve();
      },
      failed: (error) => {
        connection.close();
        reject(failureOf(error, start.steps(), start.args));
      },
      // Its end came before its exec.
      exited: ({ code, signal, oomKills, timestamps }) => {
        connection.close();
        reject(endedEarly(start.steps(), timestamps, { code, signal, oomKills }));
      },
      closed: () => {
        reject(
          new CaissonError(
            'ERR_START_FAILED',
            'the supervisor ended before the container was started',
            {
              stage: 'host',
              hint: 'it was killed, or the machine is out of memory',
            },
          ),
        );
      },
    });
    if (enter === undefined) attached?.connect(connection);
  });
}
