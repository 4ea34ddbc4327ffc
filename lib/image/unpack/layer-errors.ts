/** The errors of unpacking a layer. */
import { constants } from 'node:os';
import { CaissonError, type ErrorCode } from '../../base/errors.js';
import { errnoName } from '../../base/errno.js';
import { storageHint, storageReason } from '../../base/storage.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { pathText, type RefusalReport } from './archive-report.js';

/** By the names of cpp/tar/refusal.cpp. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  truncated: 'ERR_INVALID_LAYER',
  'invalid-header': 'ERR_INVALID_LAYER',
  'invalid-compressed': 'ERR_INVALID_LAYER',
  unsupported: 'ERR_INVALID_LAYER',
  'unsafe-path': 'ERR_INVALID_LAYER',
  'unsafe-link': 'ERR_INVALID_LAYER',
  'invalid-whiteout': 'ERR_INVALID_LAYER',
  'too-large': 'ERR_LAYER_TOO_LARGE',
  ratio: 'ERR_LAYER_TOO_LARGE',
  'too-many-entries': 'ERR_LAYER_TOO_LARGE',
  'path-too-long': 'ERR_LAYER_TOO_LARGE',
  'unmapped-id': 'ERR_NO_PRIVILEGES',
};

/** @param name of the layer, in messages */
export function refusalError(
  refusal: RefusalReport,
  name: string,
  users: UserNamespaceIds | undefined,
): CaissonError {
  const { kind, detail, errno, signal } = refusal;
  const path = refusal.path === undefined ? undefined : pathText(refusal.path);
  if (kind === 'killed') return killed(name, signal);
  if (kind === 'system') return systemError(name, detail, errno ?? 0, path);
  const code = CODES[kind];
  if (code === undefined) return noReport(name);
  const where = path === undefined ? '' : ` (${JSON.stringify(path)})`;
  return new CaissonError(code, `${name} is refused: ${detail}${where}`, {
    stage: 'image',
    path,
    hint: code === 'ERR_NO_PRIVILEGES' ? mappedHint(users) : undefined,
  });
}

function mappedHint(users: UserNamespaceIds | undefined): string {
  return (
    users?.lack?.remedy ??
    'give the user more subordinate ids in /etc/subuid and /etc/subgid: see subuid(5)'
  );
}

function systemError(
  name: string,
  syscall: string,
  errno: number,
  path: string | undefined,
): CaissonError {
  const why = errnoName(errno);
  const disk = storageReason(why);
  const subject = path === undefined ? name : `${JSON.stringify(path)} of ${name}`;
  if (disk !== undefined)
    return new CaissonError('ERR_STORAGE', `cannot write ${subject}: ${disk}`, {
      stage: 'image',
      path,
      syscall,
      errno: why,
      hint: storageHint(why),
    });
  const code = why === 'EPERM' || why === 'EACCES' ? 'ERR_NO_PRIVILEGES' : 'ERR_UNPACK_FAILED';
  return new CaissonError(code, `cannot unpack ${subject}: ${syscall} failed with ${why}`, {
    stage: 'image',
    path,
    syscall,
    errno: why,
  });
}

export function killed(name: string, signal: number | undefined): CaissonError {
  const found = Object.entries(constants.signals).find(([, number]) => number === signal);
  const seccomp = found?.[0] === 'SIGSYS';
  return new CaissonError(
    seccomp ? 'ERR_INVALID_LAYER' : 'ERR_UNPACK_FAILED',
    `caisson-archive was killed by ${found?.[0] ?? 'a signal'} while it unpacked ${name}`,
    {
      stage: 'image',
      hint: seccomp
        ? 'it has made a system call that unpacking does not need'
        : 'another process has killed it, or the machine is out of memory',
    },
  );
}

export function noReport(name: string): CaissonError {
  return new CaissonError(
    'ERR_UNPACK_FAILED',
    `caisson-archive ended without a report on ${name}`,
    { stage: 'image', hint: 'another process has killed it, or the machine is out of memory' },
  );
}
