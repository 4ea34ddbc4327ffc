/** What all starts with the same options share: a launch program compiled once, for an id that no container has. */
import { join } from 'node:path';
import type { CgroupLocation } from '../../cgroup/cgroup-paths.js';
import { missingCgroups } from '../../cgroup/limits/missing.js';
import { planCgroups } from '../../cgroup/limits/plan.js';
import { layoutFor } from '../../cgroup/limits/file-probe.js';
import type { CgroupPlacement } from '../../cgroup/writes.js';
import { callersOpenFiles } from '../../host/open-files.js';
import { labelsFor } from '../../host/selinux.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import type { ResolvedImage } from '../../image/snapshots/resolve.js';
import type { NativeTemplate } from '../../native/binding.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import type { Mount, Spec } from '../../oci/runtime-spec.js';
import { compile, type Launchable } from '../../program/compile.js';
import type { ExecInput } from '../../program/compile-exec.js';
import type { LaunchInput, LayerPlan, RootlessInput } from '../../program/launch-input.js';
import {
  type CommandTemplate,
  PLACEHOLDER,
  Template,
  withCommand,
} from '../../program/template.js';
import { type ContainerConfig, ID_RANGE_SIZE } from '../options/config.js';
import type { RunOptions } from '../options/options.js';
import { DEFAULT_PIDS_LIMIT } from '../options/resources.js';
import { type Accounts, type ResolvedUser, resolveUser } from '../options/user.js';
import { checkWithoutFilter, needsDeviceFilter, opensDevices } from '../spec/device-access.js';
import { networkSysctls } from '../spec/network-sysctls.js';
import { NO_SOURCES, type Sources } from '../spec/sources.js';
import { hostnameOf, toSpec } from '../spec/to-spec.js';
import { isFixed } from './accounts.js';
import type { StartContext } from './context.js';
import { volumeNames } from '../store/volumes-of.js';
import { type MountedImage, startImages } from './start-images.js';
import { findSources, type SeenSources } from './start-sources.js';
import { anonymousDirectories, volumeSources } from './start-volumes.js';
import { hasHostMqueue, networkName, seccompFilter } from './host-lookups.js';
import type { JoinedStart } from './joined-namespaces.js';
import {
  type NetworkInput,
  NetworkTexts,
  type StartNetwork,
  startNetwork,
} from './start-network.js';

/** The arguments and the environment of a start, as they were given. */
export interface GivenCommand {
  readonly argv: readonly string[];
  readonly env: RunOptions['env'];
}

export interface StartTemplate {
  /** With the arguments and the environment of the start that it was compiled for. */
  readonly config: ContainerConfig;
  /** The container's own, compiled for PLACEHOLDER. */
  readonly hostname: string;
  readonly resolved: ResolvedImage;
  readonly accounts: Accounts;
  readonly location: CgroupLocation;
  readonly launchable: Launchable;
  readonly network: NetworkInput;
  readonly networkTexts: NetworkTexts;
  readonly layer: LayerPlan | undefined;
  readonly joining: Joining;
  /** Without a command. */
  readonly program: Template;
  readonly teardown: Template;
  /** Both, as the addon holds them; made for the first start by this process. */
  native: NativeTemplate | undefined;
  /** The command of the start before, and how it is encoded. */
  last: (GivenCommand & { readonly command: CommandTemplate }) | undefined;
  /** What was found on the host of all that the options name; looked for again at each start. */
  readonly sources: Sources;
  /** They are what they were as long as this is so; undefined: they have to be looked for one by one. */
  seen: SeenSources | undefined;
  /** Nothing else was looked up on the host that could change later. */
  readonly lasting: boolean;
  /** The containers whose namespaces it joins. */
  readonly joined: JoinedStart | undefined;
  /** Volumes that it has, by their names. */
  readonly volumeNames: readonly string[];
  /** Images that are mounted. */
  readonly images: readonly MountedImage[];
}

