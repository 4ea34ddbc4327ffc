/**
 * What the firewall has of a container that does not follow from its addresses: `<runRoot>/published/<container>`, with the
 * ports that are published, its policy, and addresses that were asked for. The teardown of a container removes it as it
 * releases a claim. What another program has flushed is made again from it (restore-firewall.ts).
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '../../base/check.js';
import { isErrno } from '../../base/errno.js';
import { isLongId } from '../../base/ids.js';
import { parseJson, readIfThere, storageError } from '../../base/storage.js';
import type { Claim } from '../../program/network-plan.js';
import type { Endpoint, PublishedPort } from '../firewall/port-bindings.js';
import type { NetworkPolicy } from '../policy/rules.js';
import { releaseAddress } from './addresses.js';
import { type Endpoint as NetworkEndpoint, macOf } from './endpoint.js';
import type { NetworkStore } from './network-store.js';

export interface Publication {
  readonly addresses: Endpoint;
  readonly ports: readonly PublishedPort[];
  /** By the id of the network. */
  readonly asked: Readonly<Record<string, AskedAddresses>>;
  readonly policy: NetworkPolicy | undefined;
}

/** What of an interface was asked for. */
export type AskedAddresses = Pick<NetworkEndpoint, 'mac' | 'linkLocal'>;

/** Undefined: the firewall has nothing but what follows from the container's addresses. */
export function publicationOf(
  endpoints: readonly NetworkEndpoint[],
  { addresses, ports, policy }: Omit<Publication, 'asked'>,
): Publication | undefined {
  const asked = Object.fromEntries(
    endpoints.flatMap(({ network, ipv4, mac, linkLocal }) =>
      mac === macOf(ipv4.address) && linkLocal.length === 0
        ? []
        : [[network.id, { mac, linkLocal }]],
    ),
  );
  const isPlain = ports.length === 0 && policy === undefined && Object.keys(asked).length === 0;
  return isPlain ? undefined : { addresses, ports, policy, asked };
}

/** @param id long id of the container. */
export function publicationFile({ published }: NetworkStore, id: string): Claim {
  return { file: join(published, id) };
}

/**
 * Before the container starts, as an incomplete one is none.
 *
 * @throws ERR_STORAGE
 */
export function writePublication(
  networks: NetworkStore,
  id: string,
  publication: Publication,
): void {
  const { file } = publicationFile(networks, id);
  try {
    write(networks, file, publication);
  } catch (error) {
    removePublication(networks, id);
    throw storageError(file, error);
  }
}

/**
 * Of a container that runs. Whole or not at all: without its policy a container that is restored would not be restricted.
 *
 * @throws ERR_STORAGE
 */
export function replacePublication(
  networks: NetworkStore,
  id: string,
  publication: Publication,
): void {
  const { file } = publicationFile(networks, id);
  const staged = stagedFile(networks, id);
  try {
    write(networks, staged, publication);
    renameSync(staged, file);
  } catch (error) {
    rmSync(staged, { force: true });
    throw storageError(file, error);
  }
}

/** Mostly the directory is there. */
function write({ published }: NetworkStore, file: string, publication: Publication): void {
  const text = encode(publication);
  try {
    writeFileSync(file, text, { mode: 0o600 });
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    mkdirSync(published, { recursive: true, mode: 0o700 });
    writeFileSync(file, text, { mode: 0o600 });
  }
}

/** Starts of the same options have the same object. */
const encodedPolicies = new WeakMap<NetworkPolicy, string>();

function encode({ policy, ...others }: Publication): string {
  const text = JSON.stringify(others);
  if (policy === undefined) return text;
  let encoded = encodedPolicies.get(policy);
  if (encoded === undefined) {
    encoded = JSON.stringify(policy, fromNumber);
    encodedPolicies.set(policy, encoded);
  }
  return `${text.slice(0, -1)},"policy":${encoded}}`;
}

const stagedFile = ({ published }: NetworkStore, id: string) => join(published, `.${id}`);

export function removePublication(networks: NetworkStore, id: string): void {
  releaseAddress(publicationFile(networks, id));
  rmSync(stagedFile(networks, id), { force: true });
}

/** Long ids of the containers that have one, or have begun to. */
export function publishers({ published }: NetworkStore): string[] {
  try {
    return readdirSync(published).filter(isLongId);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Undefined: it has just been removed, or was not completed. */
export function readPublication(networks: NetworkStore, id: string): Publication | undefined {
  const value = parseJson(readIfThere(publicationFile(networks, id).file) ?? '', toNumber);
  const publication = isRecord(value) ? (value as Partial<Publication>) : {};
  const { addresses, ports, asked, policy } = publication;
  return isRecord(addresses) && Array.isArray(ports) && isRecord(asked)
    ? { addresses, ports, asked, policy }
    : undefined;
}

/** Addresses of rules are numbers that JSON does not have. No name begins with such a character. */
const fromNumber = (_: string, value: unknown) => (typeof value === 'bigint' ? `#${value}` : value);
const toNumber = (_: string, value: unknown) =>
  typeof value === 'string' && /^#\d+$/.test(value) ? BigInt(value.slice(1)) : value;
