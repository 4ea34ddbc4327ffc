/** A further program in a container that runs. */
import { access, readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { type CgroupLocation, cgroupPath, unifiedPath } from '../../cgroup/cgroup-paths.js';
import { withSystemd } from '../../cgroup/systemd/with-systemd.js';
import { CaissonError } from '../../base/errors.js';
import { type ImageChoice, resolveImage } from '../../image/snapshots/resolve.js';
import { labelsFor } from '../../host/selinux.js';
import type { Spec } from '../../oci/runtime-spec.js';
import { compileExec, type ExecInput } from '../../program/compile-exec.js';
import { explain } from '../../program/explain.js';
import { Template } from '../../program/template.js';
import { readAccounts, RECHECK_AFTER } from './accounts.js';
import { type Accounts, type ResolvedUser, resolveUser } from '../options/user.js';
import { containerCapabilities } from '../options/capabilities.js';
import { type ContainerConfig, ID_RANGE_SIZE, normalize } from '../options/config.js';
import { type ExecConfig, type ExecOptions, normalizeExec } from '../options/exec-options.js';
import { type Execution, executionOf } from './execution.js';
import { ExecutionController } from './execution-controller.js';
import { newId, shortId } from '../../base/ids.js';
import { launch, type Launching } from './launch.js';
import { callersOpenFiles } from '../../host/open-files.js';
import { networkText, type RunOptions } from '../options/options.js';
import { usersOf } from '../../host/user-namespace-ids.js';
import { startTime } from '../../host/owner.js';
import { joinedHostname } from '../store/joined-names.js';
import { networkName, seccompFilter, UNCONFINED } from './host-lookups.js';
import { rootlessOf } from './start-template.js';
import { makeTemplate } from './native-template.js';
import type { StartContext } from './context.js';
import { toSpec } from '../spec/to-spec.js';

/** The container: what it was started as, and what it is now. */
export interface ExecTarget extends CgroupLocation {
  /** Long id. */
  readonly id: string;
  readonly image: ImageChoice;
  readonly argv: readonly string[];
  readonly options: RunOptions;
  /** Of its first process, as this process sees it. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly startTime: string;
  /** The first host id of its users; 0 with the host's own. */
  readonly idBase: number;
}

/** The container, and what starts programs in it. */
export interface ExecContext {
  readonly startContext: StartContext;
  readonly container: ExecTarget;
}

export interface StartedExec {
  readonly execution: Execution;
  /** Resolves when nothing is left of it; never rejects. */
  readonly gone: Promise<void>;
}

/**
 * Starts a program in a running container: in its namespaces, cgroups and root, as its user unless told
 * otherwise, and with no more rights than it has. It ends with the container, and with this process unless
 * detached.
 *
 * Returns at once; whatever is wrong with the arguments rejects the result before anything is made. A signal,
 * KILL too, reaches the program only: what it has forked lives on in the container, as with Docker. After a
 * KILL the result does not wait for what those may still write.
 *
 * @param container running and not paused, which the caller has checked. A program that is started in a paused one waits
 *   until it is resumed; with cgroup v1 even a KILL does.
 * @throws (as rejections) ERR_CONTAINER_NOT_RUNNING where its first process is gone, and what `run` throws
 */
export function exec(
  context: StartContext,
  container: ExecTarget,
  argv: readonly string[],
  options: ExecOptions = {},
): Execution {
  return startExec(() => Promise.resolve({ startContext: context, container }), argv, options)
    .execution;
}

/** The same, with a promise of its end. The execution's id is its own, not the container's. */
export function startExec(
  find: () => Promise<ExecContext>,
  argv: readonly string[],
  options: ExecOptions = {},
): StartedExec {
  const given = (typeof options === 'object' ? options : {}) as ExecOptions | null;
  const streams = given?.detach === true ? DETACHED : given;
  const controller = new ExecutionController(newId(), { ...streams });
  const gone = run(find, controller, argv, options).catch((error: unknown) => {
    controller.hasFailed(error);
  });
  return { execution: executionOf(controller), gone };
}

/** The launch program of such an `exec`, in words. Nothing is started. */
export async function explainExec(
  context: StartContext,
  container: ExecTarget,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<string> {
  const config = normalizeExec(argv, options, container.idBase === 0 ? 'host' : 'auto');
  return explain((await prepareExec(context, container, config)).steps());
}

/** The result is that of a program that was killed just after its start. */
function killedBeforeStart(execution: ExecutionController): void {
  execution.hasClosed(1);
  execution.hasClosed(2);
  execution.hasEnded({
    code: -1,
    signal: constants.signals.SIGKILL,
    oomKills: 0,
    started: false,
    timeline: () => ({ steps: [], total: 0 }),
  });
}

const DETACHED: ExecOptions = { stdin: 'null', stdout: 'null', stderr: 'null' };

async function run(
  find: () => Promise<ExecContext>,
  execution: ExecutionController,
  argv: readonly string[],
  options: ExecOptions,
): Promise<void> {
  // Mistakes that do not depend on the container, before the container is looked for and events are recorded.
  normalizeExec(argv, options, 'host');
  const { startContext: context, container } = await find();
  const config = normalizeExec(argv, options, container.idBase === 0 ? 'host' : 'auto');
  if (options.signal?.aborted === true) {
    throw new CaissonError('ERR_ABORTED', 'the signal was aborted before the start', {
      stage: 'config',
      path: 'signal',
      cause: options.signal.reason,
    });
  }
  execution.watch(config, options.signal);
  let prepared: Launching;
  try {
    prepared = await prepareExec(context, container, config, execution);
  } catch (error) {
    if (execution.killed) return killedBeforeStart(execution);
    // The process that reads the container's files could not join it, or ended with it.
    const failure = error instanceof CaissonError ? error : undefined;
    if (failure?.step !== undefined && (await isEnding(container, failure)))
      throw notRunning(container, failure);
    throw error;
  }
  const failure = await new Promise<CaissonError | undefined>((resolve) =>
    launch(context.binding, execution, prepared, resolve),
  );
  if (failure === undefined) return;
  // The end of a container also ends a program that is being started in it, at any step.
  if (failure.stage !== 'exec' && (await isEnding(container, failure)))
    throw notRunning(container, failure);
  throw failure;
}

async function prepareExec(
  context: StartContext,
  target: ExecTarget,
  config: ExecConfig,
  execution?: ExecutionController,
): Promise<Launching> {
  const { image, argv, options, id } = target;
  const resolved = await resolveImage(image, context.dataRoot);
  const container = normalize(argv, options, resolved.defaults, context.host);
  const inside = insideOf(context, container, config);
  const [user, { seccomp, seccompFlags }, placements] = await Promise.all([
    userOf(context, target, config.user ?? container.user, container.groupAdd, execution),
    config.privileged ? UNCONFINED : seccompFilter(context, container),
    placementsOf(context, target),
  ]);
  const idRange = target.idBase === 0 ? undefined : { base: target.idBase, size: ID_RANGE_SIZE };
  const users = context.users === undefined ? undefined : await usersOf(target.pid);
  const spec: Spec = toSpec(inside, {
    id,
    idRange,
    user,
    hostname: networkName(container) ?? (await joinedHostname(context.store, networkText(options))),
    users,
    selinux: container.selinux && labelsFor(container.selinux, id),
    openFiles: callersOpenFiles(),
  });
  const moveIntoScope = users === undefined ? undefined : moverIntoScope(target);
  const launchable = compileExec(spec, {
    pid: target.pid,
    startTime: BigInt(target.startTime),
    placements,
    seccomp,
    seccompFlags,
    stdin: config.stdin,
    stdout: config.stdout,
    stderr: config.stderr,
    terminal: config.terminal,
    staying: config.detached ? 'detached' : config.detachable ? 'leavable' : 'ends',
    rootless: users === undefined ? undefined : rootlessOf(users),
    joinsUsers: users !== undefined,
    movedIntoScope: moveIntoScope !== undefined,
  });
  return {
    config,
    args: config.args,
    joins: true,
    moveIntoScope,
    template: makeTemplate(
      context.binding,
      new Template(launchable.program, context.encoder, context.fault),
      new Template(launchable.teardown, context.encoder),
      launchable.slots,
    ),
    identity: { id, base: undefined },
    steps: () => launchable.program,
  };
}

/**
 * A process of an unprivileged user may be moved only within the cgroups that are delegated to that user, and a login
 * session lies outside of them: the user's systemd moves it.
 */
function moverIntoScope({ id, cgroupSlice }: ExecTarget): Launching['moveIntoScope'] {
  if (cgroupSlice === undefined) return undefined;
  return (pid) => withSystemd((systemd) => systemd.attach(id, pid));
}

/** The container with this program in place of its own. */
function insideOf(
  { host }: StartContext,
  container: ContainerConfig,
  config: ExecConfig,
): ContainerConfig {
  const { userns, capabilities } = container;
  return {
    ...container,
    args: config.args,
    env: [...container.env, ...config.env],
    workdir: config.workdir ?? container.workdir,
    terminal: config.terminal,
    capabilities: config.privileged
      ? containerCapabilities(undefined, undefined, true, {
          lastCap: host.lastCap,
          permitted: userns === 'host' ? host.permitted : undefined,
        })
      : capabilities,
  };
}

/** The root user of containers whose files were read not long ago, by id and start time; the oldest first. */
const knownRoots = new Map<string, { readonly user: ResolvedUser; readonly at: number }>();
const MAX_KNOWN = 256;

/**
 * The user that the program runs as. A user that was asked for is looked up in the container's present files. Otherwise it
 * is root, whose home and groups alone can have changed: then the files are read once a second at most, as for a start.
 */
async function userOf(
  context: StartContext,
  target: ExecTarget,
  user: string | undefined,
  groupAdd: ContainerConfig['groupAdd'],
  execution: ExecutionController | undefined,
): Promise<ResolvedUser> {
  if (user !== undefined || groupAdd !== undefined)
    return resolveUser(user, groupAdd, await accountsOf(context, target, execution));
  const key = `${target.id} ${target.startTime}`;
  const at = performance.now();
  const known = knownRoots.get(key);
  if (known !== undefined && at - known.at < RECHECK_AFTER) return known.user;
  const root = resolveUser(undefined, undefined, await accountsOf(context, target, execution));
  knownRoots.delete(key);
  knownRoots.set(key, { user: root, at });
  const [oldest] = knownRoots.keys();
  if (knownRoots.size > MAX_KNOWN && oldest !== undefined) knownRoots.delete(oldest);
  return root;
}

/** As they are now in the container, mounts and all. */
async function accountsOf(
  context: StartContext,
  target: ExecTarget,
  execution: ExecutionController | undefined,
): Promise<Accounts> {
  const users = context.users === undefined ? undefined : await usersOf(target.pid);
  const reading = readAccounts(context, {
    pid: target.pid,
    startTime: target.startTime,
    ownUserNamespace: target.idBase !== 0 || users !== undefined,
    groups: users === undefined || rootlessOf(users).groups,
  });
  execution?.whileWaiting((error) => reading.end(error));
  try {
    return await reading.accounts;
  } finally {
    execution?.whileWaiting(undefined);
  }
}

/**
 * Those of its cgroups that there are: which limits it was given does not matter here. In v2 one that hands
 * controllers on to cgroups below takes no process (EBUSY): where its first process has gone, there is room.
 */
async function placementsOf(
  { layout }: StartContext,
  target: ExecTarget,
): Promise<ExecInput['placements']> {
  const memberships = await readFile(`/proc/${target.pid}/cgroup`, 'utf8').catch(() => '');
  const own = cgroupPath(target.id, target);
  const first = unifiedPath(memberships) ?? '';
  const directories = layout.hierarchies
    .filter(({ usable }) => usable)
    .map(async ({ version, mountPoint }) => {
      // The names below its own are the container's choice, and may change at any time. Where one is no longer there,
      // or no text, the program must not be left without a cgroup.
      const wanted = version === 2 && first.startsWith(`${own}/`) ? [first, own] : [own];
      for (const path of wanted) {
        const dir = `${mountPoint}${path}`;
        if (await exists(dir)) return [{ version, dir }];
      }
      return [];
    });
  return (await Promise.all(directories)).flat();
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** How often, and after how many milliseconds, the process is looked at again. */
const LOOKS = 20;
const PAUSE = 10;

async function isEnding(target: ExecTarget, { errno }: CaissonError): Promise<boolean> {
  if (!(await isAlive(target))) return true;
  // Without an error it was killed, perhaps with everything in its cgroup, in any order.
  for (let look = 0; errno === undefined && look < LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (!(await isAlive(target))) return true;
  }
  return false;
}

/** linux/sched.h, in field 9 of /proc/<pid>/stat. A pid namespace may take a while to end with its first process. */
const PF_EXITING = 0x4;

/** Its first process is there, is that one, and has not begun to end. */
async function isAlive({ pid, startTime: started }: ExecTarget): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined || startTime(stat) !== started) return false;
  const [state = '', , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return !/^[ZXx]/.test(state) && (Number(flags) & PF_EXITING) === 0;
}

function notRunning({ id }: ExecTarget, cause?: CaissonError): CaissonError {
  return new CaissonError(
    'ERR_CONTAINER_NOT_RUNNING',
    `the container ${shortId(id)} is not running`,
    { stage: cause?.stage ?? 'config', step: cause?.step, cause },
  );
}
