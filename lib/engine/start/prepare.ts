/** From what `run` was asked to a launch program: everything that can fail before anything is made. */
import { type FileHandle, readFile } from 'node:fs/promises';
import { hostname as nameOfHost } from 'node:os';
import { join } from 'node:path';
import { cgroupLocation, makeParent } from '../../cgroup/parent.js';
import type { CgroupLocation } from '../../cgroup/cgroup-paths.js';
import { planCgroups } from '../../cgroup/limits/plan.js';
import type { CgroupPlacement } from '../../cgroup/writes.js';
import { layoutFor } from '../../cgroup/limits/file-probe.js';
import { missingCgroups } from '../../cgroup/limits/missing.js';
import { labelsFor } from '../../host/selinux.js';
import { isRecord } from '../../base/check.js';
import { knownImage, resolveImage, type ResolvedImage } from '../../image/resolve.js';
import type { RootfsImage } from '../../image/rootfs.js';
import type { NativeTemplate } from '../../native/binding.js';
import { compileProfile } from '../../oci/seccomp.js';
import { defaultSeccompProfile, type SeccompArch } from '../../oci/seccomp-default.js';
import { filterFlags } from '../../oci/seccomp-encode.js';
import type { LinuxSeccomp, Mount, Spec } from '../../oci/runtime-spec.js';
import { compile, type Launchable } from '../../program/compile.js';
import type { ExecInput } from '../../program/compile-exec.js';
import type { Program } from '../../program/instructions.js';
import type { HelperPlan, LayerPlan, RootlessInput, RootPlan } from '../../program/launch-input.js';
import type { LaunchSlots } from '../../program/slots.js';
import {
  CommandTemplate,
  type Identity,
  instantiate,
  PLACEHOLDER,
  Template,
  withCommand,
} from '../../program/template.js';
import { knownAccounts, lookAtAccounts } from './accounts.js';
import { type Accounts, type ResolvedUser, resolveUser } from '../options/user.js';
import {
  type ContainerConfig,
  ID_RANGE_SIZE,
  normalize,
  normalizeArgs,
  type SharedConfig,
} from '../options/config.js';
import { checkWithoutFilter, needsDeviceFilter, opensDevices } from '../spec/device-access.js';
import { normalizeEnv } from '../options/env.js';
import { type HostFiles, injectedFiles } from '../spec/files.js';
import type { IdRange, IdRanges } from './id-ranges.js';
import { networkSysctls } from '../spec/network-sysctls.js';
import { callersOpenFiles } from '../../host/open-files.js';
import type { RunOptions } from '../options/options.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { DEFAULT_PIDS_LIMIT } from '../options/resources.js';
import { checkSources, NO_SOURCES, type Sources } from '../spec/sources.js';
import { environmentOf, hostnameOf, toSpec } from '../spec/to-spec.js';
import { same, Words } from './words.js';
import type { StartContext } from './context.js';
import { makeTemplate } from './native-template.js';

/** One start, ready to be handed to the machine. */
export interface Prepared {
  readonly config: SharedConfig;
  readonly args: readonly string[];
  readonly template: NativeTemplate;
  /** The template has none. */
  readonly command: Uint8Array;
  readonly identity: Identity;
  /** The steps, for `explain`, errors and the timeline. */
  steps(): Program;
  /** Of its cgroups, where somebody has named one. */
  makeParents(): Promise<void>;
  /** Gives back what was claimed; when the container is gone. */
  release(): void;
}

/** What each start has of its own, as it was asked for. */
interface Asked {
  readonly argv: readonly string[];
  readonly env: RunOptions['env'];
}

/** The same, and as it is encoded. */
interface LastCommand extends Asked {
  readonly command: CommandTemplate;
}

