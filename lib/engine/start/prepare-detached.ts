/** The same as prepare.ts for a container that has a supervisor: it is compiled for each start. */
import type { FileHandle } from 'node:fs/promises';
import type { CgroupLocation } from '../../cgroup/cgroup-paths.js';
import { cgroupLocation } from '../../cgroup/parent.js';
import { type ImageChoice, resolveImage } from '../../image/snapshots/resolve.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import { PLACEHOLDER } from '../../program/template.js';
import { type ContainerConfig, normalize } from '../options/config.js';
import type { MountConfig } from '../options/mount-config.js';
import type { RunOptions } from '../options/options.js';
import { lookAtAccounts } from './accounts.js';
import type { StartContext } from './context.js';
import { commandFor, InstantiatedStart, releasedOnError, sharedRange } from './prepared-start.js';
import type { StartNetwork } from './start-network.js';
import { type CompiledStart, compileStartTemplate } from './start-template.js';
import { withMountsOfOthers } from './volumes-from-containers.js';

/** One start by a supervisor, which holds what was claimed for it. */
export interface DetachedStart extends InstantiatedStart {
  /** Holds the lock on its range of host ids; the caller has to close it. */
  readonly ids: FileHandle | undefined;
  readonly published: StartNetwork['published'];
  /** For a start that has come to nothing: its supervisor would do it otherwise. */
  release(): void;
}

/** Where a detached container has its cgroups, and whether it is removed when it has exited. */
export type DetachedLocation = CgroupLocation & {
  readonly autoRemove: boolean;
  /** Those that it was created with. */
  readonly mounts?: readonly MountConfig[] | undefined;
};

export async function prepareDetached(
  context: StartContext,
  id: string,
  image: ImageChoice,
  argv: readonly string[],
  options: RunOptions,
  location: DetachedLocation,
  connects = true,
): Promise<DetachedStart> {
  const compiled = await compileDetached(context, id, image, argv, options, location, connects);
  const { template, network } = compiled;
  const release = () => network.connection?.release();
  try {
    const { env, entrypoint } = options;
    const command = commandFor(context, template, { argv, env }, entrypoint);
    const shared = await sharedRange(context, template);
    const claim =
      template.config.userns === 'auto' && shared === undefined
        ? await context.idRanges.claimApart()
        : undefined;
    const base = claim?.range.base ?? template.joined?.base;
    const start = new InstantiatedStart(context, { template, id, command, network }, base);
    return Object.assign(start, {
      ids: shared ?? claim?.file,
      published: network.published,
      release,
    });
  } catch (error) {
    release();
    throw error;
  }
}

/** Of a container that runs: what it is to run next. */
export interface NextRuns {
  readonly argv: readonly string[];
  readonly options: RunOptions;
  readonly location: DetachedLocation;
  /** The first id of its range; 0: it has the host's. */
  readonly idBase: number;
  /** The ports of the host that lead to it. */
  readonly ports: readonly PublishedPort[];
}

/** Addresses that it does not have yet are claimed: `connection` releases these. @throws as `prepareDetached` */
export async function prepareNextRuns(
  context: StartContext,
  id: string,
  image: ImageChoice,
  { argv, options, location, idBase, ports }: NextRuns,
): Promise<InstantiatedStart> {
  const { template, network } = await compileDetached(context, id, image, argv, options, location, true, ports); // prettier-ignore
  return releasedOnError(network, () => {
    const { env, entrypoint } = options;
    const command = commandFor(context, template, { argv, env }, entrypoint);
    const request = { template, id, command, network };
    return new InstantiatedStart(context, request, idBase === 0 ? undefined : idBase);
  });
}

/** The configuration of such a container: every mistake is found, and nothing is claimed or made. */
export async function checkDetached(
  context: StartContext,
  image: ImageChoice,
  argv: readonly string[],
  options: RunOptions,
  autoRemove: boolean,
): Promise<ContainerConfig> {
  const location = { ...cgroupLocation(context.slice, options.cgroupParent), autoRemove };
  const { id } = PLACEHOLDER;
  const { template } = await compileDetached(context, id, image, argv, options, location, false);
  return template.config;
}

async function compileDetached(
  context: StartContext,
  id: string,
  image: ImageChoice,
  argv: readonly string[],
  options: RunOptions,
  location: DetachedLocation,
  connects: boolean,
  kept?: readonly PublishedPort[],
): Promise<CompiledStart> {
  const rootless = context.users !== undefined;
  const { platform } = options;
  const resolved = await resolveImage(image, context.dataRoot, { rootless, platform });
  const accounts = await lookAtAccounts(context.binding, resolved.root);
  const asked = normalize(argv, options, resolved.defaults, context.host);
  const mounts = location.mounts ?? (await withMountsOfOthers(context, asked)).mounts;
  return compileStartTemplate(context, {
    id,
    resolved,
    accounts,
    config: { ...asked, mounts },
    owner: undefined,
    location,
    autoRemove: location.autoRemove,
    connects,
    kept,
    // A rootless run has its files only while it runs. Root's detached containers keep them for a restart.
    persistentFiles: !rootless || !location.autoRemove,
  });
}
