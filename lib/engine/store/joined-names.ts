/** The names that a container has from another one, whose network it has joined. */
import { hostname as nameOfHost } from 'node:os';
import { shortId } from '../../base/ids.js';
import { joinedContainer } from '../options/namespace-options.js';
import type { Store } from './store.js';
import type { StoredConfig } from './stored.js';

/** How many containers one after the other may have joined the network of the next. */
const LONGEST_CHAIN = 16;

/** The container whose host name this one has: its own, or the one whose network it has joined. */
async function namedBy(store: Store, config: StoredConfig): Promise<StoredConfig> {
  let at = config;
  for (let i = 0; i < LONGEST_CHAIN; i++) {
    const next = joinedContainer('network', at.options.network);
    const id = next === undefined ? undefined : await store.find(next).catch(() => undefined);
    const other = id === undefined ? undefined : store.config(id);
    if (other === undefined) break;
    at = other;
  }
  return at;
}

/** The host name of a container, by what it was created with. */
export async function storedHostname(store: Store, config: StoredConfig): Promise<string> {
  const { id, options } = await namedBy(store, config);
  const ofHost = options.network === 'host' || options.uts === 'host';
  const { hostname = '' } = options;
  return hostname !== '' ? hostname : ofHost ? nameOfHost() : shortId(id);
}

/** The same of its NIS domain name; undefined: none. */
export async function storedDomainname(
  store: Store,
  config: StoredConfig,
): Promise<string | undefined> {
  const { domainname } = (await namedBy(store, config)).options;
  return domainname === '' ? undefined : domainname;
}

/** The host name that comes with another container's network; undefined: it has none of another, or that is gone. */
export async function joinedHostname(
  store: Store,
  network: string | undefined,
): Promise<string | undefined> {
  const name = joinedContainer('network', network);
  const id = name === undefined ? undefined : await store.find(name).catch(() => undefined);
  const config = id === undefined ? undefined : store.config(id);
  return config && storedHostname(store, config);
}