/** What is the same for every start with the same options, whatever its arguments and environment. */
interface Recipe {
  /** With the arguments and the environment of the start that it was compiled for. */
  readonly config: ContainerConfig;
  /** That it has for itself, compiled for PLACEHOLDER. */
  readonly hostname: string;
  readonly resolved: ResolvedImage;
  readonly accounts: Accounts;
  readonly location: CgroupLocation;
  readonly launchable: Launchable;
  readonly layer: LayerPlan | undefined;
  readonly joining: Joining;
  /** Without a command. */
  readonly program: Template;
  readonly teardown: Template;
  /** Of both; made for the first start by this process. */
  native: NativeTemplate | undefined;
  /** Of the start before. */
  last: LastCommand | undefined;
  /** What was found on the host of all that the options name; looked for again at each start. */
  readonly sources: Sources;
  /** Nothing else of the host was looked up for it that could have changed since. */
  readonly lasting: boolean;
}

/** What a further program in the container has from its first one, compiled for PLACEHOLDER. */
export type Joining = Pick<ExecInput, 'seccomp' | 'seccompFlags'> & {
  readonly placements: readonly CgroupPlacement[];
  readonly user: ResolvedUser;
};

/** How many recipes an engine keeps. */
const MAX_RECIPES = 64;

/** Newest first, each with the options that it is for. */
const kept = new WeakMap<StartContext, { readonly words: Words; readonly recipe: Recipe }[]>();

/** What one start has of its own, before anything is claimed for it. */
interface Order {
  readonly recipe: Recipe;
  /** Long id. */
  readonly id: string;
  readonly command: CommandTemplate;
}

function order(
  { encoder }: StartContext,
  recipe: Recipe,
  id: string,
  argv: readonly string[],
  { env, entrypoint }: Pick<RunOptions, 'env' | 'entrypoint'>,
): Order {
  const { last, config, hostname, joining, program, resolved } = recipe;
  if (last !== undefined && same(argv, last.argv) && same(env, last.env))
    return { recipe, id, command: last.command };
  const asked = copyOf(argv, env);
  const args = normalizeArgs(asked.argv, entrypoint, resolved.defaults);
  const own = environmentOf(config, normalizeEnv(asked.env), joining.user, hostname);
  const command = new CommandTemplate({ args, env: own }, program, encoder);
  recipe.last = { ...asked, command };
  return { recipe, id, command };
}

/** The caller may go on to change his. What is neither a record nor an array will be refused. */
function copyOf(argv: readonly string[], env: RunOptions['env']): Asked {
  return {
    argv: Array.isArray(argv) ? [...(argv as readonly string[])] : argv,
    env: Array.isArray(env) ? [...(env as readonly string[])] : isRecord(env) ? { ...env } : env,
  };
}

/** A recipe for one container, with what that execs. */
class Instantiated {
  readonly identity: Identity;
  private readonly recipe: Recipe;
  private readonly execs: CommandTemplate;

  constructor({ recipe, id, command }: Order, base: number | undefined) {
    this.recipe = recipe;
    this.identity = { id, base };
    this.execs = command;
  }

  get args(): readonly string[] {
    return this.execs.command.args;
  }

  /** Behind the program, which has none. */
  get command(): Uint8Array {
    return this.execs.bytes;
  }

  get config(): ContainerConfig {
    return this.recipe.config;
  }

  get program(): Template {
    return this.recipe.program;
  }

  get teardown(): Template {
    return this.recipe.teardown;
  }

  get layer(): LayerPlan | undefined {
    return this.recipe.layer;
  }

  get slots(): LaunchSlots {
    return this.recipe.launchable.slots;
  }

  steps(): Program {
    const { program, teardown } = this.recipe.launchable;
    const steps = withCommand({ ...program, teardown: teardown.teardown }, this.execs.command);
    return instantiate(steps, this.identity);
  }

  async makeParents(): Promise<void> {
    const { location, joining } = this.recipe;
    if (location.cgroupParent !== undefined)
      await makeParent(joining.placements, location.cgroupParent);
  }
}