/** What a further program in the container shares with its first one, compiled for PLACEHOLDER. */
export type Joining = Pick<ExecInput, 'seccomp' | 'seccompFlags'> & {
  readonly placements: readonly CgroupPlacement[];
  readonly user: ResolvedUser;
};

/** What a template is compiled from. */
export interface TemplateInput {
  /** Long id of the container that it is for, if it is for one: SELinux labels may depend on it. */
  readonly id: string;
  readonly resolved: ResolvedImage;
  readonly accounts: Accounts;
  readonly config: ContainerConfig;
  /** The process with which the container ends (host/owner.ts); undefined: it is detached. */
  readonly owner: string | undefined;
  readonly location: CgroupLocation;
  /** It is started: addresses are claimed for it. Otherwise nothing is made. */
  readonly connects: boolean;
  /** It runs already, with these ports; what is compiled is for its runs to come. */
  readonly kept?: readonly PublishedPort[] | undefined;
  /** Its supervisor removes it when it has exited. */
  readonly autoRemove?: boolean | undefined;
  /** The files of the writable layer outlive a run. */
  readonly persistentFiles: boolean;
}

/** With what the start that it was compiled for has of its own. */
export interface CompiledStart {
  readonly template: StartTemplate;
  /** Its claims have to be released if the start comes to nothing. */
  readonly network: StartNetwork;
}

/** @param connected its network, if it has been connected to it; the caller releases that on errors, too */
export async function compileStartTemplate(
  context: StartContext,
  input: TemplateInput,
  connected?: StartNetwork,
): Promise<CompiledStart> {
  const { config, resolved, accounts, location } = input;
  const { users } = context;
  if (users !== undefined) checkWithoutFilter(config);
  const { namespaces } = config;
  const [{ sources, seen }, hostMqueue, joined, images] = await Promise.all([
    findSources(context.binding, config),
    namespaces.ipc === 'host' ? hasHostMqueue() : undefined,
    joinedBy(context, input, config),
    startImages(context, config.mounts),
  ]);
  const volumes = volumeSources(context, config.mounts, PLACEHOLDER.id);
  const user = resolveUser(config.user, config.groupAdd, accounts);
  const { profile, seccomp, seccompFlags } = await seccompFilter(context, config);

  const { id, base } = PLACEHOLDER;
  const idRange = config.userns === 'auto' ? { base, size: ID_RANGE_SIZE } : undefined;
  const facts = {
    id,
    idRange,
    user,
    hostname: networkName(config) ?? joined?.names?.hostname,
    domainname: joined?.names?.domainname,
    seccomp: profile,
    sources,
    volumes: volumes.sources,
    hostMqueue,
    users,
    cpuMasks: context.host.cpuMasks,
    selinux: config.selinux && labelsFor(config.selinux, input.id),
    openFiles: callersOpenFiles(),
  };
  const hostname = hostnameOf(config, facts);
  const spec = withImageBinds(toSpec(config, facts), resolved);
  const resources = spec.linux?.resources ?? {};
  const cgroup = planCgroups(await layoutFor(resources), id, resources, {
    deviceRules: needsDeviceFilter(config) ?? 'optional',
    defaultPidsLimit: DEFAULT_PIDS_LIMIT,
    location,
  });
  if (location.cgroupParent !== undefined && cgroup.placements.length === 0)
    throw missingCgroups(context.layout, 'cgroupParent');
  if (namespaces.pid !== 'private' && cgroup.placements.length === 0)
    throw missingCgroups(context.layout, 'pid');
  const layer = await layerOf(context, config, input);
  // Last, as what fails after it must not keep what it has claimed.
  const network =
    connected ??
    (await startNetwork(context, config, {
      id: input.id,
      connects: input.connects,
      kept: input.kept,
      hostname: facts.hostname,
      files: joined?.names?.files,
    }));
  try {
    const launchable = compile(
      spec,
      {
        id,
        directory: join(context.containersRoot, id),
        directories: volumes.directories,
        owner: input.owner,
        volumesToRemove:
          input.autoRemove === true ? anonymousDirectories(context, config.mounts) : undefined,
        images: images.plans,
        layersToRelease:
          input.autoRemove === true && resolved.root.kind === 'overlay'
            ? resolved.root.frozen
            : undefined,
        root: { ...resolved.root, readOnly: config.readOnly || resolved.root.readOnly },
        layer,
        devicesInRoot: opensDevices(config),
        networkSysctls: {
          ...networkSysctls(config, idRange?.size, users),
          ...network.input.bridges?.sysctls,
        },
        ...network.input,
        cgroup,
        cgroupParent: location.cgroupParent,
        seccomp,
        seccompFlags,
        init: config.init,
        parks: context.parks === true ? parkedAt(config) : undefined,
        joined: joined?.input,
        networkFile: config.network === 'namespace' ? config.networkOptions : undefined,
        rootless: users === undefined ? undefined : rootlessOf(users, sources),
        stdin: config.stdin,
        stdout: config.stdout,
        stderr: config.stderr,
        terminal: config.terminal,
      },
      context.kernel,
    );
    const { encoder, fault } = context;
    const template: StartTemplate = {
      config,
      hostname,
      resolved,
      accounts,
      location,
      launchable,
      network: network.input,
      networkTexts: new NetworkTexts(network.input),
      layer,
      joining: { user, placements: cgroup.placements, seccomp, seccompFlags },
      program: new Template(withCommand(launchable.program, undefined), encoder, fault),
      teardown: new Template(launchable.teardown, encoder),
      native: undefined,
      last: undefined,
      sources,
      seen,
      lasting:
        ((config.user === undefined && config.groupAdd === undefined) || isFixed(resolved.root)) &&
        (config.network === 'none' || config.network === 'bridge') &&
        namespaces.joins.length === 0 &&
        namespaces.ipc !== 'host' &&
        namespaces.uts !== 'host' &&
        config.seccomp.kind !== 'file' &&
        config.selinux === undefined &&
        volumes.lasting &&
        config.mounts.every(({ from, type }) => from !== 'volumesFrom' && type !== 'image'),
      joined,
      volumeNames: volumeNames(config.mounts),
      images: images.mounted,
    };
    return { template, network };
  } catch (error) {
    network.connection?.release();
    throw error;
  }
}

