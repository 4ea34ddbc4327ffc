/** From the options of a start to a launch program for it: everything that can fail before anything is made. */
import { cgroupLocation } from '../../cgroup/parent.js';
import { knownImage, resolveImage, type ResolvedImage } from '../../image/snapshots/resolve.js';
import type { RootfsImage } from '../../image/rootfs.js';
import { normalize } from '../options/config.js';
import type { RunOptions } from '../options/options.js';
import { NO_SOURCES } from '../spec/sources.js';
import { isFixed, knownAccounts, lookAtAccounts } from './accounts.js';
import { CacheKey, same } from './cache-key.js';
import type { StartContext } from './context.js';
import {
  commandFor,
  copyOf,
  type Prepared,
  PreparedStart,
  releasedOnError,
  sharedRange,
  type StartRequest,
} from './prepared-start.js';
import { startNetwork } from './start-network.js';
import { holdVolumes } from './start-volumes.js';
import { withMountsOfOthers } from './volumes-from-containers.js';
import { type CompiledStart, compileStartTemplate, type StartTemplate } from './start-template.js';
import { areAsSeen, areUpToDate } from './start-sources.js';
import { findTemplate, replaceTemplate, storeTemplate } from './template-cache.js';

export async function prepare(
  context: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  connects = true,
): Promise<Prepared> {
  const { platform } = options;
  const resolved = await resolveImage(image, context.dataRoot, { platform });
  const own = await request(context, id, resolved, argv, options, connects);
  try {
    return await releasedOnError(
      own.network,
      async () => new PreparedStart(context, own, await sharedRange(context, own.template)),
    );
  } catch (error) {
    context.volumes.release(own.volumes ?? []);
    throw error;
  }
}

/**
 * For options that have been started before: synchronous, unless it has a network or binds, and undefined where the host has to
 * be looked at in other ways first.
 */
export function recall(
  context: StartContext,
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
): Prepared | Promise<Prepared> | undefined {
  const root = knownImage(image, context.dataRoot, options.platform);
  const accounts = root === undefined ? undefined : knownAccounts(root);
  if (root === undefined || accounts === undefined) return undefined;
  const template = findTemplate(context, root, accounts, options);
  if (template === undefined) return undefined;
  const { seen } = template;
  if (template.sources !== NO_SOURCES && seen === undefined) return undefined;
  if (template.location.cgroupParent !== undefined) return undefined;
  const { env, entrypoint } = options;
  const command = commandFor(context, template, { argv, env }, entrypoint);
  const { volumeNames: volumes } = template;
  if (!holdPlain(context, volumes)) return undefined;
  const start = ({ template, network }: CompiledStart) =>
    new PreparedStart(context, { template, id, command, network, volumes });
  try {
    if (template.network.bridges === undefined && seen === undefined)
      return start(withoutConnection(template));
  } catch (error) {
    context.volumes.release(volumes);
    throw error;
  }
  const begin = () =>
    releasedVolumes(context, volumes, async () => {
      const own = await connected(context, template, id, true);
      return releasedOnError(own.network, () => start(own));
    });
  if (seen === undefined) return begin();
  const given = copyOf(argv, env);
  return areAsSeen(context.binding, seen).then((unchanged) => {
    if (unchanged) return begin();
    context.volumes.release(volumes);
    return prepare(context, id, image, given.argv, { ...options, env: given.env });
  });
}

/** For a template: whether all of them are there, and are what it was compiled for. */
function holdPlain({ volumes }: StartContext, names: readonly string[]): boolean {
  if (names.length === 0) return true;
  if (!volumes.acquire(names)) return false;
  if (volumes.arePlain(names)) return true;
  volumes.release(names);
  return false;
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
    (byName && !isFixed(resolved.root) ? undefined : knownAccounts(resolved.root)) ??
    (await lookAtAccounts(context.binding, resolved.root));
  const known = findTemplate(context, resolved.root, accounts, options);
  if (known !== undefined && (await areUpToDate(context.binding, known.config, known))) {
    const command = commandFor(context, known, given, entrypoint);
    const volumes = connects ? known.volumeNames : [];
    if (holdPlain(context, volumes))
      return releasedVolumes(context, volumes, async () => ({
        ...(await connected(context, known, id, connects)),
        id,
        command,
        volumes,
      }));
  }
  const checked = normalize(argv, options, resolved.defaults, context.host);
  const config = { ...checked, ...(await withMountsOfOthers(context, checked)) };
  const volumes = connects ? await holdVolumes(context, config.mounts) : [];
  return releasedVolumes(context, volumes, async () => {
    const { template, network } = await compileStartTemplate(context, {
      id,
      resolved,
      accounts,
      config,
      owner: context.owner,
      location: cgroupLocation(undefined, options.cgroupParent),
      connects,
      persistentFiles: false,
    });
    if (template.lasting && connects && key !== undefined)
      storeTemplate(context, key, template, known);
    return releasedOnError(network, () => ({
      template,
      network,
      id,
      command: commandFor(context, template, given, entrypoint),
      volumes,
    }));
  });
}

async function releasedVolumes<T>(
  { volumes }: StartContext,
  names: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    volumes.release(names);
    throw error;
  }
}

/** With a connection of this start. One of another kind, such as to a network that has got IPv6, is compiled anew. */
async function connected(
  context: StartContext,
  template: StartTemplate,
  id: string,
  connects: boolean,
): Promise<CompiledStart> {
  const { config, resolved, accounts, location } = template;
  if (template.network.bridges === undefined) return withoutConnection(template);
  const network = await startNetwork(context, config, { id, connects }, template.networkTexts);
  if (same(network.input, template.network)) return { template, network };
  const { owner } = context;
  const input = { id, resolved, accounts, config, owner, location, connects };
  const compiled = await releasedOnError(network, () =>
    compileStartTemplate(context, { ...input, persistentFiles: false }, network),
  );
  if (connects) replaceTemplate(context, template, compiled.template);
  return compiled;
}

function withoutConnection(template: StartTemplate): CompiledStart {
  const { network: input } = template;
  return { template, network: { input, own: undefined, connection: undefined, published: [] } };
}
