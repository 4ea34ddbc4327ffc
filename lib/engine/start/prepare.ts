/** From the options of a start to a launch program for it: everything that can fail before anything is made. */
import type { FileHandle } from 'node:fs/promises';
import { isRecord } from '../../base/check.js';
import { cgroupLocation, makeParent } from '../../cgroup/parent.js';
import type { CgroupLocation } from '../../cgroup/cgroup-paths.js';
import { knownImage, resolveImage, type ResolvedImage } from '../../image/resolve.js';
import type { RootfsImage } from '../../image/rootfs.js';
import type { NativeTemplate } from '../../native/binding.js';
import type { Program } from '../../program/instructions.js';
import type { LayerPlan } from '../../program/launch-input.js';
import type { LaunchSlots } from '../../program/slots.js';
import {
  CommandTemplate,
  type Identity,
  instantiate,
  PLACEHOLDER,
  type Template,
  withCommand,
} from '../../program/template.js';
import { type ContainerConfig, normalizeArgs, type SharedConfig } from '../options/config.js';
import { normalizeEnv } from '../options/env.js';
import type { RunOptions } from '../options/options.js';
import { NO_SOURCES } from '../spec/sources.js';
import { environmentOf } from '../spec/to-spec.js';
import { knownAccounts, lookAtAccounts } from './accounts.js';
import { CacheKey, same } from './cache-key.js';
import type { StartContext } from './context.js';
import type { IdRange, IdRanges } from './id-ranges.js';
import type { Connection } from '../../network/bridge/connect.js';
import { makeTemplate } from './native-template.js';
import {
  compileStartTemplate,
  type GivenCommand,
  type Joining,
  type StartTemplate,
} from './start-template.js';
import { findTemplate, isUpToDate, storeTemplate } from './template-cache.js';

/** One start, ready to be handed to the addon. */
export interface Prepared {
  readonly config: SharedConfig;
  readonly args: readonly string[];
  readonly template: NativeTemplate;
  /** The template has none. */
  readonly command: Uint8Array;
  readonly identity: Identity;
  /** The steps, for `explain`, errors and the timeline. */
  steps(): Program;
  /** Makes the parent of its cgroups, where one was named. */
  makeParents(): Promise<void>;
  /** Gives back what was claimed; called when the container is gone. */
  release(): void;
}

/** A template, and what one start has of its own. Nothing is claimed for it yet. */
interface StartRequest {
  readonly template: StartTemplate;
  /** Long id. */
  readonly id: string;
  readonly command: CommandTemplate;
}

function requestFor(
  { encoder }: StartContext,
  template: StartTemplate,
  id: string,
  { argv, env }: GivenCommand,
  entrypoint: RunOptions['entrypoint'],
): StartRequest {
  const { last, config, hostname, joining, program, resolved } = template;
  if (last !== undefined && same(argv, last.argv) && same(env, last.env))
    return { template, id, command: last.command };
  const given = copyOf(argv, env);
  const args = normalizeArgs(given.argv, entrypoint, resolved.defaults);
  const own = environmentOf(config, normalizeEnv(given.env), joining.user, hostname);
  const command = new CommandTemplate({ args, env: own }, program, encoder);
  template.last = { ...given, command };
  return { template, id, command };
}

/** The caller may change them later. What is neither a record nor an array will be refused. */
function copyOf(argv: readonly string[], env: RunOptions['env']): GivenCommand {
  return {
    argv: Array.isArray(argv) ? [...(argv as readonly string[])] : argv,
    env: Array.isArray(env) ? [...(env as readonly string[])] : isRecord(env) ? { ...env } : env,
  };
}

/** A template instantiated for one container, with its command. */
class InstantiatedStart {
  readonly identity: Identity;
  private readonly shared: StartTemplate;
  private readonly own: CommandTemplate;

  constructor({ template, id, command }: StartRequest, base: number | undefined) {
    this.shared = template;
    this.identity = { id, base };
    this.own = command;
  }

  get args(): readonly string[] {
    return this.own.command.args;
  }

  /** Goes behind the program, which has none. */
  get command(): Uint8Array {
    return this.own.bytes;
  }

  get config(): ContainerConfig {
    return this.shared.config;
  }

  get program(): Template {
    return this.shared.program;
  }

  get teardown(): Template {
    return this.shared.teardown;
  }

  get hostname(): string {
    return this.shared.hostname;
  }

  /** Of a container that it joins. */
  get joinedPid(): number | undefined {
    return this.shared.joined?.input.containers[0]?.pid;
  }

  get layer(): LayerPlan | undefined {
    return this.shared.layer;
  }

  get slots(): LaunchSlots {
    return this.shared.launchable.slots;
  }

  steps(): Program {
    const { program, teardown } = this.shared.launchable;
    const steps = withCommand({ ...program, teardown: teardown.teardown }, this.own.command);
    return instantiate(steps, this.identity);
  }

  async makeParents(): Promise<void> {
    const { location, joining } = this.shared;
    if (location.cgroupParent !== undefined)
      await makeParent(joining.placements, location.cgroupParent);
  }
}

/** The same, with what this process has claimed for it. */
class PreparedStart extends InstantiatedStart implements Prepared {
  readonly template: NativeTemplate;
  private readonly range: IdRange | undefined;
  private readonly connection: Connection | undefined;
  private readonly joinedRange: FileHandle | undefined;
  private readonly idRanges: IdRanges;

