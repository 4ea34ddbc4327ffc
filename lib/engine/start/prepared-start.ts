/** One start: a template, and what the start has of its own. */
import type { FileHandle } from 'node:fs/promises';
import { isRecord } from '../../base/check.js';
import { makeParent } from '../../cgroup/parent.js';
import type { NativeTemplate } from '../../native/binding.js';
import type { Connection } from '../../network/bridge/connect.js';
import type { Program } from '../../program/instructions.js';
import type { LayerPlan } from '../../program/launch-input.js';
import type { LaunchSlots } from '../../program/slots.js';
import {
  appendedTexts,
  claimedCommand,
  CommandTemplate,
  type Identity,
  instantiate,
  type Template,
  withCommand,
} from '../../program/template.js';
import type { ResolvedImage } from '../../image/snapshots/resolve.js';
import { holdImage, type ImageHold } from '../../image/snapshots/image-hold.js';
import {
  type ContainerConfig,
  normalizeArgs,
  normalizeWorkdir,
  type SharedConfig,
} from '../options/config.js';
import { normalizeEnv } from '../options/env.js';
import type { RunOptions } from '../options/options.js';
import { environmentOf } from '../spec/to-spec.js';
import { same } from './cache-key.js';
import type { StartContext } from './context.js';
import type { IdRange, IdRanges } from './id-ranges.js';
import { makeTemplate } from './native-template.js';
import { reportAtEnd, type ReportPolicy, withNames } from './policy-report.js';
import type { StartNetwork } from './start-network.js';
import type { GivenCommand, Joining, StartTemplate } from './start-template.js';

export type ClaimedCommand = GivenCommand & Pick<RunOptions, 'workdir'>;

/** One start, ready to be handed to the addon. */
export interface Prepared {
  readonly config: SharedConfig;
  readonly args: readonly string[];
  readonly template: NativeTemplate;
  /** Texts that the template does not have. */
  readonly appended: Uint8Array;
  readonly appendedToTeardown: Uint8Array | undefined;
  readonly identity: Identity;
  /** The steps, for `explain`, errors and the timeline. */
  steps(): Program;
  /**
   * Of a start that parks, when it is to go on: its command, undefined where that is too long. From then on errors speak of it.
   *
   * @throws ERR_INVALID_OPTION
   */
  claim(given: ClaimedCommand, entrypoint: RunOptions['entrypoint']): Uint8Array | undefined;
  /** Makes the parent of its cgroups, where one was named. */
  makeParents(): Promise<void>;
  /** As `Launching` has it. */
  readonly reportPolicy?: ReportPolicy | undefined;
  /** As `Launching` has it. */
  readonly programEnded?: (() => void) | undefined;
  /** As `Launching` has it. */
  parked?: ((goOn: (command?: Uint8Array) => number) => void) | undefined;
  /**
   * Gives back what was claimed; called when the container is gone.
   *
   * @param tornDown the addresses were given back by the teardown
   */
  release(tornDown?: boolean): void;
}

/** A template, and what one start has of its own. */
export interface StartRequest {
  readonly template: StartTemplate;
  /** Long id. */
  readonly id: string;
  readonly command: CommandTemplate;
  readonly network: StartNetwork;
  /** Names of the volumes that this process holds for it. */
  readonly volumes?: readonly string[] | undefined;
}

/** The command as it is put behind the template's program; that of the start before, if it is the same. */
export function commandFor(
  { encoder }: StartContext,
  template: StartTemplate,
  { argv, env }: GivenCommand,
  entrypoint: RunOptions['entrypoint'],
): CommandTemplate {
  const { last, config, hostname, joining, program, resolved } = template;
  if (last !== undefined && same(argv, last.argv) && same(env, last.env)) return last.command;
  const given = copyOf(argv, env);
  const args = normalizeArgs(given.argv, entrypoint, resolved.defaults);
  const own = environmentOf(config, normalizeEnv(given.env), joining.user, hostname);
  const command = new CommandTemplate({ args, env: own }, program, encoder);
  template.last = { ...given, command };
  return command;
}

/** The caller may change them later. What is neither a record nor an array will be refused. */
export function copyOf(argv: readonly string[], env: RunOptions['env']): GivenCommand {
  return {
    argv: Array.isArray(argv) ? [...(argv as readonly string[])] : argv,
    env: Array.isArray(env) ? [...(env as readonly string[])] : isRecord(env) ? { ...env } : env,
  };
}

/** A template instantiated for one container. */
export class InstantiatedStart {
  readonly identity: Identity;
  /** What goes behind the program. */
  readonly appended: Uint8Array;
  /** What goes behind the teardown. */
  readonly appendedToTeardown: Uint8Array | undefined;
  protected readonly shared: StartTemplate;
  protected command: CommandTemplate;
  private readonly network: StartNetwork;

