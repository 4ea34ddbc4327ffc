/**
 * Claims of addresses: `<runRoot>/networks/<network>/<address>/<container>`, a link that names the process which has
 * made the claim (owner.ts). A directory for each address, because of what the teardown of a container needs:
 *
 * - A claim is made by rename(2) of a directory with the link in it, which succeeds only if there is no directory of that
 *   address or an empty one. So it is exclusive, and whole from the start.
 * - A claim is released by unlink(2) of its own link, and then rmdir(2) of the directory: two system calls without a look
 *   at a file, which may be repeated, and which leave the claim of another container alone however late they come. A single
 *   file for each address would have to be read and compared first, and could change in between.
 *
 * A claim is stale if the process that made it has ended and its container does not run. Stale claims are removed only
 * under the lock of all networks, after another look; the usual claim takes no lock.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { errnoName, isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { isLongId, shortId } from '../../base/ids.js';
import { storageError } from '../../base/storage.js';
import { loadNative } from '../../native/load.js';
import { bootId, isAlive, ownerName } from '../../host/owner.js';
import type { Claim as Released } from '../../program/network-plan.js';
import type { ClaimContext } from './claim-context.js';
import { checkUnused } from './lost-claims.js';
import {
  type Address,
  type Family,
  familyName,
  formatAddress,
  readAddress,
} from '../../base/cidr.js';
import { addressesAfter, inUse, type Pool, poolOf, wantedIn } from './address-pool.js';
import { type NetworkStore, noSuchNetwork } from './network-store.js';
import type { StoredNetwork } from './stored-network.js';

/** An address of a container. */
export interface AddressClaim {
  readonly address: string;
  /** Bits of the subnet's prefix. */
  readonly prefix: number;
  /** What a release unlinks. */
  readonly file: string;
  /** What a release removes then, with rmdir(2), if it is empty. */
  readonly directory: string;
}

/** What is known of a claim from its file. */
export interface Claim {
  readonly address: string;
  /** Long id. */
  readonly containerId: string;
  /** `pid start-time boot-id` of the process that made it. */
  readonly owner: string;
}

/** Milliseconds; an empty directory that is older was left by a process that was killed while it made a claim. */
const UNFINISHED_AGE = 60_000;

/**
 * Claims an address for a container: the one that is wanted, or the next free one after the last that was given, so that an
 * address is not used again soon. Never the gateway, an auxiliary address, or the subnet's network or broadcast address.
 *
 * @param containerId long id. The caller holds the container's lock, or has just made the id: a claim that the container
 *   has left behind is replaced.
 * @param wanted may lie outside the range, but not outside the subnet, as in Docker
 * @throws ERR_INVALID_OPTION for an address that no container of the network can have; ERR_ADDRESS_IN_USE;
 *   ERR_ADDRESSES_EXHAUSTED; ERR_NO_SUCH_NETWORK if the network was removed meanwhile; ERR_STORAGE
 */
export async function claimAddress(
  context: ClaimContext,
  network: StoredNetwork,
  family: Family,
  containerId: string,
  wanted?: string,
): Promise<AddressClaim> {
  const pool = poolOf(network, family);
  const root = join(context.networks.claims, network.id);
  const asked = wanted === undefined ? undefined : wantedIn(pool, wanted);
  const hint = asked === undefined ? lastFile(root, family) : '';
  const staged = await stage(context, network, { root, containerId, hint });
  try {
    const text =
      asked === undefined
        ? (claimNext(pool, staged, root) ??
          (await claimStale(context, network, pool, staged, root)))
        : await claimWanted(context, network, asked, staged.path, root, containerId);
    return { address: text, prefix: pool.block.prefix, ...claimPaths(root, text, containerId) };
  } catch (error) {
    dropStaged(staged.path, containerId);
    throw error;
  }
}

/** What `claimAddress` could give, without a look at what is claimed. @throws ERR_INVALID_OPTION as it does */
export function possibleAddress(
  context: ClaimContext,
  network: StoredNetwork,
  family: Family,
  containerId: string,
  wanted?: string,
): AddressClaim {
  const pool = poolOf(network, family);
  const [address] = wanted === undefined ? addressesAfter(pool, '') : [wantedIn(pool, wanted)];
  const text = formatAddress(address ?? pool.gateway);
  const root = join(context.networks.claims, network.id);
  return { address: text, prefix: pool.block.prefix, ...claimPaths(root, text, containerId) };
}

