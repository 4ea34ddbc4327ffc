/**
 * The sources of a start's mounts, of which another start with the same options has to know only that they are as they were: that
 * is one look of the addon's, where `checkSources` asks for each directory of each path.
 */
import type { Binding } from '../../native/binding.js';
import type { SharedConfig } from '../options/config.js';
import { checkSources, NO_SOURCES, type Sources } from '../spec/sources.js';
import { same } from './cache-key.js';

/** What stood at the sources of binds, and above them. */
export interface SeenSources {
  readonly paths: readonly string[];
  readonly bytes: Uint8Array;
}

export interface FoundSources {
  readonly sources: Sources;
  /** undefined: they have to be looked at one by one. */
  readonly seen: SeenSources | undefined;
}

type Looks = Pick<Binding, 'lookAlong'>;

/** @throws as `checkSources` */
export async function findSources(binding: Looks, config: SharedConfig): Promise<FoundSources> {
  const paths = pathsOfBinds(config);
  const before = paths && (await binding.lookAlong(paths));
  const sources = await checkSources(config);
  if (paths === undefined || before === undefined) return { sources, seen: undefined };
  // What changed meanwhile may have changed back: the sources would be those of another moment.
  const after = await binding.lookAlong(paths);
  return { sources, seen: isEqual(after, before) ? { paths, bytes: before } : undefined };
}

/** Whether nothing has changed. */
export async function areAsSeen(binding: Looks, { paths, bytes }: SeenSources): Promise<boolean> {
  return isEqual(await binding.lookAlong(paths), bytes);
}

function isEqual(now: Uint8Array | undefined, then: Uint8Array): boolean {
  return now !== undefined && Buffer.compare(now, then) === 0;
}

/** undefined: there are none, or the host is looked at for other things, too. */
function pathsOfBinds(config: SharedConfig): readonly string[] | undefined {
  const { mounts, devices, resources, seccomp, privileged } = config;
  const others = devices.length + (resources.throttles ?? []).length;
  if (others > 0 || seccomp.kind === 'file' || privileged) return undefined;
  const binds = mounts.filter(({ source }) => source !== undefined);
  // Whose user the caller is does not stand at the path.
  if (binds.some(({ within, idmap }) => within !== undefined || idmap === 'caller'))
    return undefined;
  return binds.length === 0 ? undefined : binds.map(({ source = '' }) => source);
}

/** Whether all that the options name on the host is there, and is what it was. @throws as `checkSources` */
export async function areUpToDate(
  binding: Looks,
  config: SharedConfig,
  known: { readonly sources: Sources; seen: SeenSources | undefined },
): Promise<boolean> {
  if (known.sources === NO_SOURCES) return true;
  if (known.seen !== undefined && (await areAsSeen(binding, known.seen))) return true;
  const { sources, seen } = await findSources(binding, config);
  if (!same(sources, known.sources)) return false;
  known.seen = seen;
  return true;
}