/** The same, with what this process has claimed for it. */
class Start extends Instantiated implements Prepared {
  readonly template: NativeTemplate;
  private readonly range: IdRange | undefined;
  private readonly idRanges: IdRanges;

  constructor({ binding, idRanges }: StartContext, ordered: Order) {
    const { recipe } = ordered;
    const range = recipe.config.userns === 'auto' ? idRanges.claim() : undefined;
    super(ordered, range?.base);
    const { program, teardown, launchable } = recipe;
    this.template = recipe.native ??= makeTemplate(binding, program, teardown, launchable.slots);
    this.range = range;
    this.idRanges = idRanges;
  }

  release(): void {
    if (this.range !== undefined) this.idRanges.release(this.range);
  }
}

export async function prepare(
  around: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
): Promise<Prepared> {
  const resolved = await resolveImage(image, around.dataRoot);
  return new Start(around, await orderFor(around, id, resolved, argv, options));
}

/** At once, for what was started before with the same options; undefined where something must be looked at. */
export function recall(
  around: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
): Prepared | undefined {
  const root = knownImage(image, around.dataRoot);
  const accounts = root === undefined ? undefined : knownAccounts(root);
  if (root === undefined || accounts === undefined) return undefined;
  const recipe = recipeIn(around, root, accounts, options);
  if (recipe?.sources !== NO_SOURCES) return undefined;
  if (recipe.location.cgroupParent !== undefined) return undefined;
  return new Start(around, order(around, recipe, id, argv, options));
}

/** One start by a supervisor, which holds what was claimed for it. */
export interface DetachedStart extends Instantiated {
  /** With the lock on its range of host ids; the caller's to close. */
  readonly ids: FileHandle | undefined;
  readonly joining: Joining;
}

/** Where a kept container has its cgroups, and whether it is removed when it has exited. */
export type DetachedLocation = CgroupLocation & { readonly autoRemove: boolean };

/** The same for a container that is kept; its configuration alone, where nothing is claimed for it. */
export async function prepareDetached(
  around: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  location: DetachedLocation,
): Promise<DetachedStart> {
  const recipe = await writeDetached(around, id, image, argv, options, location);
  const ordered = order(around, recipe, id, argv, options);
  const claim = recipe.config.userns === 'auto' ? await around.idRanges.claimApart() : undefined;
  return Object.assign(new Instantiated(ordered, claim?.range.base), {
    ids: claim?.file,
    joining: recipe.joining,
  });
}

/** What such a container would be: every mistake is found, and nothing made. */
export async function checkDetached(
  around: StartContext,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  autoRemove: boolean,
): Promise<ContainerConfig> {
  const location = { ...cgroupLocation(around.slice, options.cgroupParent), autoRemove };
  return (await writeDetached(around, PLACEHOLDER.id, image, argv, options, location)).config;
}

async function writeDetached(
  around: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  location: DetachedLocation,
): Promise<Recipe> {
  const resolved = await resolveImage(image, around.dataRoot, around.users !== undefined);
  const accounts = await lookAtAccounts(around.binding, resolved.root);
  // What an ordinary user runs is removed when it has exited; root's is kept until then, for a restart.
  const persistentFiles = around.users === undefined || !location.autoRemove;
  return write(around, id, resolved, accounts, argv, options, undefined, location, persistentFiles);
}