/** @param root of the network's claims @param containerId long id */
export function claimPaths(
  root: string,
  address: string,
  containerId: string,
): Pick<AddressClaim, 'file' | 'directory'> {
  const directory = join(root, address);
  return { directory, file: join(directory, containerId) };
}

/** Also after it was released, or taken by another container. */
export function releaseAddress({ file, directory }: Released): void {
  unlinkIfThere(file);
  if (directory !== undefined) removeIfEmpty(directory);
}

/** Releases a claim of a network. */
export function dropClaim(networks: NetworkStore, networkId: string, claim: Claim): void {
  releaseAddress(claimPaths(join(networks.claims, networkId), claim.address, claim.containerId));
}

/** All claims of a network, stale ones too, in no order. */
export function claimsOf(networks: NetworkStore, networkId: string): Claim[] {
  const root = join(networks.claims, networkId);
  return listDirectory(root).flatMap((address) =>
    readAddress(address) === undefined ? [] : holdersOf(root, address),
  );
}

/**
 * Whether the process that made it is alive, or its container runs. What was claimed before the machine was started is no
 * container's that runs now, even if that has the same id.
 */
export async function isHeld({ containers }: ClaimContext, claim: Claim): Promise<boolean> {
  if (isAlive(claim.owner)) return true;
  return claim.owner.endsWith(` ${bootId()}`) && (await containers.isLive(claim.containerId));
}

/** Removes stale claims of a network, and returns the others. The caller holds the lock of all networks. */
export async function dropStaleClaims(context: ClaimContext, networkId: string): Promise<Claim[]> {
  const root = join(context.networks.claims, networkId);
  const held: Claim[] = [];
  for (const claim of claimsOf(context.networks, networkId)) {
    if (await isHeld(context, claim)) {
      held.push(claim);
      continue;
    }
    await context.unpublish?.(claim.address);
    releaseAddress(claimPaths(root, claim.address, claim.containerId));
  }
  dropUnfinishedIn(root);
  for (const name of listDirectory(root))
    if (!name.startsWith('.')) removeIfEmpty(join(root, name));
  return held;
}

/** Of all networks: what processes have left that were killed before they had an address. */
export function dropUnfinishedClaims({ claims }: NetworkStore): void {
  for (const network of listDirectory(claims)) dropUnfinishedIn(join(claims, network));
}

function dropUnfinishedIn(root: string): void {
  for (const name of listDirectory(root))
    if (name.startsWith('.')) dropUnfinished(join(root, name));
}

/** The directory of a network's claims, which exists only while there are some or have been; false: it is not empty. */
export function removeClaimsDirectory(networks: NetworkStore, networkId: string): boolean {
  const root = join(networks.claims, networkId);
  if (!removeIfEmpty(root)) return false;
  for (const family of [4, 6] as const) unlinkIfThere(lastFile(root, family));
  return true;
}

// ---- which address

/** Undefined: each address of the range has a claim. */
function claimNext(pool: Pool, { path, hint, last }: Staged, root: string): string | undefined {
  for (const address of addressesAfter(pool, last)) {
    const text = formatAddress(address);
    const next = address.value.toString(16).padStart(LAST_SIZE, '0');
    if (place(path, join(root, text), hint, next)) return text;
  }
  return undefined;
}

/** Hexadecimal digits of the last address that was given. It is a hint: two processes may read the same. */
const LAST_SIZE = 32;

/** Beside the directory, which a removal of the network has to find empty. */
function lastFile(root: string, family: Family): string {
  return `${root}.last${family}`;
}

/** @throws ERR_ADDRESSES_EXHAUSTED, with Docker's text */
async function claimStale(
  context: ClaimContext,
  network: StoredNetwork,
  pool: Pool,
  staged: Staged,
  root: string,
): Promise<string> {
  return context.networks.locked(async () => {
    await dropStaleClaims(context, network.id);
    const text = claimNext(pool, staged, root);
    if (text !== undefined) return text;
    throw new CaissonError(
      'ERR_ADDRESSES_EXHAUSTED',
      `no available ${familyName(pool.family)} addresses on this network's address pools: ${network.name} (${network.id})`,
      { stage: 'config', path: network.name, hint: 'each address of its range has a container' },
    );
  });
}