  /** @param joinedRange holds the range of the container that it joins */
  constructor(
    { binding, idRanges }: StartContext,
    request: StartRequest,
    joinedRange?: FileHandle,
  ) {
    const { template } = request;
    const { joined, config } = template;
    const own = config.userns === 'auto' && joined?.base === undefined;
    const range = own ? idRanges.claim() : undefined;
    super(request, range?.base ?? joined?.base);
    const { program, teardown, launchable } = template;
    this.template = template.native ??= makeTemplate(binding, program, teardown, launchable.slots);
    this.range = range;
    this.connection = template.connection;
    this.joinedRange = joinedRange;
    this.idRanges = idRanges;
  }

  release(): void {
    if (this.range !== undefined) this.idRanges.release(this.range);
    this.connection?.release();
    void this.joinedRange?.close();
  }
}

export async function prepare(
  context: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  connects = true,
): Promise<Prepared> {
  const resolved = await resolveImage(image, context.dataRoot);
  const own = await request(context, id, resolved, argv, options, connects);
  return releasedOnError(
    own.template,
    async () => new PreparedStart(context, own, await sharedRange(context, own.template)),
  );
}

/** Claims of a start that cannot be prepared are given back. */
async function releasedOnError<T>(
  { connection }: StartTemplate,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    connection?.release();
    throw error;
  }
}

/** A hold on the ids of the container whose user namespace it joins. */
async function sharedRange(
  { idRanges }: StartContext,
  { joined }: StartTemplate,
): Promise<FileHandle | undefined> {
  return joined?.base === undefined ? undefined : idRanges.share(joined.base);
}

/** Synchronous, for options that have been started before; undefined where the host has to be looked at. */
export function recall(
  context: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
): Prepared | undefined {
  const root = knownImage(image, context.dataRoot);
  const accounts = root === undefined ? undefined : knownAccounts(root);
  if (root === undefined || accounts === undefined) return undefined;
  const template = findTemplate(context, root, accounts, options);
  if (template?.sources !== NO_SOURCES) return undefined;
  if (template.location.cgroupParent !== undefined) return undefined;
  const { env, entrypoint } = options;
  return new PreparedStart(context, requestFor(context, template, id, { argv, env }, entrypoint));
}

async function request(
  context: StartContext,
  id: string,
  resolved: ResolvedImage,
  argv: readonly string[],
  options: RunOptions,
  connects: boolean,
): Promise<StartRequest> {
  // Before the first await: the caller may change them later.
  const key = CacheKey.of(options);
  const given = copyOf(argv, options.env);
  const { entrypoint } = options;
  const byName = options.user !== undefined || options.groupAdd !== undefined;
  const accounts =
    (byName ? undefined : knownAccounts(resolved.root)) ??
    (await lookAtAccounts(context.binding, resolved.root));
  const known = findTemplate(context, resolved.root, accounts, options);
  if (known !== undefined && (await isUpToDate(known)))
    return requestFor(context, known, id, given, entrypoint);
  const template = await compileStartTemplate(context, {
    id,
    resolved,
    accounts,
    argv,
    options,
    owner: context.owner,
    location: cgroupLocation(undefined, options.cgroupParent),
    connects,
    persistentFiles: false,
  });
  if (template.lasting && key !== undefined) storeTemplate(context, key, template, known);
  return releasedOnError(template, () => requestFor(context, template, id, given, entrypoint));
}

/** One start by a supervisor, which holds what was claimed for it. */
export interface DetachedStart extends InstantiatedStart {
  /** Holds the lock on its range of host ids; the caller has to close it. */
  readonly ids: FileHandle | undefined;
  readonly joining: Joining;
  /** Ports of the host that only the start knows. */
  readonly published: StartTemplate['published'];
  /** For a start that has come to nothing: its supervisor would do it otherwise. */
  release(): void;
}

/** Where a detached container has its cgroups, and whether it is removed when it has exited. */
export type DetachedLocation = CgroupLocation & { readonly autoRemove: boolean };

export async function prepareDetached(
  context: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  location: DetachedLocation,
  connects = true,
): Promise<DetachedStart> {
  const template = await compileDetached(context, id, image, argv, options, location, connects);
  const { connection } = template;
  try {
    const { env, entrypoint } = options;
    const own = requestFor(context, template, id, { argv, env }, entrypoint);
    const shared = await sharedRange(context, template);
    const claim =
      template.config.userns === 'auto' && shared === undefined
        ? await context.idRanges.claimApart()
        : undefined;
    const base = claim?.range.base ?? template.joined?.base;
    return Object.assign(new InstantiatedStart(own, base), {
      ids: shared ?? claim?.file,
      joining: template.joining,
      published: template.published,
      release: () => connection?.release(),
    });
  } catch (error) {
    connection?.release();
    throw error;
  }
}

/** The configuration of such a container: every mistake is found, and nothing is claimed or made. */
export async function checkDetached(
  context: StartContext,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  autoRemove: boolean,
): Promise<ContainerConfig> {
  const location = { ...cgroupLocation(context.slice, options.cgroupParent), autoRemove };
  return (await compileDetached(context, PLACEHOLDER.id, image, argv, options, location, false))
    .config;
}

async function compileDetached(
  context: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  location: DetachedLocation,
  connects: boolean,
): Promise<StartTemplate> {
  const rootless = context.users !== undefined;
  const resolved = await resolveImage(image, context.dataRoot, rootless);
  const accounts = await lookAtAccounts(context.binding, resolved.root);
  return compileStartTemplate(context, {
    id,
    resolved,
    accounts,
    argv,
    options,
    owner: undefined,
    location,
    connects,
    // A rootless run has its files only while it runs. Root's detached containers keep them for a restart.
    persistentFiles: !rootless || !location.autoRemove,
  });
}