async function orderFor(
  around: StartContext,
  id: string,
  resolved: ResolvedImage,
  argv: readonly string[],
  options: RunOptions,
): Promise<Order> {
  // Before anything is waited for: the caller may go on to change them.
  const words = Words.of(options);
  const asked = copyOf(argv, options.env);
  const { entrypoint } = options;
  const byName = options.user !== undefined || options.groupAdd !== undefined;
  const accounts =
    (byName ? undefined : knownAccounts(resolved.root)) ??
    (await lookAtAccounts(around.binding, resolved.root));
  const known = recipeIn(around, resolved.root, accounts, options);
  if (known !== undefined && (await hasItsSources(known)))
    return order(around, known, id, asked.argv, { entrypoint, env: asked.env });
  const location = cgroupLocation(undefined, options.cgroupParent);
  const recipe = await write(around, id, resolved, accounts, argv, options, around.owner, location);
  if (recipe.lasting && words !== undefined) {
    const others = kept.get(around)?.filter((other) => other.recipe !== known) ?? [];
    kept.set(around, [{ words, recipe }, ...others.slice(0, MAX_RECIPES - 1)]);
  }
  return order(around, recipe, id, asked.argv, { entrypoint, env: asked.env });
}

/** What it names on the host is there, and is what it was. */
async function hasItsSources({ config, sources }: Recipe): Promise<boolean> {
  return sources === NO_SOURCES || same(await checkSources(config), sources);
}

function recipeIn(
  around: StartContext,
  root: RootPlan,
  accounts: Accounts,
  options: RunOptions,
): Recipe | undefined {
  return kept
    .get(around)
    ?.find(
      ({ words, recipe }) =>
        recipe.resolved.root === root && recipe.accounts === accounts && words.are(options),
    )?.recipe;
}

/** @param forId the container's long id, if the recipe is for one: its SELinux labels may depend on that. */
async function write(
  around: StartContext,
  forId: string,
  resolved: ResolvedImage,
  accounts: Accounts,
  argv: readonly string[],
  options: RunOptions,
  owner: string | undefined,
  location: CgroupLocation,
  persistentFiles = false,
): Promise<Recipe> {
  const config = normalize(argv, options, resolved.defaults, around.host);
  const { users } = around;
  if (users !== undefined) checkWithoutFilter(config);
  const [sources, network] = await Promise.all([
    checkSources(config),
    config.network === 'none' ? undefined : networkOf(config),
  ]);
  const user = resolveUser(config.user, config.groupAdd, accounts);
  const profile = await seccompProfile(config);
  const filter =
    profile === undefined
      ? undefined
      : await compileProfile(profile, around.binding, join(around.dataRoot, 'cache'));

  const { id, base } = PLACEHOLDER;
  const idRange = config.userns === 'auto' ? { base, size: ID_RANGE_SIZE } : undefined;
  const { cpuMasks } = around.host;
  const hostname = networkName(config);
  const facts = {
    id,
    idRange,
    user,
    hostname,
    seccomp: profile,
    sources,
    users,
    cpuMasks,
    selinux: config.selinux && labelsFor(config.selinux, forId),
    openFiles: callersOpenFiles(),
  };
  const spec = withImageBinds(toSpec(config, facts), resolved);
  const resources = spec.linux?.resources ?? {};
  const cgroup = planCgroups(await layoutFor(resources), id, resources, {
    deviceRules: needsDeviceFilter(config) ?? 'optional',
    defaultPidsLimit: DEFAULT_PIDS_LIMIT,
    location,
  });
  if (location.cgroupParent !== undefined && cgroup.placements.length === 0)
    throw missingCgroups(around.layout, 'cgroupParent');
  const readOnly = config.readOnly || resolved.root.readOnly;
  const layer =
    config.layerSize === undefined
      ? undefined
      : await import('./layer.js').then(({ planLayer }) =>
          planLayer(config.layerSize ?? 0, resolved.root, persistentFiles, around.dataRoot),
        );
  const seccompFlags = profile === undefined ? 0 : filterFlags(profile);
  const launchable = compile(
    spec,
    {
      id,
      directory: join(around.containersRoot, id),
      owner,
      root: { ...resolved.root, readOnly },
      layer,
      devicesInRoot: opensDevices(config),
      networkSysctls: networkSysctls(config, idRange?.size, users),
      files: filesOf(config, hostnameOf(config, facts), network?.files),
      cgroup,
      cgroupParent: location.cgroupParent,
      seccomp: filter,
      seccompFlags,
      init: config.init,
      helper: network?.helper,
      rootless: users === undefined ? undefined : rootlessOf(users, sources),
      stdin: config.stdin,
      stdout: config.stdout,
      stderr: config.stderr,
      terminal: config.terminal,
    },
    around.kernel,
  );
  const lasting =
    config.user === undefined &&
    config.groupAdd === undefined &&
    config.network === 'none' &&
    config.seccomp.kind !== 'file' &&
    config.selinux === undefined;
  return {
    config,
    hostname: hostnameOf(config, facts),
    resolved,
    accounts,
    location,
    launchable,
    layer,
    joining: { user, placements: cgroup.placements, seccomp: filter, seccompFlags },
    program: new Template(withCommand(launchable.program, undefined), around.encoder, around.fault),
    teardown: new Template(launchable.teardown, around.encoder),
    native: undefined,
    last: undefined,
    sources,
    lasting,
  };
}

