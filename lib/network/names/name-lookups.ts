/** Whether names exist: from this process, by the name servers that the resolver asks for a container. */
import { isIPv6 } from 'node:net';
import { Resolver } from 'node:dns/promises';
import type { UpstreamServer } from './registration.js';

export interface NameLookups {
  /** Name servers say that they have no address. */
  readonly missing: readonly string[];
  /** No name server has answered, or none with that. */
  readonly unknown: readonly string[];
}

/** Milliseconds for one server, and for all names together. */
const SERVER_PATIENCE = 1_000;
const PATIENCE = 2_000;
/** Milliseconds for which a name that was found is not asked for again. */
const KNOWN_FOR = 60_000;
/** c-ares: the name does not exist, or has no such record. */
const NEGATIVE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

/** By servers and name: until when, by performance.now(). */
const known = new Map<string, number>();
const MOST_KNOWN = 1_000;

/** All at once. Takes 2 s at most, and no time for names that were found in the last minute. */
export async function lookUpNames(
  names: readonly string[],
  servers: readonly UpstreamServer[],
): Promise<NameLookups> {
  const addresses = servers.map(addressOf);
  const keyOf = (name: string) => `${addresses.join()} ${name}`;
  const now = performance.now();
  const asked = [...new Set(names)].filter((name) => (known.get(keyOf(name)) ?? 0) < now);
  if (asked.length === 0) return { missing: [], unknown: [] };
  if (addresses.length === 0) return { missing: [], unknown: asked };
  const resolver = new Resolver({ timeout: SERVER_PATIENCE, tries: 1 });
  resolver.setServers(addresses);
  const timer = setTimeout(() => resolver.cancel(), PATIENCE);
  try {
    const found = await Promise.all(asked.map((name) => hasAddress(resolver, name)));
    if (known.size > MOST_KNOWN) known.clear();
    asked.forEach((name, at) => found[at] === true && known.set(keyOf(name), now + KNOWN_FOR));
    return {
      missing: asked.filter((_, at) => found[at] === false),
      unknown: asked.filter((_, at) => found[at] === undefined),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined: it is not known. */
async function hasAddress(resolver: Resolver, name: string): Promise<boolean | undefined> {
  const asked = [resolver.resolve4(name), resolver.resolve6(name)];
  try {
    return (await Promise.any(asked)).length > 0;
  } catch (error) {
    const reasons = (error as AggregateError).errors as readonly NodeJS.ErrnoException[];
    return reasons.every(({ code = '' }) => NEGATIVE.has(code)) ? false : undefined;
  }
}

/** As `Resolver.setServers` takes it. */
function addressOf({ address, port = 53, scope = 0 }: UpstreamServer): string {
  if (!isIPv6(address)) return `${address}:${port}`;
  return `[${address}${scope === 0 ? '' : `%${scope}`}]:${port}`;
}
