/**
 * The shared network of a rootless user: one network namespace for all containers on networks with a bridge. It is made
 * when it is first needed, and ends some seconds after the last process that uses it (cpp/init/user_network_holder.cpp,
 * docs/decisions/0023-networks-of-rootless-users.md).
 */
import { spawn } from 'node:child_process';
import { constants, readlinkSync } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { errnoName, isErrno } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';
import { USER_NETWORK_LOCK, withLock } from '../host/locks.js';
import { bootId, isAlive, startTimeOf } from '../host/owner.js';
import { findUserNamespaceIds } from '../host/user-namespace-ids.js';
import { writeIdMaps } from '../host/write-id-maps.js';
import { initPath } from '../native/load.js';
import { userNetwork } from './user-network.js';
import { Channel, NetworkAgent } from './network-agent.js';
import type { FirewallWarning } from './firewall/firewall-warning.js';
import type { NetlinkOutcome } from '../native/binding.js';
import type { NetworkUse, RequestPlace, UserNetwork } from './netlink/request.js';

/** `UserNetworkMessage` of cpp/program/control.h */
const MESSAGE_SIZE = 520;
/** How often it is tried to enter a network that ends at this moment. */
const ATTEMPTS = 5;

interface EnteredNetwork extends NetworkUse {
  readonly agent: NetworkAgent;
}

/** By directory. This process uses them until it ends. */
const entered = new Map<string, Promise<EnteredNetwork>>();

/** What was recovered and not told yet, by directory. */
const recovered = new Map<string, FirewallWarning[]>();

/** That of a directory, which is made if it is missing. */
export class SharedNetwork implements UserNetwork {
  constructor(private readonly directory: string) {}

  async request(
    protocol: number,
    bytes: Uint8Array,
    dump: boolean,
    where?: RequestPlace,
  ): Promise<NetlinkOutcome> {
    return (await this.agent()).netlink(protocol, bytes, dump, where);
  }

  async sysctl(key: string, value: string, where?: RequestPlace): Promise<void> {
    await (await this.agent()).sysctl(key, value, where);
  }

  async startResolver(directory: string): Promise<number> {
    return (await (await this.agent()).startResolver(directory)).errno;
  }

  async isThere(): Promise<boolean> {
    const { holder, left } = await look(this.directory);
    return holder !== undefined || left !== undefined;
  }

  async recover(): Promise<FirewallWarning[]> {
    await enter(this.directory);
    const { holder, outside } = await look(this.directory);
    if (holder !== undefined && !outside)
      await locked(this.directory, () => recover(this.directory));
    const warnings = recovered.get(this.directory) ?? [];
    recovered.delete(this.directory);
    return warnings;
  }

  async use(): Promise<NetworkUse> {
    const { holder } = await enter(this.directory);
    const alive = await openAlive(this.directory);
    if (alive === undefined) throw failed('it has just ended', this.directory);
    return { holder, alive };
  }

  async resolvConf(hostResolvConf: string): Promise<string> {
    return (await userNetwork(OUTSIDE, hostResolvConf, false)).resolvConf;
  }

  private async agent(): Promise<NetworkAgent> {
    return (await enter(this.directory)).agent;
  }
}

async function enter(directory: string): Promise<EnteredNetwork> {
  const known = entered.get(directory);
  if (known !== undefined) {
    const network = await known.catch(() => undefined);
    if (network !== undefined && !network.agent.ended && startTimeOf(network.holder) !== undefined)
      return network;
    await network?.alive.close();
    if (entered.get(directory) === known) entered.delete(directory);
  }
  const again = entered.get(directory);
  if (again !== undefined) return again;
  const made = findOrMake(directory);
  entered.set(directory, made);
  return made;
}

async function findOrMake(directory: string): Promise<EnteredNetwork> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt++) {
    const found = (await enterExisting(directory)) ?? (await make(directory));
    if (found !== undefined) return found;
    if (attempt === ATTEMPTS) throw failed('it cannot be entered', directory);
  }
}

/** Undefined if there is none, or it ends at this moment. */
async function enterExisting(directory: string): Promise<EnteredNetwork | undefined> {
  const alive = await openAlive(directory);
  if (alive === undefined) return undefined;
  const holder = await holderIn(directory);
  const agent = holder === undefined ? undefined : await NetworkAgent.start(holder);
  if (holder !== undefined && agent !== undefined) return { holder, alive, agent };
  await alive.close();
  return undefined;
}

function locked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  return withLock(join(directory, '..'), USER_NETWORK_LOCK, work);
}

/** Only one process makes it. Undefined if another has, or if it cannot be entered. */
async function make(directory: string): Promise<EnteredNetwork | undefined> {
  return locked(directory, async () => {
    const existing = await enterExisting(directory);
    if (existing !== undefined) return existing;
    if (!(await recover(directory))) {
      await leaveResolver(join(directory, '..', 'resolver'));
      await startHolder(directory);
    }
    return enterExisting(directory);
  });
}

/**
 * Makes what has ended of a network that still has users: its holder, and what connects it to the outside. Under the lock.
 *
 * @returns false if there is no such network
 * @throws ERR_NETWORK_FAILED
 */
