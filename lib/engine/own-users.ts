/**
 * For who starts containers without privileges: the user namespace in which each of them lives, its monitor
 * included (docs/decisions/0011-without-root.md). There, this user is root, and what else there is of users comes
 * from the ranges that /etc/subuid and /etc/subgid give him.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { CaissonError } from '../errors.js';
import { errnoName } from '../program/errno.js';

/** A line of an id map: user_namespaces(7). */
export interface IdRun {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

export interface OwnUsers {
  readonly uids: readonly IdRun[];
  readonly gids: readonly IdRun[];
  /** Where there is one id only: why, and what gives more. Groups cannot be chosen then either. */
  readonly lack: Lack | undefined;
}

interface Lack {
  readonly why: string;
  readonly cure: string;
}

/** As many as a container with users of its own has beside its root. */
const WANTED = 65_536;

const HELPERS = ['newuidmap', 'newgidmap'] as const;

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Undefined for root, who needs none. */
export async function findOwnUsers(): Promise<OwnUsers | undefined> {
  if (isRoot()) return undefined;
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const name = nameOf(uid);
  const root = (id: number): IdRun => ({ inside: 0, outside: id, count: 1 });
  const [uids, gids, missing] = await Promise.all([
    subordinate('/etc/subuid', uid, name),
    subordinate('/etc/subgid', uid, name),
    missingHelper(),
  ]);
  const single = (lack: Lack): OwnUsers => ({ uids: [root(uid)], gids: [root(gid)], lack });
  if (uids.length === 0 || gids.length === 0) {
    return single({
      why: `${uids.length === 0 ? '/etc/subuid' : '/etc/subgid'} has no range for ${name ?? uid}`,
      cure: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name ?? uid}`,
    });
  }
  if (missing !== undefined)
    return single({ why: `${missing} is not installed`, cure: 'install the package uidmap' });
  return { uids: [root(uid), ...uids], gids: [root(gid), ...gids], lack: undefined };
}

/** Whether an id of the container is somebody. */
export function isMapped(runs: readonly IdRun[], id: number): boolean {
  return runs.some(({ inside, count }) => id >= inside && id < inside + count);
}

/** Undefined where the account files do not know him. */
function nameOf(uid: number): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return String(uid) === process.env['USER'] ? undefined : process.env['USER'];
  }
}

/** His ranges (subuid(5)), one after the other from 1 on. */
async function subordinate(path: string, uid: number, name: string | undefined): Promise<IdRun[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const runs: IdRun[] = [];
  let inside = 1;
  for (const line of text.split('\n')) {
    const match = /^([^:]+):(\d+):(\d+)\s*$/.exec(line);
    if (match === null || (match[1] !== name && match[1] !== String(uid))) continue;
    const count = Math.min(Number(match[3]), WANTED + 1 - inside);
    if (count <= 0) continue;
    runs.push({ inside, outside: Number(match[2]), count });
    inside += count;
  }
  return runs;
}

async function missingHelper(): Promise<string | undefined> {
  for (const name of HELPERS) if ((await find(name)) === undefined) return name;
  return undefined;
}

async function find(name: string): Promise<string | undefined> {
  for (const directory of (process.env['PATH'] ?? '').split(':').concat('/usr/bin')) {
    if (!directory.startsWith('/')) continue;
    const path = join(directory, name);
    if (await stat(path).then(
      (stats) => stats.isFile() && (stats.mode & 0o111) !== 0,
      () => false,
    ))
      return path;
  }
  return undefined;
}

const ADMITTED = Buffer.of(1);

/**
 * The other side of cpp/init/own_users.h: gives the process at the other end its ids, and lets it go on. The
 * socket is paused afterwards.
 *
 * @throws ERR_NO_PRIVILEGES
 */
export async function admit(socket: Socket, users: OwnUsers): Promise<void> {
  const answer = await firstWord(socket);
  if (answer < 0) throw refused(errnoName(-answer));
  await giveIds(answer, users);
  socket.write(ADMITTED);
}

function firstWord(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const ended = () => {
      reject(
        new CaissonError('ERR_START_FAILED', 'the process that was to hold the container ended', {
          stage: 'host',
          hint: 'somebody killed it, or the machine is out of memory',
        }),
      );
    };
    socket.once('error', ended);
    socket.once('close', ended);
    socket.once('data', (bytes: Buffer) => {
      socket.pause();
      socket.off('error', ended);
      socket.off('close', ended);
      // It says no more before it is let go on, and so little is never cut in two.
      resolve(bytes.readInt32LE(0));
    });
  });
}

async function giveIds(pid: number, { uids, gids, lack }: OwnUsers): Promise<void> {
  if (lack === undefined) {
    await runHelper('newuidmap', pid, uids);
    await runHelper('newgidmap', pid, gids);
    return;
  }
  try {
    // Who may not map groups freely gives up setgroups first (CVE-2014-8989).
    await writeFile(`/proc/${pid}/setgroups`, 'deny');
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
  const path = (await find(name)) ?? name;
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
  const hint =
    (mode & 0o4000) === 0
      ? `it is not set-user-id root: install the package uidmap again, or as root: chmod u+s ${path}`
      : `/etc/sub${name === 'newuidmap' ? 'uid' : 'gid'} and the account must fit: see ${name}(1)`;
  const { error, said } = failure;
  throw new CaissonError(
    'ERR_NO_PRIVILEGES',
    `${name} could not map this user's ids: ${said === '' ? error.message : said}`,
    { stage: 'host', path, hint, cause: error },
  );
}

/** The switches by which a machine forbids user namespaces, and what turns each. */
const SWITCHES: readonly (readonly [name: string, forbids: string, cure: string])[] = [
  ['user/max_user_namespaces', '0', 'sysctl user.max_user_namespaces=15000'],
  ['kernel/unprivileged_userns_clone', '0', 'sysctl kernel.unprivileged_userns_clone=1'],
  [
    'kernel/apparmor_restrict_unprivileged_userns',
    '1',
    'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for caisson-init with userns',
  ],
];

/** Which of them this machine has turned against users, if any: as root, this is the cure. */
export function userNamespaceSwitch(): { readonly name: string; readonly cure: string } | undefined {
  for (const [path, forbids, cure] of SWITCHES) {
    try {
      if (readFileSync(`/proc/sys/${path}`, 'utf8').trim() === forbids)
        return { name: path.replaceAll('/', '.'), cure };
    } catch {
      // This kernel has no such switch.
    }
  }
  return undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  EINVAL: 'the kernel was built without CONFIG_USER_NS',
  ENOSPC: 'as root: sysctl user.max_user_namespaces=15000, also of the namespaces around this one',
  EUSERS: 'user namespaces are nested too deeply here',
  EPERM:
    'something around this process forbids it: a chroot, or a container whose seccomp profile has no unshare',
  EACCES: 'a security module (AppArmor, SELinux) forbids it',
};

function refused(errno: string, cause?: unknown): CaissonError {
  const found = userNamespaceSwitch();
  return new CaissonError(
    'ERR_NO_PRIVILEGES',
    `this user cannot have a user namespace: ${found === undefined ? errno : `${found.name} forbids it`}`,
    {
      stage: 'host',
      syscall: 'unshare',
      errno,
      path: found?.name,
      hint: found === undefined ? REASONS[errno] : `as root: ${found.cure}`,
      cause,
    },
  );
}

/** What a start of an ordinary user's has met, where its cause lies in that. */
export function explainFailure(error: unknown): unknown {
  if (!(error instanceof CaissonError) || error.errno === undefined) return error;
  const { code, errno, stage, step, stepIndex, syscall, path } = error;
  let hint: string | undefined;
  if (step === 'tree.open' && errno === 'EINVAL') {
    hint = 'something is mounted below it, which a user namespace must not leave out';
  } else if (errno === 'EACCES' && (stage === 'host' || step === undefined)) {
    const found = userNamespaceSwitch();
    hint = found === undefined ? undefined : `${found.name} forbids it; as root: ${found.cure}`;
  }
  if (hint === undefined) return error;
  const message = error.message.endsWith(` (${error.hint})`)
    ? error.message.slice(0, -` (${error.hint})`.length)
    : error.message;
  const details = { stage, step, stepIndex, syscall, errno, path, hint, cause: error };
  return new CaissonError(code, message, details);
}