/** The host's network goes with the host's name, as with Docker, unless another was asked for. */
export function networkName({ network }: ContainerConfig): string | undefined {
  return network === 'host' ? nameOfHost() : undefined;
}

/** What a start without privileges does otherwise. */
export function rootlessOf(
  { lack }: UserNamespaceIds,
  { devices, volumes }: Sources = NO_SOURCES,
): RootlessInput {
  return {
    devices: new Map([...volumes, ...devices].map(({ node, source }) => [node.path, source])),
    groups: lack === undefined,
  };
}

/** Whoever mounts something of his own at the place of such a file means that. */
function filesOf(config: ContainerConfig, hostname: string, host?: HostFiles) {
  const files = injectedFiles(config.names, hostname, host);
  const { mounts } = config;
  if (mounts.length === 0) return files;
  return files.filter(({ path }) => !mounts.some(({ target }) => target === path));
}

/** What is looked up on the host for a network. */
async function networkOf(
  config: ContainerConfig,
): Promise<{ readonly files: HostFiles; readonly helper?: HelperPlan }> {
  const files = await readHostFiles();
  if (config.network === 'host') return { files };
  const { userNetwork } = await import('../../network/user-network.js');
  const { helper, resolvConf } = await userNetwork(config, files.resolvConf);
  return { files: { resolvConf }, helper };
}

async function readHostFiles(): Promise<HostFiles> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const [hosts, resolvConf] = await Promise.all([read('/etc/hosts'), read('/etc/resolv.conf')]);
  return { hosts, resolvConf };
}

const capabilitySets = new WeakMap<readonly string[], ReadonlySet<string>>();

export async function seccompProfile(config: ContainerConfig): Promise<LinuxSeccomp | undefined> {
  const { seccomp, capabilities } = config;
  if (seccomp.kind === 'unconfined') return undefined;
  let set = capabilitySets.get(capabilities);
  if (set === undefined) capabilitySets.set(capabilities, (set = new Set(capabilities)));
  if (seccomp.kind !== 'file') return defaultSeccompProfile(set, process.arch as SeccompArch);
  const { loadProfile } = await import('../../oci/seccomp-profile.js');
  return loadProfile(seccomp.path, { capabilities: set });
}

/**
 * What the image itself binds from the host goes before the user's mounts, after the kernel's. It keeps the host's
 * owners, who are nobody to a container with users of its own: it then reads what everybody may.
 */
function withImageBinds(spec: Spec, { binds }: ResolvedImage): Spec {
  if (binds.length === 0) return spec;
  const mounts = binds.map(({ source, to, whole }): Mount => ({
    destination: to,
    type: 'bind',
    source,
    options: whole === true ? ['rbind', 'rro', 'rnodev'] : ['bind', 'ro', 'nodev'],
  }));
  return { ...spec, mounts: [...mounts, ...(spec.mounts ?? [])] };
}
