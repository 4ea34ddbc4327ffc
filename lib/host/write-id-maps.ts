/** Writes the id maps of a process of ours, which is root in its user namespace: the other side of cpp/init/user_namespace.h. */
import { execFile } from 'node:child_process';
import { stat, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { CaissonError } from '../base/errors.js';
import { readUserNamespaceSwitches, usedUp, userNamespaceSwitch } from './user-namespaces.js';
import { BOUND } from './subordinate-ids.js';
import { readConfinement } from './confinement.js';
import { errnoName } from '../base/errno.js';
import { findProgram, type IdRun, type UserNamespaceIds } from './user-namespace-ids.js';

const MAPPED = Buffer.of(1);

/**
 * Writes the id maps of the process at the other end, and lets it continue. The socket is paused afterwards.
 *
 * @param users undefined: it has joined a user namespace that has its maps
 * @param inSharedNetwork it has a network agent in the shared network of its user
 * @throws ERR_NO_PRIVILEGES, ERR_NETWORK_FAILED, ERR_CONFLICTING_OPTIONS, ERR_START_FAILED
 */
export async function writeIdMaps(
  socket: Socket,
  users: UserNamespaceIds | undefined,
  inSharedNetwork = false,
): Promise<void> {
  const answer = await firstWord(socket);
  if (answer === -EXDEV) throw notBelow();
  if (answer < 0) {
    const errno = errnoName(-answer);
    throw inSharedNetwork && !OF_USER_NAMESPACES.has(errno) ? notEntered(errno) : refused(errno);
  }
  if (users !== undefined) await giveIds(answer, users);
  socket.write(MAPPED);
}

function firstWord(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const ended = () => {
      reject(
        new CaissonError('ERR_START_FAILED', 'the process that was to hold the container ended', {
          stage: 'host',
          hint: 'another process has killed it, or the machine is out of memory',
        }),
      );
    };
    socket.once('error', ended);
    socket.once('close', ended);
    socket.once('data', (bytes: Buffer) => {
      socket.pause();
      socket.off('error', ended);
      socket.off('close', ended);
      // It sends nothing more until it may continue, and so few bytes are not split.
      if (bytes.length === 4) resolve(bytes.readInt32LE(0));
      else ended();
    });
  });
}

async function giveIds(pid: number, { uids, gids, lack, own }: UserNamespaceIds): Promise<void> {
  if (lack === undefined && own !== true) {
    await runHelper('newuidmap', pid, uids);
    await runHelper('newgidmap', pid, gids);
    return;
  }
  try {
    // A process without privileges over the groups has to give up setgroups first (CVE-2014-8989).
    if (lack !== undefined) await writeFile(`/proc/${pid}/setgroups`, 'deny');
    await writeFile(`/proc/${pid}/uid_map`, lines(uids));
    await writeFile(`/proc/${pid}/gid_map`, lines(gids));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw refused(code ?? String(cause), cause);
  }
}

function lines(runs: readonly IdRun[]): string {
  return runs.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join('');
}

async function runHelper(name: string, pid: number, runs: readonly IdRun[]): Promise<void> {
  const path = (await findProgram(name)) ?? name;
  const numbers = runs.flatMap(({ inside, outside, count }) => [inside, outside, count]);
  const args = [pid, ...numbers].map(String);
  const failure = await new Promise<{ error: Error; said: string } | undefined>((resolve) => {
    execFile(path, args, { env: {}, encoding: 'utf8' }, (error, _out, stderr) => {
      resolve(error === null ? undefined : { error, said: stderr.trim() });
    });
  });
  if (failure === undefined) return;
  const mode = await stat(path).then(
    (stats) => stats.mode,
    () => 0,
  );
  const bound = readConfinement().bound;
  const hint = bound
    ? `${BOUND.reason}; ${BOUND.remedy}`
    : (mode & 0o4000) === 0
      ? `it is not set-user-id root: install the package uidmap again, or as root: chmod u+s ${path}`
      : `/etc/sub${name === 'newuidmap' ? 'uid' : 'gid'} and the account must fit: see ${name}(1)`;
  const { error, said } = failure;
  throw new CaissonError(
    'ERR_NO_PRIVILEGES',
    `${name} could not map this user's ids: ${said === '' ? error.message : said}`,
    { stage: 'host', path, hint, cause: error },
  );
}

/** Of cpp/init/user_namespace.h: the joined user namespace is not below that of the user's networks. */
const EXDEV = 18;

function notBelow(): CaissonError {
  return new CaissonError(
    'ERR_CONFLICTING_OPTIONS',
    'network: the container whose namespaces are joined is in no network of this user, whose user namespace it would need',
    {
      stage: 'config',
      path: 'network',
      hint: 'start the other container again, on a network with a bridge',
    },
  );
}

/** Why there can be no user namespace. */
const OF_USER_NAMESPACES: ReadonlySet<string> = new Set(['ENOSPC', 'EUSERS', 'EPERM', 'EACCES', 'EINVAL']); // prettier-ignore

function notEntered(errno: string): CaissonError {
  return new CaissonError(
    'ERR_NETWORK_FAILED',
    `network: the container cannot enter the network of this user: ${errno}`,
    { stage: 'host', errno },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  EINVAL: 'the kernel was built without CONFIG_USER_NS',
  EUSERS: 'user namespaces are nested too deeply here',
  EPERM:
    'the confinement of this process forbids it: a chroot, or a container whose seccomp profile has no unshare',
  EACCES: `a security module (AppArmor, SELinux) forbids it to ${process.execPath}`,
};

function refused(errno: string, cause?: unknown): CaissonError {
  const found = userNamespaceSwitch();
  const full = errno === 'ENOSPC' ? usedUp(readUserNamespaceSwitches()) : undefined;
  const why = found === undefined ? (full?.reason ?? errno) : `${found.name} forbids it`;
  const remedy = found?.remedy ?? full?.remedy;
  return new CaissonError('ERR_NO_PRIVILEGES', `this user cannot have a user namespace: ${why}`, {
    stage: 'host',
    syscall: 'unshare',
    errno,
    path: found?.name,
    hint: remedy === undefined ? REASONS[errno] : `as root: ${remedy}`,
    cause,
  });
}