async function claimWanted(
  context: ClaimContext,
  network: StoredNetwork,
  address: Address,
  staged: string,
  root: string,
  containerId: string,
): Promise<string> {
  const text = formatAddress(address);
  if (place(staged, join(root, text))) return text;
  return context.networks.locked(async () => {
    for (const claim of holdersOf(root, text)) {
      if (claim.containerId !== containerId && (await isHeld(context, claim))) {
        const name = context.containers.nameOf(claim.containerId);
        throw inUse(address, `container ${name ?? shortId(claim.containerId)} of network ${network.name} has it`); // prettier-ignore
      }
      await context.unpublish?.(text);
      releaseAddress(claimPaths(root, claim.address, claim.containerId));
    }
    if (place(staged, join(root, text))) return text;
    throw inUse(address, 'another container has just claimed it');
  });
}

// ---- files

let serial = 0;
let self: string | undefined;

/** A claim that has no address yet. */
interface Staged {
  /** A directory that holds it, and will have an address for its name. */
  readonly path: string;
  /** The file that tells which address was given last; empty: it is not needed. */
  readonly hint: string;
  /** What it says. */
  readonly last: string;
}

interface Staging {
  readonly root: string;
  readonly containerId: string;
  readonly hint: string;
}

async function stage(
  { networks }: ClaimContext,
  network: StoredNetwork,
  staging: Staging,
): Promise<Staged> {
  const { root, containerId } = staging;
  if (!isLongId(containerId)) throw new TypeError(`${containerId} is not a long id`);
  const staged = stageIn(staging);
  if (staged !== undefined) return staged;
  // The directory is made while the network cannot be removed. Afterwards it is not removed unless it is empty.
  return networks.locked(async () => {
    if (networks.get(network.id) === undefined) throw noSuchNetwork(network.name);
    if (!existsSync(root)) await checkUnused(network, root, networks.netlink);
    try {
      mkdirSync(root, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw storageError(root, error);
    }
    const again = stageIn(staging);
    if (again === undefined) throw failed('mkdir', root, constants.errno.ENOENT);
    return again;
  });
}

/** Undefined: the network has no directory of claims. @throws ERR_STORAGE */
function stageIn({ root, containerId, hint }: Staging): Staged | undefined {
  const { ENOENT, EEXIST } = constants.errno;
  for (;;) {
    const path = join(root, `.${process.pid}-${serial++}`);
    const last = loadNative().beginClaim(
      path,
      join(path, containerId),
      (self ??= ownerName()),
      hint,
    );
    if (typeof last === 'string') return { path, hint, last };
    if (last === ENOENT) return undefined;
    if (last < 0) throw failed('open', hint, -last);
    // Threads of a process have the same pid: the name may be taken.
    if (last !== EEXIST) throw failed('mkdir', root, last);
  }
}

/** False: the address has a claim. @param next the next hint */
function place(staged: string, directory: string, hint = '', next = ''): boolean {
  const errno = loadNative().placeClaim(staged, directory, hint, next);
  if (errno === 0) return true;
  if (errno === constants.errno.ENOTEMPTY || errno === constants.errno.EEXIST) return false;
  throw failed('rename', directory, errno);
}

function failed(syscall: string, path: string, errno: number): unknown {
  const code = errnoName(errno);
  return storageError(path, Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })); // prettier-ignore
}

function dropStaged(staged: string, containerId: string): void {
  unlinkIfThere(join(staged, containerId));
  removeIfEmpty(staged);
}

/** A directory of a process that was killed before it had an address. */
function dropUnfinished(staged: string): void {
  const [containerId] = listDirectory(staged);
  if (containerId !== undefined) {
    if (!isAlive(ownerOf(join(staged, containerId)))) dropStaged(staged, containerId);
    return;
  }
  const made = statSync(staged, { throwIfNoEntry: false });
  if (made !== undefined && Date.now() - made.mtimeMs > UNFINISHED_AGE) removeIfEmpty(staged);
}

/** One at most; none of an address that was released. */
function holdersOf(root: string, address: string): Claim[] {
  const directory = join(root, address);
  return listDirectory(directory)
    .filter(isLongId)
    .map((containerId) => ({ address, containerId, owner: ownerOf(join(directory, containerId)) }));
}

/** Empty for a claim that has just been released. */
function ownerOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return '';
    throw error;
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
}

/** False: it is not empty. */
function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) return false;
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
  return true;
}