/** Of the filters, a caller's own may forbid anything. */
function parkedAt({ seccomp }: ContainerConfig): LaunchInput['parks'] {
  return seccomp.kind === 'file' ? 'before filter' : 'before exec';
}

async function joinedBy(
  context: StartContext,
  { id }: TemplateInput,
  config: ContainerConfig,
): Promise<JoinedStart | undefined> {
  if (config.namespaces.joins.length === 0) return undefined;
  const { checkJoined, findJoined } = await import('./joined-namespaces.js');
  await checkJoined(context, config);
  // One that is checked, and not started: those that it joins need not run.
  return id === PLACEHOLDER.id ? undefined : findJoined(context, id, config);
}

async function layerOf(
  { dataRoot }: StartContext,
  { layerSize }: ContainerConfig,
  { resolved, persistentFiles }: TemplateInput,
): Promise<LayerPlan | undefined> {
  if (layerSize === undefined) return undefined;
  const { planLayer } = await import('./layer.js');
  return planLayer(layerSize, resolved.root, persistentFiles, dataRoot);
}

/** What a rootless start does in another way. */
export function rootlessOf(
  { lack }: UserNamespaceIds,
  { devices, volumes }: Sources = NO_SOURCES,
): RootlessInput {
  return {
    devices: new Map([...volumes, ...devices].map(({ node, source }) => [node.path, source])),
    groups: lack === undefined,
  };
}

/**
 * What the image itself binds from the host goes before the caller's mounts, and after the kernel's. Its files keep the
 * host's owners, whom a container with a user namespace sees as nobody: it reads what every user may read.
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