  /** @throws ERR_INVALID_PROGRAM */
  constructor(
    { encoder }: Pick<StartContext, 'encoder'>,
    { template, id, command, network }: StartRequest,
    base: number | undefined,
  ) {
    this.shared = template;
    this.identity = { id, base };
    this.command = command;
    this.network = network;
    const { own } = network;
    this.appended =
      own === undefined ? command.bytes : appendedTexts(template.program, encoder, own, command);
    this.appendedToTeardown = own && appendedTexts(template.teardown, encoder, own);
  }

  get args(): readonly string[] {
    return this.command.command.args;
  }

  get config(): ContainerConfig {
    return this.shared.config;
  }

  get resolved(): ResolvedImage {
    return this.shared.resolved;
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

  get joining(): Joining {
    return this.shared.joining;
  }

  /** To networks with a bridge. */
  get connection(): Connection | undefined {
    return this.network.connection;
  }

  get slots(): LaunchSlots {
    return this.shared.launchable.slots;
  }

  steps(): Program {
    const { program, teardown } = this.shared.launchable;
    const steps = withCommand({ ...program, teardown: teardown.teardown }, this.command.command);
    return instantiate(steps, this.identity, this.network.own);
  }

  async makeParents(): Promise<void> {
    const { location, joining } = this.shared;
    if (location.cgroupParent !== undefined)
      await makeParent(joining.placements, location.cgroupParent);
  }
}

/** The same, with what this process has claimed for it. */
export class PreparedStart extends InstantiatedStart implements Prepared {
  readonly template: NativeTemplate;
  readonly reportPolicy: ReportPolicy | undefined;
  parked: Prepared['parked'];
  private readonly range: IdRange | undefined;
  private readonly joinedRange: FileHandle | undefined;
  private readonly idRanges: IdRanges;
  /** Its volumes are free: a caller that waits for its end can remove them. */
  readonly programEnded: (() => void) | undefined;
  /** Of images of the store, the container's own and those that are mounted: they stay as long as the container. */
  private readonly holds: readonly ImageHold[];

  /** @param joinedRange holds the range of the container that it joins */
  constructor(
    private readonly context: StartContext,
    request: StartRequest,
    joinedRange?: FileHandle,
  ) {
    const { binding, idRanges } = context;
    const { template } = request;
    const { joined, config } = template;
    const own = config.userns === 'auto' && joined?.base === undefined;
    const range = own ? idRanges.claim() : undefined;
    super(context, request, range?.base ?? joined?.base);
    const { program, teardown, launchable } = template;
    this.template = template.native ??= makeTemplate(binding, program, teardown, launchable.slots);
    this.range = range;
    this.joinedRange = joinedRange;
    this.idRanges = idRanges;
    let { volumes = [] } = request;
    if (volumes.length > 0)
      this.programEnded = () => {
        context.volumes.release(volumes);
        volumes = [];
      };
    this.holds = this.holdImages(context, template);
    const { input, own: texts } = request.network;
    const denied = input.bridges?.policy?.denied;
    if (denied === undefined) return;
    this.reportPolicy = (refused) =>
      reportAtEnd(binding, { denied, texts, refused }, async (report) =>
        withNames((await context.networks()).networks.resolver, this.identity.id, report),
      );
  }

  claim(given: ClaimedCommand, entrypoint: RunOptions['entrypoint']): Uint8Array | undefined {
    const { context, shared, identity } = this;
    const template = commandFor(context, shared, given, entrypoint);
    const directory = given.workdir === undefined ? '' : normalizeWorkdir(given.workdir);
    const bytes = claimedCommand(template.command, directory, identity, context.encoder);
    if (bytes !== undefined) this.command = template;
    return bytes;
  }

  private holdImages({ dataRoot }: StartContext, { images }: StartTemplate): readonly ImageHold[] {
    const { manifest, name } = this.resolved;
    if (manifest === undefined && images.length === 0) return NO_HOLDS;
    const holds: ImageHold[] = [];
    try {
      for (const each of manifest === undefined ? images : [{ manifest, name }, ...images])
        holds.push(holdImage(dataRoot, each.manifest, each.name));
      return holds;
    } catch (error) {
      for (const hold of holds) hold.release();
      if (this.range !== undefined) this.idRanges.release(this.range);
      this.programEnded?.();
      void this.joinedRange?.close();
      throw error;
    }
  }

  release(tornDown = false): void {
    if (this.range !== undefined) this.idRanges.release(this.range);
    this.programEnded?.();
    if (!tornDown) this.connection?.release();
    void this.joinedRange?.close();
    for (const hold of this.holds) hold.release();
  }
}

const NO_HOLDS: readonly ImageHold[] = Object.freeze([]);

/** Claims of a start that cannot be prepared are given back. */
export async function releasedOnError<T>(
  { connection }: StartNetwork,
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
export async function sharedRange(
  { idRanges }: StartContext,
  { joined }: StartTemplate,
): Promise<FileHandle | undefined> {
  return joined?.base === undefined ? undefined : idRanges.share(joined.base);
}