async function recover(directory: string): Promise<boolean> {
  const { holder, left, outside } = await look(directory);
  if (holder === undefined && left === undefined) return false;
  if (holder !== undefined && outside) return true;
  const pid = holder ?? left?.pid;
  const inode = pid === undefined ? undefined : inodeOf(pid);
  if (pid === undefined || inode === undefined) return false;
  await startHolder(directory, { pid, inode, hasHolder: holder !== undefined });
  const what = holder === undefined ? 'the process that holds it' : 'pasta';
  const message = `the network of this user had no way to the outside: ${what} had ended, and was started again`;
  recovered.set(directory, [...(recovered.get(directory) ?? []), { message, hint: KILLED }]);
  return true;
}

const KILLED =
  'connections to the outside that were open have ended; dmesg shows whether the kernel had no memory for it';

interface Look {
  /** Pid of the one that lives. */
  readonly holder: number | undefined;
  /** The holder was killed: a process that is in its network. */
  readonly left: { readonly pid: number; readonly inode: string } | undefined;
  /** Whether pasta runs. */
  readonly outside: boolean;
}

async function look(directory: string): Promise<Look> {
  const read = (name: string) => readFile(join(directory, name), 'utf8').catch(() => '');
  const [holder, outside] = await Promise.all([read('holder'), read('outside')]);
  const [pid, , boot, inode = ''] = holder.split(' ');
  const there = isAlive(holder) ? Number(pid) : undefined;
  const lost = there === undefined && boot === bootId() && inode !== '';
  const left = lost ? (await agents()).find((agent) => inodeOf(agent) === inode) : undefined;
  return {
    holder: there,
    left: left === undefined ? undefined : { pid: left, inode },
    outside: isAlive(outside),
  };
}

/** Network agents, each of which is in a shared network. */
async function agents(): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const names = pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => ''));
  const all = await Promise.all(names);
  return pids.filter((_, at) => all[at] === 'caisson-agent\n').map(Number);
}

/** Of its network namespace; undefined also if it may not be seen. */
function inodeOf(pid: number): string | undefined {
  try {
    return /\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[0];
  } catch {
    return undefined;
  }
}

/** Of an earlier network: it serves the containers that are left there, and can enter no others. */
async function leaveResolver(path: string): Promise<void> {
  const left = `${path}.left`;
  await rm(left, { recursive: true, force: true });
  await rename(path, left).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error;
  });
  await rm(left, { recursive: true, force: true });
}

/** It is open when the network is known not to end: the holder gives up the name before it looks for the last time. */
async function openAlive(directory: string): Promise<FileHandle | undefined> {
  const path = join(directory, 'alive');
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    const [there, own] = [await stat(path).catch(() => undefined), await file.stat()];
    if (there?.ino === own.ino) return file;
    await file.close();
    return undefined;
  } catch (error) {
    // ENXIO: its reader, the holder, was killed.
    if (isErrno(error, 'ENOENT', 'ENXIO')) return undefined;
    throw error;
  }
}

async function holderIn(directory: string): Promise<number | undefined> {
  const name = await readFile(join(directory, 'holder'), 'utf8').catch(() => '');
  return isAlive(name) ? Number(name.split(' ')[0]) : undefined;
}

/** @param there a network to be recovered; without it, another one is made. */
async function startHolder(
  directory: string,
  there?: { readonly pid: number; readonly inode: string; readonly hasHolder: boolean },
): Promise<void> {
  const hostResolvConf = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  const { helper } = await userNetwork(OUTSIDE, hostResolvConf, false);
  const outside = [String(helper.namespaceAt), helper.path, ...helper.args];
  const own =
    there === undefined
      ? ['user-network', '3', directory]
      : ['recover-user-network', '3', directory, String(there.pid), there.inode, there.hasHolder ? '1' : '0']; // prettier-ignore
  const child = spawn(initPath(), [...own, ...outside], {
    argv0: 'caisson-network',
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: {},
  });
  child.once('error', () => undefined);
  const socket = child.stdio[3] as Socket;
  try {
    if (there === undefined) await writeIdMaps(socket, await findUserNamespaceIds());
    const channel = new Channel(socket);
    socket.resume();
    const message = await channel.read(MESSAGE_SIZE).catch(() => undefined);
    if (message === undefined) throw failed('the process that was to make it has ended', directory);
    const pid = message.readInt32LE(0);
    if (pid > 0) {
      await writeName(directory, 'holder', pid, ` ${inodeOf(pid) ?? ''}`);
      await writeName(directory, 'outside', message.readUInt32LE(4));
      return;
    }
    const [call = '', object = ''] = [message.subarray(8, 40), message.subarray(40)].map((bytes) =>
      bytes.toString('utf8', 0, bytes.indexOf(0)),
    );
    throw failed(call === HELPER_ENDED ? `pasta: ${object}` : `${object}: ${call}: ${errnoName(-pid)}`, directory); // prettier-ignore
  } finally {
    socket.destroy();
  }
}

async function writeName(directory: string, file: string, pid: number, more = ''): Promise<void> {
  const name = `${pid} ${startTimeOf(pid) ?? ''} ${bootId()}${more}`;
  await writeFile(join(directory, file), name, { mode: 0o600 });
}

/** What connects it to the outside: as a container with `--network pasta` is. */
const OUTSIDE = { network: 'pasta', networkOptions: '', userns: 'auto', ports: [] } as const;

/** pasta itself has given up: kHelperEnded of cpp/program/control.h. */
const HELPER_ENDED = 'exit';

function failed(why: string, path: string): CaissonError {
  return new CaissonError('ERR_NETWORK_FAILED', `network: the network of this user: ${why}`, {
    stage: 'config',
    path,
  });
}
